package ci

import (
	"bytes"
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// limit bounds the execution of one pipeline: something hangs when it takes
// that long.
const limit = 20 * time.Minute

// fleet is a repository with a small fleet, its origin, and a machine of the
// forge that is to execute its pipelines.
type fleet struct {
	*gittest.Repo
	t         *testing.T
	origin    string // a bare repository, what the forge has
	scratch   string // for whatever the forge keeps
	artifacts string // what jobs have saved
	prefix    string // registry prefix of this fleet: its scopes lie below it
	env       []string
	logins    map[string]string // secrets of GitHub, or variables of the project of GitLab, by name
	alone     bool              // GitLab's jobs have a machine of their own: no process and no mount outlives it
}

// newFleet makes the fleet of testdata/fleet and further files, locks its
// base, generates its pipelines and pushes the lot. name keeps it apart from
// others in the registry. An empty file is one that the fleet is to lack.
func newFleet(t *testing.T, name string, further ...map[string]string) *fleet {
	t.Helper()
	return newFleetAt(t, enginetest.Services(t).Registry, name, further...)
}

// newFleetAt makes it for a host that is another way to the registry of the
// tests, which f.prefix remains an address of.
func newFleetAt(t *testing.T, host, name string, further ...map[string]string) *fleet {
	t.Helper()
	f := newRepository(t, name)
	files := filesBelow(t, "testdata/fleet")
	for _, more := range further {
		maps.Copy(files, more)
	}
	r := strings.NewReplacer("@REGISTRY@", host+"/"+name, "@BUSYBOX@", enginetest.Busybox(t))
	for path, text := range files {
		files[path] = r.Replace(text)
	}
	maps.DeleteFunc(files, func(_, text string) bool { return text == "" })
	f.Write(files)
	f.program("rootfsgen", "lock")
	f.program("rootfsgen", "generate")
	f.push("main", nil)
	return f
}

// newRepository makes an empty repository, its origin and its machine.
func newRepository(t *testing.T, name string) *fleet {
	t.Helper()
	s := enginetest.Services(t)
	f := &fleet{t: t, Repo: gittest.New(t), prefix: s.Registry + "/" + name, scratch: t.TempDir()}
	t.Cleanup(f.nothingRuns)
	f.origin = filepath.Join(f.scratch, "origin.git")
	f.artifacts = filepath.Join(f.scratch, "artifacts")
	home := filepath.Join(f.scratch, "home")
	for _, dir := range []string{f.artifacts, home} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What the machine of a runner has, and nothing of ours: no CI variable,
	// no configuration of a user.
	f.env = []string{
		"PATH=" + strings.Join([]string{enginetest.Programs(t), enginetest.Bin(t), os.Getenv("PATH"), "/usr/sbin:/sbin"}, ":"),
		"HOME=" + home, "LANG=C.UTF-8", "BUILDKIT_HOST=" + s.BuildkitAddr,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=ci", "GIT_AUTHOR_EMAIL=ci@example.com", "GIT_COMMITTER_NAME=ci", "GIT_COMMITTER_EMAIL=ci@example.com",
	}
	f.Git("init", "-q", "--bare", "-b", "main", f.origin)
	f.Git("remote", "add", "origin", f.origin)
	return f
}

// filesBelow reads a folder; paths are relative to it.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // a link may lead to a folder
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// push commits the files on the current branch and pushes it.
func (f *fleet) push(branch string, files map[string]string) (commit string) {
	f.t.Helper()
	commit = f.Commit(files)
	f.Git("push", "-q", "origin", "HEAD:refs/heads/"+branch)
	f.Git("update-ref", "refs/remotes/origin/"+branch, commit)
	return commit
}

// program runs one of our programs in the repository, as a person would, and
// returns its standard output.
func (f *fleet) program(name string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.run(f.Dir, f.env, name, args...)
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs)
	}
	return out
}

// run starts a program in a process group of its own, and ends the group with
// the test or when it takes too long.
func (f *fleet) run(dir string, env []string, name string, args ...string) (stdout, stderr string, err error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, lookup(env, name), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Minute
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// lookup finds a program on the PATH of env.
func lookup(env []string, name string) string {
	for _, v := range env {
		path, found := strings.CutPrefix(v, "PATH=")
		if !found {
			continue
		}
		for dir := range strings.SplitSeq(path, ":") {
			candidate := filepath.Join(dir, name)
			if info, err := os.Stat(candidate); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				return candidate
			}
		}
	}
	return name
}

// generated is every file of the pipelines, by path.
func (f *fleet) generated() map[string]string {
	f.t.Helper()
	files := map[string]string{}
	for path := range strings.FieldsSeq(f.Git("ls-files", ".github", ".gitlab", ".gitlab-ci.yml")) {
		b, err := os.ReadFile(filepath.Join(f.Dir, path))
		if err != nil {
			f.t.Fatal(err)
		}
		files[path] = string(b)
	}
	if len(files) == 0 {
		f.t.Fatal("rootfsgen generate wrote no pipeline")
	}
	return files
}

// exclude makes git ignore a path in this work tree only.
func (f *fleet) exclude(pattern string) {
	f.t.Helper()
	path := filepath.Join(f.Dir, ".git", "info", "exclude")
	if err := os.WriteFile(path, []byte(pattern+"\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// nothingRuns makes sure that no program of ours outlives the jobs that
// started it: every process that names a folder of this fleet is one.
func (f *fleet) nothingRuns() {
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		f.t.Fatal(err)
	}
	for _, path := range commands {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		command := strings.ReplaceAll(string(text), "\x00", " ")
		if strings.Contains(command, f.scratch) || strings.Contains(command, f.Dir) {
			f.t.Errorf("still running after its job: %s", command)
		}
	}
}
