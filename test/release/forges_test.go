package release

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/keytest"
)

// tag is what the forges release here.
const tag = "v0.0.2"

// forged is a checkout that is released by a forge's pipeline, and the key that
// signs where there is no Sigstore.
type forged struct {
	t           *testing.T
	dir, origin string
	releases    string // folder for each release
	key, public string
	env         []string
}

func newForged(t *testing.T) *forged {
	t.Helper()
	top, root := t.TempDir(), enginetest.Root(t)
	f := &forged{t: t, dir: filepath.Join(top, "checkout"), origin: filepath.Join(top, "origin.git"), releases: filepath.Join(top, "releases"), public: filepath.Join(top, "key.pub")}
	checkout(t, root, f.dir)
	must(t, f.dir, nil, "git", "checkout", "-q", "-B", "main")
	private, public := keytest.New(t)
	f.key = private
	f.write(f.public, public)
	if err := os.Mkdir(f.releases, 0o750); err != nil {
		t.Fatal(err)
	}
	stubs, err := filepath.Abs("testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	f.env = []string{
		"PATH=" + stubs + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(top), "LANG=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1",
		"SYFT=" + filepath.Join(enginetest.Bin(t), "syft"), "RELEASE_PLATFORMS=" + runtime.GOOS + "/" + runtime.GOARCH, "RELEASES=" + f.releases,
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB"} {
		f.env = append(f.env, name+"="+must(t, "", nil, "go", "env", name))
	}
	return f
}

// tagged commits what the test changed, and pushes it with the tag.
func (f *forged) tagged() {
	f.t.Helper()
	must(f.t, f.dir, nil, "git", "add", "-A")
	must(f.t, f.dir, nil, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "--allow-empty", "-m", "Release")
	must(f.t, f.dir, nil, "git", "tag", tag)
	must(f.t, f.dir, nil, "git", "clone", "-q", "--bare", ".", f.origin)
	must(f.t, f.dir, nil, "git", "remote", "set-url", "origin", "file://"+f.origin)
}

