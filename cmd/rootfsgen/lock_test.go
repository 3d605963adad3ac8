package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/cmd/internal/gencmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// publish pushes an image for both platforms under the tag "1". Each platform
// has a variable of that value, and these ONBUILD instructions.
func publish(t *testing.T, repo, value string, onbuild ...string) {
	t.Helper()
	client := registry.New(registry.Options{})
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"},
			Config: v1.Config{Env: []string{"VALUE=" + value}, OnBuild: onbuild}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PushImage(t.Context(), repo, img); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	d, err := client.PushIndex(t.Context(), repo, index)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MoveTag(t.Context(), repo, d, "1"); err != nil {
		t.Fatal(err)
	}
}

// call runs the program in a folder.
func call(t *testing.T, dir string, args ...string) (out, errs string, code int) {
	t.Helper()
	streams, stdout, stderr := term.Buffers()
	code = gencmd.Program().Main(t.Context(), append([]string{"-C", dir}, args...), streams)
	return stdout.String(), stderr.String(), code
}

func TestLockCommand(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("HOME", t.TempDir())
	s := registrytest.New(t)
	base, tool, stale := s.Prefix("base"), s.Prefix("tool"), s.Prefix("stale")
	publish(t, base, "one", "COPY --from="+tool+":1 / /tool")
	publish(t, tool, "one")
	publish(t, stale, "one")
	r := gittest.New(t)
	r.Commit(map[string]string{
		"fleet/rootfsgen.yaml":      "version: 1\n",
		"fleet/images/a/Dockerfile": "FROM " + base + ":1\n",
		"fleet/images/b/Dockerfile": "FROM " + stale + ":1\n",
	})
	r.Git("tag", "v1")
	dir, file := filepath.Join(r.Dir, "fleet"), filepath.Join(r.Dir, "fleet", "images.lock")
	lock := func(want int, parts string, args ...string) string {
		t.Helper()
		out, errs, code := call(t, dir, append([]string{"lock"}, args...)...)
		if code != want {
			t.Errorf("lock %v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
		}
		for part := range strings.SplitSeq(parts, "|") {
			if !strings.Contains(out+errs, part) {
				t.Errorf("lock %v: %q is not said:\n%s%s", args, part, out, errs)
			}
		}
		return out
	}
	content := func() []byte {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}

	// On a desk a plan only warns of what is not locked; in CI it is an error.
	if _, errs, code := call(t, dir, "plan"); code != 0 || !strings.Contains(errs, "base-unlocked") {
		t.Errorf("a plan on a desk: %d\n%s", code, errs)
	}
	t.Setenv("CI", "true")
	if _, errs, code := call(t, dir, "plan", "--registry-state", "off"); code != 3 || !strings.Contains(errs, "base-unlocked") {
		t.Errorf("a plan in CI: %d\n%s", code, errs)
	}
	t.Setenv("CI", "")

	s.Forget()
	lock(4, "not locked  image "+base+":1  (fleet/images/a/Dockerfile:1:6)", "--check")
	if len(s.Requests()) > 0 {
		t.Errorf("--check alone asked: %v", s.Requests())
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("--check wrote the lock")
	}
	// The image that base's ONBUILD names is found in the same call.
	lock(0, "fleet/images.lock: wrote|new         image "+base+":1|new         image "+tool+":1|new         image "+stale+":1")
	first := content()
	lock(0, "nothing to change")
	lock(0, "nothing to change", "--check")
	lock(0, "nothing to change", "--check", "--update")
	if !bytes.Equal(first, content()) {
		t.Error("locking again wrote something else")
	}

	publish(t, base, "two", "COPY --from="+tool+":1 / /tool")
	publish(t, tool, "two")
	lock(0, "nothing to change", "--check")
	lock(4, "moved       image "+base+":1|moved       image "+tool+":1|ENV VALUE for linux/amd64  \"one\" -> \"two\"", "--check", "--update")
	lock(0, "moved       image "+tool+":1", "--update", tool+":1")
	out := lock(4, "", "--check", "--update", "--json")
	var result struct {
		File    string
		Changed bool
		Changes []struct{ Kind, Name, Of, Old, New string }
		Bases   []string
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	if result.File != "fleet/images.lock" || !result.Changed || len(result.Bases) != 1 || result.Bases[0] != base+":1" || result.Changes[0].Old == result.Changes[0].New {
		t.Errorf("got %+v", result)
	}
	lock(0, "moved       image "+base+":1", "--update", "a")
	lock(2, "unknown image \"nothing\"", "--update", "nothing")
	lock(2, "only --update and --programs take names", "a")

	// What nothing is built from any more goes.
	r.Write(map[string]string{"fleet/images/b/Dockerfile": "FROM scratch\n"})
	lock(4, "gone        image "+stale+":1", "--check")
	lock(0, "gone        image "+stale+":1")

	// What has lost half of itself is not taken, and what is there is.
	s.Fail(registrytest.Fault{Path: "/base/manifests/1", Status: 404})
	publish(t, tool, "three")
	lock(0, "what is locked stays|moved       image "+tool+":1", "--update")
	s.Heal()

	// A lock that somebody has broken is refused, with its place.
	r.Write(map[string]string{"fleet/images.lock": strings.Replace(string(content()), "digest: sha256:", "digest: sha512:", 1)})
	lock(3, "fleet/images.lock:", "--check")
	lock(3, "fleet/images.lock:", "--update")
	if _, errs, code := call(t, dir, "plan"); code != 3 || !strings.Contains(errs, "fleet/images.lock:") {
		t.Errorf("a plan with a broken lock: %d\n%s", code, errs)
	}
}

// An image that needs what is not there is not locked, and says where it
// stands; the others are.
func TestLockCommandInTrouble(t *testing.T) {
	t.Setenv("CI", "true")
	t.Setenv("HOME", t.TempDir())
	s := registrytest.New(t)
	publish(t, s.Prefix("good"), "one")
	r := gittest.New(t)
	r.Commit(map[string]string{
		"rootfsgen.yaml":      "version: 1\nsyntax: builtin\n",
		"images/a/Dockerfile": "# syntax=docker.io/docker/dockerfile:1\nFROM " + s.Prefix("good") + ":1\n",
		"images/b/Dockerfile": "FROM " + s.Prefix("absent") + ":1\n",
	})
	out, errs, code := call(t, r.Dir, "lock")
	if code != 3 || !strings.Contains(out, "new         image "+s.Prefix("good")+":1") || !strings.Contains(errs, "images/b/Dockerfile:1:6") || !strings.Contains(errs, "base-absent") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(r.Dir, "images.lock")); err != nil {
		t.Error(err)
	}
	if strings.Contains(out, "docker/dockerfile") {
		t.Errorf("a frontend that is not used was locked:\n%s", out)
	}
}

// TestLockCountsAFailureOnce tells of an offered update with which one image
// failed: the rounds of one lock, which go on until nothing moves, count it once.
func TestLockCountsAFailureOnce(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("HOME", t.TempDir())
	s := registrytest.New(t)
	bad, good := s.Prefix("bad"), s.Prefix("good")
	publish(t, bad, "one")
	publish(t, good, "one")
	r := gittest.New(t)
	r.Commit(map[string]string{
		"rootfsgen.yaml":      "version: 1\nupdates: {backoff: 24h, quarantine: 3}\n",
		"images/a/Dockerfile": "FROM " + bad + ":1\n",
		"images/b/Dockerfile": "FROM " + good + ":1\n",
	})
	lockIt := func(args ...string) {
		t.Helper()
		if out, errs, code := call(t, r.Dir, append([]string{"lock"}, args...)...); code != 0 {
			t.Fatalf("lock %v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	lockIt()
	r.Commit(nil)
	publish(t, bad, "two")
	publish(t, good, "two")
	lockIt("--update")
	file, tried := filepath.Join(r.Dir, "images.lock"), filepath.Join(t.TempDir(), "tried")
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	offered := func(lock, failed string) string {
		t.Helper()
		if err := errors.Join(os.WriteFile(tried, []byte(lock), 0o600), os.WriteFile(tried+".txt", []byte(failed), 0o600)); err != nil {
			t.Fatal(err)
		}
		r.Git("checkout", "-q", "images.lock") // nobody has merged it
		lockIt("--update", "--offered", tried, "--failed", tried+".txt")
		return read()
	}
	now := offered(read(), "a\n")
	if !strings.Contains(now, "VALUE=one") || !strings.Contains(now, "VALUE=two") || !strings.Contains(now, "failures: 1\n") {
		t.Errorf("the good base goes on, the bad one waits, and one failure is noted:\n%s", now)
	}
	now = offered(regexp.MustCompile(`last: .*`).ReplaceAllString(now, "last: \"2026-01-01T00:00:00Z\""), "")
	if strings.Contains(now, "VALUE=one") || !strings.Contains(now, "failures: 1\n") {
		t.Errorf("the bad base is tried again, and its failure stays noted:\n%s", now)
	}
	if now = offered(now, "a\n"); !strings.Contains(now, "failures: 2\n") {
		t.Errorf("a second failure is the second:\n%s", now)
	}
}
