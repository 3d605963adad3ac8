package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Repo is a git repository with a work tree. It is safe for concurrent use;
// Close ends the git process that it reads objects through.
type Repo struct {
	root    string // top of the work tree, links resolved
	gitDir  string // of this work tree
	common  string // shared by all work trees
	shallow bool

	mu    sync.Mutex
	life  context.Context //nolint:containedctx // the reader process lives as long as the repository is open
	stop  context.CancelCauseFunc
	batch *batch
	cache map[string][]byte // small objects by id
	size  int               // bytes in cache

	answers map[string][]byte // of git about the history
}

var errClosed = errors.New("repository is closed")

// Open finds the repository that dir lies in. The error is a *Problem when
// there is none, when it is bare, or when git does not trust its owner.
// Cancelling ctx closes the repository.
func Open(ctx context.Context, dir string) (*Repo, error) {
	out, err := command(dir, nil, "rev-parse", "--path-format=absolute",
		"--is-bare-repository", "--is-shallow-repository", "--absolute-git-dir", "--git-common-dir", "--show-toplevel").Output(ctx)
	if err != nil {
		return nil, openProblem(dir, out, notInstalled(err))
	}
	l := lines(out)
	if len(l) != 5 {
		return nil, fmt.Errorf("opening %s: unexpected answer from git: %q", dir, out)
	}
	life, stop := context.WithCancelCause(ctx)
	return &Repo{
		root: l[4], gitDir: l[2], common: l[3], shallow: l[1] == "true",
		life: life, stop: stop, cache: map[string][]byte{}, answers: map[string][]byte{},
	}, nil
}

func openProblem(dir string, out []byte, err error) error {
	e, found := errors.AsType[*tool.ExitError](err)
	if !found {
		return err
	}
	shown := dir
	if abs, err := filepath.Abs(dir); err == nil {
		shown = abs
	}
	switch {
	case strings.HasPrefix(string(out), "true\n"):
		return &Problem{Kind: ErrBare, Subject: shown, Remedy: "clone it, and run this in the clone"}
	case strings.Contains(e.Tail, "dubious ownership"):
		return &Problem{Kind: ErrUnsafe, Subject: shown,
			Remedy: "its files belong to another user; if you trust it: `git config --global --add safe.directory " + shown + "`"}
	case strings.Contains(e.Tail, "not a git repository"):
		return &Problem{Kind: ErrNotRepository, Subject: shown,
			Remedy: "run `git init` and commit your files, or name the repository with -C DIR"}
	case strings.Contains(e.Tail, "cannot change to"):
		return fmt.Errorf("opening %s: no such folder", shown)
	}
	return fmt.Errorf("opening the repository at %s: %w", shown, err)
}

// Root is the top of the work tree, absolute.
func (r *Repo) Root() string { return r.root }

// Shallow tells whether the history was cut when the repository was cloned.
func (r *Repo) Shallow() bool { return r.shallow }

// Close ends the reader; it may be called more than once.
func (r *Repo) Close() error {
	r.mu.Lock()
	b := r.batch
	r.batch = nil
	r.mu.Unlock()
	r.stop(errClosed)
	if b != nil {
		b.close()
	}
	return nil
}

// ObjectDir is the folder where the objects of uncommitted files are kept:
// .cache/objects below Root. It exists only once Worktree was called.
func (r *Repo) ObjectDir() string { return filepath.Join(r.root, cacheDir, "objects") }

// env lets git see the objects of uncommitted files.
func (r *Repo) env() []string {
	if info, err := os.Stat(r.ObjectDir()); err != nil || !info.IsDir() {
		return nil
	}
	return []string{"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + quoteAlternate(r.ObjectDir())}
}

// quoteAlternate quotes a path for git's colon-separated list.
func quoteAlternate(p string) string {
	if !strings.ContainsAny(p, ":\"\n") {
		return p
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(p) + `"`
}

// Ignored tells whether git's ignore rules hide the path, which need not
// exist. A tracked file is never ignored.
func (r *Repo) Ignored(ctx context.Context, path string) (bool, error) {
	_, err := r.git(ctx, nil, []byte(path+"\x00"), "check-ignore", "-q", "--stdin", "-z")
	switch code(err) {
	case 1:
		return false, nil
	case -1:
		return err == nil, err
	}
	return false, fmt.Errorf("asking git whether %s is ignored: %w", path, err)
}