func (f *forged) write(name, content string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// run executes a forge's program in a session of its own, and nothing of it
// outlives the test.
func (f *forged) run(env []string, name string, args ...string) (string, error) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), name, args...)
	cmd.Dir, cmd.Env = f.dir, append(slices.Clone(f.env), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// whole checks a release as its users do: all files, and both signatures.
func (f *forged) whole() {
	f.t.Helper()
	dir := filepath.Join(f.releases, tag)
	var want []string
	for _, program := range []string{"rootfsgen", "rootfsrun"} {
		name := program + "-" + runtime.GOOS + "-" + runtime.GOARCH
		want = append(want, name, name+".cdx.json")
	}
	want = append(want, "SHA256SUMS", "SHA256SUMS.sigstore.json", "provenance.json", "provenance.json.sigstore.json")
	slices.Sort(want)
	var got []string
	for name := range files(f.t, dir) {
		got = append(got, name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("files (-want +got):\n%s", diff)
	}
	out, err := command(context.WithoutCancel(f.t.Context()), enginetest.Root(f.t), nil, "go", "run", "./internal/releaser", "verify", dir, "--key", f.public)
	if err != nil || !strings.Contains(out, "signed by") {
		f.t.Errorf("the release is not whole: %v\n%s", err, out)
	}
}

// TestGitHubReleases executes programs.yml with act, as the workflow of a tag
// calls it. Its last step, run again, finishes a release that lacks its end, and
// leaves one alone that is whole.
func TestGitHubReleases(t *testing.T) {
	t.Parallel()
	f := newForged(t)
	f.write(filepath.Join(f.dir, ".github/workflows/call.yml"), `name: call
on: {push: {tags: ["v*"]}}
permissions: {}
jobs:
  programs:
    uses: ./.github/workflows/programs.yml
    permissions: {contents: write, id-token: write}
    secrets:
      RELEASE_KEY: ${{ secrets.RELEASE_KEY }}
`)
	f.tagged()
	event, artifacts := filepath.Join(t.TempDir(), "event.json"), t.TempDir()
	f.write(event, `{"ref": "refs/tags/`+tag+`", "repository": {"full_name": "acme/programs", "default_branch": "main"}}`)
	args := []string{
		"push", "-W", ".github/workflows/call.yml", "-e", event, "--json", "-v", "--strict", "--action-offline-mode", "--pull=false", "--container-daemon-socket", "-",
		"--no-cache-server", "--no-skip-checkout", "--action-cache-path", t.TempDir(), "--env-file", "/dev/null", "--secret-file", "/dev/null", "--var-file", "/dev/null",
		"--input-file", "/dev/null", "--env", "CI_ORIGIN=file://" + f.origin, "--env", "CI_ARTIFACTS=" + artifacts, "-s", "GITHUB_TOKEN=a-token-that-opens-nothing",
		"-s", "RELEASE_KEY=" + f.key, "-P", "ubuntu-24.04=-self-hosted",
	}
	args = append(args, standIns(t, f.dir)...)
	out, err := f.run(nil, filepath.Join(enginetest.Bin(t), "act"), args...)
	if jobs := strings.Count(out, `"jobResult":"success"`); err != nil || jobs != 0 {
		t.Fatalf("a copy that did not ask for it releases: %v, %d jobs passed\n%s", err, jobs, last(out))
	}
	out, err = f.run(nil, filepath.Join(enginetest.Bin(t), "act"), append(args, "--var", "RELEASE_PROGRAMS=true")...)
	if jobs := strings.Count(out, `"jobResult":"success"`); err != nil || jobs != 2 {
		t.Fatalf("%v, %d jobs passed\n%s", err, jobs, last(out))
	}
	f.whole()
	made := filepath.Join(f.releases, tag)
	if err := os.CopyFS(filepath.Join(f.dir, "build-artifacts/release"), os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	write := step(t, f.dir, "publish", "Write the release")
	again := func() string {
		t.Helper()
		out, err := f.run([]string{"GITHUB_REF_NAME=" + tag, "GITHUB_REPOSITORY=acme/programs", "GH_TOKEN=a-token-that-opens-nothing"}, "bash", "-c", write)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	for _, name := range []string{"SHA256SUMS", "provenance.json"} {
		if err := os.Remove(filepath.Join(made, name)); err != nil {
			t.Fatal(err)
		}
	}
	again()
	f.whole()
	if err := os.RemoveAll(filepath.Join(f.dir, "build-artifacts/release")); err != nil {
		t.Fatal(err)
	}
	if out := again(); !strings.Contains(out, tag+" is released already") {
		t.Errorf("a whole release was not left alone\n%s", out)
	}
	f.whole()
}

// step is the script of a job's step in programs.yml.
func step(t *testing.T, dir, job, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".github/workflows/programs.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		Jobs map[string]struct{ Steps []struct{ Name, Run string } }
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.Jobs[job].Steps {
		if s.Name == name {
			return s.Run
		}
	}
	t.Fatalf("programs.yml has no step %q", name)
	return ""
}

// action finds the actions of a workflow: name, commit.
var action = regexp.MustCompile(`uses: ([^\s@]+)@([0-9a-f]{40})\b`)

// standIns are act's options that put a script of test/ci in the place of each
// action.
func standIns(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, ".github/workflows/programs.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, m := range action.FindAllStringSubmatch(string(text), -1) {
		stub := filepath.Join(enginetest.Root(t), "test/ci/testdata/stubs", filepath.Base(m[1]))
		if option := m[1] + "@" + m[2] + "=" + stub; !slices.Contains(args, option) {
			args = append(args, "--local-repository", option)
		}
	}
	return args
}

// last is the end of what a forge's program printed.
func last(out string) string {
	lines := strings.Split(out, "\n")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// packages is GitLab's registry of packages for one project: the files of a
// version, in a folder. What is there already is refused.
func packages(t *testing.T, releases string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, found := strings.CutPrefix(r.URL.Path, "/api/v4/projects/7/packages/generic/rootfsgen/"+tag+"/")
		file := filepath.Join(releases, tag, filepath.Base(name))
		_, err := os.Stat(file)
		switch {
		case !found || strings.Contains(name, "/") || r.Header.Get("JOB-TOKEN") != "a-job":
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodGet && err == nil:
			http.ServeFile(w, r, file)
		case r.Method == http.MethodGet:
			http.NotFound(w, r)
		default:
			content, err := io.ReadAll(r.Body)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(file), 0o750)
			}
			if err == nil {
				err = os.WriteFile(file, content, 0o600)
			}
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestGitLabReleases executes the jobs of .gitlab/programs.yml with
// gitlab-ci-local, as a copy that releases nothing, and twice as one that does.
func TestGitLabReleases(t *testing.T) {
	t.Parallel()
	f := newForged(t)
	f.write(filepath.Join(f.dir, ".gitlab-ci.yml"), "include:\n  - {local: .gitlab/programs.yml}\nstages: [rootfsgen-channels]\n\"own:programs\": {extends: .programs, stage: rootfsgen-channels}\n")
	f.tagged()
	server := packages(t, f.releases)
	node := filepath.Join(enginetest.Root(t), ".cache", "node")
	variables := map[string]string{
		"CI_COMMIT_TAG": tag, "CI_COMMIT_REF_NAME": tag, "CI_API_V4_URL": server.URL + "/api/v4", "CI_PROJECT_ID": "7", "CI_JOB_TOKEN": "a-job",
		"CI_PROJECT_URL": "https://gitlab.example.com/acme/programs", "CI_CONFIG_PATH": ".gitlab-ci.yml", "RELEASE_KEY": f.key,
		"CI_PROJECT_PATH": "acme/programs", "CI_COMMIT_REF_PROTECTED": "true",
	}
	jobs := func(want string) string {
		t.Helper()
		var names []string
		args := []string{filepath.Join(node, "node_modules/gitlab-ci-local/dist/index.js"), "--force-shell-executor", "--shell-isolation", "--no-artifacts-to-source", "--no-color", "--unset-variable", "CI_COMMIT_BRANCH"}
		for name, value := range variables {
			names = append(names, name)
			args = append(args, "--variable", name+"="+value)
		}
		out, err := f.run(nil, filepath.Join(node, "node"), append(args, "--ignore-predefined-vars", strings.Join(names, ","))...)
		if published := strings.Contains(out, "PASS  programs-publish"); err != nil || !strings.Contains(out, "PASS  own:programs") || published != (want == "publish") {
			t.Fatalf("%v\n%s", err, last(out))
		}
		return out
	}
	jobs("compile nothing") // in a copy that did not ask for it
	if left := files(t, f.releases); len(left) > 0 {
		t.Fatalf("a copy released %v", left)
	}
	variables["RELEASE_PROGRAMS"] = "true"
	jobs("publish")
	f.whole()
	if out := jobs("publish"); !strings.Contains(out, tag+" is released already") {
		t.Errorf("a whole release was not left alone\n%s", last(out))
	}
}
