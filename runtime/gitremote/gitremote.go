// Package gitremote speaks to the remote of a git repository: with a token
// that nothing else sees, and again where the network fails.
package gitremote

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Name is what the remote is called.
const Name = "origin"

// Remote is the remote of one repository.
type Remote struct {
	Dir   string   // the repository
	Env   []string // for git, "NAME=value": an ssh agent, for example
	Token string   // for HTTP; empty: git's own credentials
	User  string   // that goes with Token, empty is "x-access-token"
}

// Unavailable is a remote, or something that lives there, that does not answer
// as it should; trying again later may help.
type Unavailable struct {
	Doing string
	Err   error
}

// Error names what was being done.
func (u *Unavailable) Error() string { return u.Doing + ": " + u.Err.Error() }

// Unwrap is the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

// ExitCode tells a CI to try again.
func (u *Unavailable) ExitCode() int { return 75 }

// Git is a git command in the repository, which reaches no remote.
func (r *Remote) Git(args ...string) tool.Command {
	return tool.Command{
		Name: "git", Args: args, Dir: r.Dir,
		Env: slices.Concat([]string{"GIT_SSH_COMMAND=ssh -o BatchMode=yes"}, tool.GitEnviron(), r.Env),
	}
}

// Address is the remote's address, empty where there is no remote.
func (r *Remote) Address(ctx context.Context) (string, error) {
	out, err := r.Git("remote", "get-url", "--push", Name).Output(ctx)
	var exit *tool.ExitError
	if errors.As(err, &exit) && exit.Code == 2 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the address of the remote: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Head is the commit of a branch at an address, empty where there is no such
// branch. Without an address it is the repository's own branch.
func (r *Remote) Head(ctx context.Context, at, branch string) (string, error) {
	ref := "refs/heads/" + branch
	if at == "" {
		out, err := r.Git("for-each-ref", "--format=%(objectname)", ref).Output(ctx)
		if err != nil {
			return "", fmt.Errorf("reading branch %s: %w", branch, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := r.talk(ctx, at, branch, "ls-remote", Name, ref)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if oid, name, found := strings.Cut(strings.TrimSpace(line), "\t"); found && name == ref {
			return oid, nil
		}
	}
	return "", nil
}

// Fetch brings a commit of a branch here, with depth commits of its history,
// where it is not here yet; 0 is all of them.
func (r *Remote) Fetch(ctx context.Context, at, branch, commit string, depth int) error {
	if r.Git("cat-file", "-e", commit+"^{commit}").Run(ctx) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--refmap="}
	if depth > 0 {
		args = append(args, "--depth="+strconv.Itoa(depth))
	}
	_, err := r.talk(ctx, at, branch, append(args, Name, commit)...)
	return err
}

// Push moves a branch at an address from head to commit, and only from there.
func (r *Remote) Push(ctx context.Context, at, branch, head, commit string) error {
	ref := "refs/heads/" + branch
	return r.With(at, r.Git("push", "--quiet", "--no-verify", "--force-with-lease="+ref+":"+head, Name, commit+":"+ref)).Run(ctx)
}

// With lets a command present the token to the remote, and to it alone. It
// travels in the environment, where no list of processes shows it. An earlier
// header, as a checkout may have left in the configuration, is cleared: two of
// them are refused.
func (r *Remote) With(at string, c tool.Command) tool.Command {
	u, err := url.Parse(at)
	if r.Token == "" || err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return c
	}
	user := r.User
	if user == "" {
		user = "x-access-token"
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + r.Token))
	key := "http." + u.Scheme + "://" + u.Host + "/.extraheader"
	n := settings(c.Env) // which are the surroundings' own, and stay
	c.Env = append(c.Env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+2),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=", n),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n+1, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=Authorization: Basic %s", n+1, encoded))
	c.Secrets = append(c.Secrets, r.Token, encoded)
	return c
}

// settings counts the settings that an environment gives to git.
func settings(env []string) int {
	n := 0
	for _, v := range env {
		if count, found := strings.CutPrefix(v, "GIT_CONFIG_COUNT="); found {
			n, _ = strconv.Atoi(count) // git itself refuses what is no number
		}
	}
	return n
}

// talk runs a git command that speaks to the remote about a branch and only
// reads, again where the network fails.
func (r *Remote) talk(ctx context.Context, at, branch string, args ...string) ([]byte, error) {
	for n := 1; ; n++ {
		out, err := r.With(at, r.Git(args...)).Output(ctx)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if forbidden(err) {
			return nil, fmt.Errorf("reaching the repository of %s: %w", branch, err)
		}
		if n == 4 {
			return nil, &Unavailable{Doing: "reaching the repository of " + branch, Err: err}
		}
		if err := Pause(ctx, 500*time.Millisecond<<n); err != nil {
			return nil, err
		}
	}
}

// forbidden tells whether trying again cannot help.
func forbidden(err error) bool {
	var exit *tool.ExitError
	if !errors.As(err, &exit) {
		return true // git is missing, for example
	}
	for _, s := range []string{"Authentication failed", "could not read Username", "Permission denied", "not found", "does not appear to be a git repository", "error: 403", "error: 401", "detected dubious ownership"} {
		if strings.Contains(exit.Tail, s) {
			return true
		}
	}
	return false
}

// Pause waits for about d, differently long each time, so that writers who met
// once do not meet again.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
