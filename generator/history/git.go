package history

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// settings are configuration that would change what git answers, or that
// would make it write to the repository or run programs of the user's.
var settings = []string{
	"core.quotePath=false", "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.safecrlf=false",
	"core.splitIndex=false", "gc.auto=0", "maintenance.auto=false", "color.ui=false", "log.showSignature=false",
	"submodule.recurse=false", "advice.addEmbeddedRepo=false", "advice.updateSparsePath=false",
}

// command prepares git in dir, in English, unattended, and deaf to replace
// refs and to a GIT_DIR of a surrounding hook.
func command(dir string, env []string, args ...string) tool.Command {
	full := []string{"-C", dir, "--no-pager"}
	for _, s := range settings {
		full = append(full, "-c", s)
	}
	all := append(tool.GitEnviron(), "GIT_OPTIONAL_LOCKS=0")
	return tool.Command{Name: "git", Args: append(full, args...), Env: append(all, env...)}
}

// git runs one command in the repository and returns its output.
func (r *Repo) git(ctx context.Context, env []string, stdin []byte, args ...string) ([]byte, error) {
	c := command(r.root, append(slices.Clone(r.env()), env...), args...)
	if stdin != nil {
		c.Stdin = bytes.NewReader(stdin)
	}
	out, err := c.Output(ctx)
	if err != nil {
		return nil, notInstalled(err)
	}
	return out, nil
}

// once is git for what is asked about history: the same question is answered
// from what git said first, so that tags and branches that move meanwhile do
// not give a plan that was true at no time.
func (r *Repo) once(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	question := strings.Join(args, "\x00") + "\x00" + string(stdin)
	r.mu.Lock()
	out, known := r.answers[question]
	r.mu.Unlock()
	if known {
		return out, nil
	}
	out, err := r.git(ctx, nil, stdin, args...)
	if err == nil {
		r.mu.Lock()
		r.answers[question] = out
		r.mu.Unlock()
	}
	return out, err
}

// code is the exit code that git ended with, -1 when it did not run to its
// end.
func code(err error) int {
	if e, found := errors.AsType[*tool.ExitError](err); found {
		return e.Code
	}
	return -1
}

func notInstalled(err error) error {
	if errors.Is(err, tool.ErrNotFound) {
		return &Problem{Kind: ErrNoGit, Remedy: "install it, for example with `apt-get install git`"}
	}
	return err
}

func lines(out []byte) []string {
	s := strings.TrimSuffix(string(out), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
