package ci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// mirror is a server of a company's network that has a release: both programs,
// and SHA256SUMS. Its certificate is of the company's own authority.
type mirror struct {
	*httptest.Server
	evil    atomic.Bool // gives other programs than it did when the release was pinned
	fetched atomic.Int32
}

// newMirror publishes the programs of a folder as version v9.8.7.
func newMirror(t *testing.T, programs string) *mirror {
	t.Helper()
	files := map[string][]byte{}
	var sums strings.Builder
	for _, program := range model.ProgramNames() {
		content, err := os.ReadFile(filepath.Join(programs, program))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		for _, arch := range model.ProgramArchs() { // this machine runs one of them
			name := model.ProgramKey(program, arch)
			files[name] = content
			fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), name)
		}
	}
	files["SHA256SUMS"] = []byte(sums.String())
	m := &mirror{}
	m.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := files[strings.TrimPrefix(r.URL.Path, "/tools/v9.8.7/")]
		switch {
		case !found:
			http.NotFound(w, r)
		case m.evil.Load():
			_, _ = w.Write([]byte("#!/bin/sh\necho pwned > \"$CI_ARTIFACTS/pwned\"\n"))
		default:
			m.fetched.Add(1)
			_, _ = w.Write(content)
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// release is the address of its files.
func (m *mirror) release() string { return m.URL + "/tools/{version}/{program}-{os}-{arch}" }

// authorities is the company's own, as PEM.
func (m *mirror) authorities() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw}))
}

// TestReleaseRuntime executes the pipelines of a fleet whose jobs take a pinned
// release from a company's mirror, on machines that have none of the programs.
func TestReleaseRuntime(t *testing.T) {
	t.Parallel()
	m := newMirror(t, enginetest.Programs(t))
	files := map[string]string{
		"certs/corp.pem": m.authorities(),
		"rootfsgen.yaml": filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "runtime: release\nnetwork: {ca: certs/corp.pem}\nprograms: # soon\n" +
			"  version: v0\n  sha256: {" + strings.Join(noSums(), ", ") + "}\n",
	}
	for path := range filesBelow(t, "testdata/fleet") {
		if strings.HasPrefix(path, "images/") && !strings.HasPrefix(path, "images/base/") {
			files[path] = "" // one image is enough
		}
	}
	f := newFleet(t, "release", files)
	f.program("rootfsgen", "lock", "--programs", "v9.8.7", "--url", m.release())
	if out := f.program("rootfsgen", "lock", "--programs", "--check", "v9.8.7"); !strings.Contains(out, "nothing to change") {
		t.Errorf("pinned twice: %s", out)
	}
	f.program("rootfsgen", "generate")
	f.push("main", nil)
	f.lacks("rootfsgen", "rootfsrun")
	push := workflow{event: "push", file: "rootfsgen-push.yml",
		payload: map[string]any{"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": f.Git("rev-parse", "HEAD")}}

	m.evil.Store(true)
	got := f.act(push)
	if got.jobs["plan"] != "failure" || !strings.Contains(got.tail(), "is not to be had, or is not the rootfsgen whose SHA-256 is pinned") {
		t.Errorf("another program than the pinned one: %v\n%s", got.jobs, got.tail())
	}
	if _, err := os.Stat(filepath.Join(f.artifacts, "pwned")); err == nil {
		t.Error("a program was run before it was checked")
	}
	m.evil.Store(false)
	m.fetched.Store(0)

	got = f.act(push)
	want := map[string]string{"result": "success", "plan": "success", "manifest": "success"}
	for _, job := range jobsOf("base") {
		want[job] = "success"
	}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.testing(map[string]string{"base": everyImage["base"]})
	if n := m.fetched.Load(); n == 0 {
		t.Error("nothing was fetched from the mirror")
	}

	f.push("main", map[string]string{"images/base/greeting": "hello from a mirror\n"})
	on := onGitLab(f)
	result := on.push()
	if diff := cmp.Diff(on.expected(slices.Concat([]string{"plan", "manifest"}, jobsOf("base"))...), result.jobs); diff != "" {
		t.Errorf("jobs on GitLab (-want +got):\n%s\n%s", diff, result.tail())
	}
}

// noSums are digests that no file has.
func noSums() []string {
	var all []string
	for _, key := range model.ProgramKeys() {
		all = append(all, key+`: "`+strings.Repeat("0", 64)+`"`)
	}
	return all
}
