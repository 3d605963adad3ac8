package history

import (
	"bytes"
	"context"
	"errors"
	"os"
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

// passed are the variables by which CI and people hand credentials and
// trusted folders to git: a partial clone needs them when it reads.
var passed = []string{"SSH_AUTH_SOCK", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "XDG_CONFIG_HOME",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES"}

// command prepares git in dir, in English, unattended, and deaf to replace
// refs and to a GIT_DIR of a surrounding hook.
func command(dir string, env []string, args ...string) tool.Command {
	full := []string{"-C", dir, "--no-pager"}
	for _, s := range settings {
		full = append(full, "-c", s)
	}
	all := []string{"LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1"}
	for _, name := range passed {
		if v, found := os.LookupEnv(name); found {
			all = append(all, name+"="+v)
		}
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GIT_CONFIG_COUNT=") || strings.HasPrefix(v, "GIT_CONFIG_KEY_") || strings.HasPrefix(v, "GIT_CONFIG_VALUE_") {
			all = append(all, v)
		}
	}
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
