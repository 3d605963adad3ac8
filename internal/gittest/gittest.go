// Package gittest makes real git repositories for tests: in a temporary
// folder, with fixed names and times, and deaf to the configuration of
// whoever runs the tests.
package gittest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Repo is a repository with a work tree at Dir.
type Repo struct {
	Dir   string
	t     testing.TB
	clock time.Time // of the last commit
}

// New makes an empty repository on the branch main. Further arguments go to
// git init.
func New(t testing.TB, args ...string) *Repo {
	t.Helper()
	r := At(t, t.TempDir())
	r.Git(append([]string{"init", "-q", "-b", "main"}, args...)...)
	return r
}

// At takes a folder that is, or will be, a repository.
func At(t testing.TB, dir string) *Repo {
	return &Repo{Dir: dir, t: t, clock: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
}

// Git runs git in the repository and returns what it printed, without the
// last line's end. A failure ends the test.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	date := r.clock.Format(time.RFC3339)
	out, err := tool.Command{
		Name: "git", Args: args, Dir: r.Dir,
		Env: []string{
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=" + date,
			"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com", "GIT_COMMITTER_DATE=" + date,
		},
	}.Output(r.t.Context())
	if err != nil {
		r.t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Write writes files into the work tree; keys are paths from its root.
func (r *Repo) Write(files map[string]string) {
	r.t.Helper()
	for name, content := range files {
		p := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Commit writes the files, commits everything that is in the work tree, a
// minute after the last commit, and returns the commit's id.
func (r *Repo) Commit(files map[string]string) string {
	r.t.Helper()
	r.Write(files)
	r.clock = r.clock.Add(time.Minute)
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", fmt.Sprintf("commit of %s", r.clock.Format("15:04")))
	return r.Git("rev-parse", "HEAD")
}

// Clone clones the repository by its URL, so that depth and filters count.
func (r *Repo) Clone(args ...string) *Repo {
	r.t.Helper()
	c := At(r.t, r.t.TempDir())
	c.clock = r.clock
	r.Git("config", "uploadpack.allowFilter", "true")
	c.Git(append(append([]string{"clone", "-q"}, args...), "file://"+r.Dir, ".")...)
	return c
}
