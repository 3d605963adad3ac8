package ci

import (
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// TestSourceRuntime executes the pipelines of a repository that holds the
// programs' own source, as this one does: the planning job compiles them and
// hands them on, and what they build is scanned and judged. The machines have
// neither them nor the engines nor the scanners, and offer no BuildKit. The one
// stand-in beside the actions is the Makefile.
func TestSourceRuntime(t *testing.T) {
	t.Parallel()
	files := sourceFleet(t)
	for path, text := range enginetest.Debian12(map[string]string{"openssl": "3.0.1-1"}) {
		files["images/base/rootfs/"+path] = text
	}
	files["images/base/Dockerfile"] = filesBelow(t, "testdata/fleet")["images/base/Dockerfile"] + "COPY rootfs/ /\n"
	files["scan-policy.yaml"] = "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n"
	db, _ := enginetest.ScanDB(t, time.Time{}, hole("CVE-2026-0001", "low"), enginetest.OfNVD)
	f := newFleet(t, "source", files)
	f.env = append(f.env, "ROOTFSRUN_SCAN_DB="+db)
	f.lacks("rootfsgen", "rootfsrun", "buildkitd", "registry", "syft", "grype")
	got := f.act(workflow{
		event: "push", file: "rootfsgen-push.yml", env: goSettings(t), without: []string{"BUILDKIT_HOST"}, alone: true,
		payload: map[string]any{"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": f.Git("rev-parse", "HEAD")},
	})
	removeSockets(t, got)
	want := map[string]string{"result": "success", "plan": "success", "manifest": "success"}
	for _, job := range jobsOf("base") {
		want[job] = "success"
	}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.testing(map[string]string{"base": everyImage["base"]})
	f.judgedBy("CVE-2026-0001", "base")

	main := f.Git("rev-parse", "HEAD")
	f.watchedFromSource(main)
	f.Git("checkout", "-q", "-b", "feature")
	head := f.push("feature", map[string]string{"images/base/greeting": "hello from a fork\n"})
	got = gitHub{f}.merged(9, main, func() results {
		return f.act(workflow{
			event: "pull_request", file: "rootfsgen-request.yml", env: goSettings(t), without: []string{"BUILDKIT_HOST"}, alone: true,
			payload: pullRequest(9, main, head, "mallory/images"),
		})
	})
	removeSockets(t, got)
	want = map[string]string{"fork": "success", "fleet": "skipped", "comment": "skipped", "result": "success"}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.reported(filepath.Join(f.artifacts, "rootfsgen-reports"), "base")
}

// watchedFromSource lets the watchdog, which checks nothing out, compile its
// program from the archive of the default branch that GitHub's API gives.
func (f *fleet) watchedFromSource(main string) {
	f.t.Helper()
	h := forgetest.NewGitHub(f.t, "acme", "images")
	h.Heads["main"] = main
	h.Put(forgetest.Run{ID: 1, Workflow: "rootfsgen push", Commit: main, Jobs: []forgetest.Job{
		{Name: "fleet / build base / linux/amd64", Conclusion: "failure", Notes: []string{"The self-hosted runner: a lost communication with the server."}},
	}})
	api := f.archives(h)
	authorities := filepath.Join(f.scratch, "authorities.pem")
	if err := os.WriteFile(authorities, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}), 0o600); err != nil {
		f.t.Fatal(err)
	}
	got := f.watchdog(api.URL, 1, "failure", append(goSettings(f.t), "CURL_CA_BUNDLE="+authorities, "SSL_CERT_FILE="+authorities)...)
	if d := cmp.Diff(succeeded("watchdog"), got.jobs); d != "" || h.Attempt(1) != 2 {
		f.t.Errorf("the watchdog ran nothing again (-want +got):\n%s\n%s", d, got.tail())
	}
}

// archives serves the API of a GitHub behind TLS, with an archive of each commit
// at another address, as GitHub does.
func (f *fleet) archives(h *forgetest.Hub) *httptest.Server {
	f.t.Helper()
	at, err := url.Parse(h.URL)
	if err != nil {
		f.t.Fatal(err)
	}
	api := httputil.NewSingleHostReverseProxy(at)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		commit, asked := strings.CutPrefix(r.URL.Path, "/repos/acme/images/tarball/")
		archive, given := strings.CutPrefix(r.URL.Path, "/codeload/")
		switch {
		case asked && r.Header.Get("Authorization") == "Bearer "+forgetest.Token:
			http.Redirect(w, r, "/codeload/"+commit, http.StatusFound)
		case given:
			cmd := exec.CommandContext(r.Context(), "git", "archive", "--format=tar.gz", "--prefix=acme-images-"+archive[:7]+"/", archive)
			cmd.Dir, cmd.Stdout = f.origin, w
			if err := cmd.Run(); err != nil {
				http.NotFound(w, r)
			}
		default:
			api.ServeHTTP(w, r)
		}
	}))
	f.t.Cleanup(s.Close)
	return s
}

// sourceFleet is one image, in a repository that holds the programs' source.
func sourceFleet(t *testing.T) map[string]string {
	t.Helper()
	files := source(t)
	maps.Copy(files, onlyBase(t))
	files["rootfsgen.yaml"] = filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "runtime: source\n"
	files["Makefile"] = engineTargets(t)
	return files
}

// lacks makes the machines of a fleet ones that have none of these programs.
func (f *fleet) lacks(programs ...string) {
	for i, v := range f.env {
		if path, found := strings.CutPrefix(v, "PATH="); found {
			f.env[i] = "PATH=" + without(path, programs...)
		}
	}
}

// without drops the folders of a PATH that hold any of these programs: a
// machine should have none of them.
func without(path string, programs ...string) string {
	return strings.Join(slices.DeleteFunc(filepath.SplitList(path), func(dir string) bool {
		return slices.ContainsFunc(programs, func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err == nil
		})
	}), ":")
}

// engineTargets stands in for those targets of the real Makefile that get the
// engines and the scanners: it takes what this machine has already.
func engineTargets(t *testing.T) string {
	t.Helper()
	bin := enginetest.Bin(t)
	take := func(names ...string) string {
		return "\tmkdir -p .cache/bin\n\tcp " + bin + "/" + strings.Join(names, " "+bin+"/") + " .cache/bin/\n"
	}
	return ".PHONY: packages-run tools-run tools-scan\npackages-run:\ntools-run:\n" + take("buildkitd", "registry") + "tools-scan:\n" + take("syft", "grype")
}

// source is what the two programs are compiled from.
func source(t *testing.T) map[string]string {
	t.Helper()
	root := enginetest.Root(t)
	files := map[string]string{}
	for _, dir := range []string{"cmd", "generator", "internal", "runtime", "schema", "templates"} {
		for path, text := range filesBelow(t, filepath.Join(root, dir)) {
			if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "testdata/") {
				files[dir+"/"+path] = text
			}
		}
	}
	for _, path := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(text)
	}
	return files
}

// goSettings let a job use this machine's caches of Go.
func goSettings(t *testing.T) []string {
	t.Helper()
	settings := map[string]string{}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"} {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		settings[name] = strings.TrimSpace(string(out))
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		env = append(env, name+"="+settings[name])
	}
	return env
}
