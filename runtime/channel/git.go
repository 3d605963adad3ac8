package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Git keeps documents on a branch of their own, one commit for each change, so
// every version stays. With a remote called origin the branch is the remote's,
// without one it is the repository's own. Neither the work tree nor any other
// branch is touched; what git itself remembers of a remote's branch follows, as
// after any push.
type Git struct {
	o      Options
	branch string
}

var _ Store = (*Git)(nil)

func newGit(o Options, branch string) *Git {
	if o.User == "" {
		o.User = "x-access-token"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Git{o: o, branch: branch}
}

const remote = "origin"

// String is the branch.
func (g *Git) String() string { return "git branch " + g.branch }

// Shared tells whether others read this branch.
func (g *Git) Shared(ctx context.Context) bool {
	at, err := g.origin(ctx)
	return err == nil && at != ""
}

// Read implements Store.
func (g *Git) Read(ctx context.Context, name string) ([]byte, string, error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	at, err := g.origin(ctx)
	if err != nil {
		return nil, "", err
	}
	head, err := g.head(ctx, at)
	if err != nil || head == "" {
		return nil, "", err
	}
	doc, err := g.document(ctx, at, head, name)
	return doc, versionOf(doc), err
}

// pushTries bounds how often another document's writer may be faster, or a
// push may fail.
const pushTries = 8

// Write implements Store.
func (g *Git) Write(ctx context.Context, name string, doc []byte, old string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := g.free(ctx); err != nil {
		return err
	}
	at, err := g.origin(ctx)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		head, err := g.head(ctx, at)
		if err != nil {
			return err
		}
		var current []byte
		if head != "" {
			if current, err = g.document(ctx, at, head, name); err != nil {
				return err
			}
		}
		if versionOf(current) != old {
			return ErrConflict
		}
		commit, err := g.commit(ctx, head, name, doc)
		if err != nil {
			return err
		}
		failure := g.publish(ctx, at, head, commit)
		if failure == nil {
			return nil
		}
		// What the failure meant is read from the branch, not from its words.
		after, err := g.head(ctx, at)
		switch {
		case err != nil:
			return err
		case after == commit:
			return nil
		case n == pushTries || after == head && n >= 3:
			return &Unavailable{Doing: "pushing " + g.branch, Err: failure}
		}
		if err := pause(ctx, 100*time.Millisecond<<min(n, 5)); err != nil {
			return err
		}
	}
}

// free tells why the branch cannot hold documents: somebody works on it.
func (g *Git) free(ctx context.Context) error {
	out, err := g.git("symbolic-ref", "--quiet", "--short", "HEAD").Output(ctx)
	var exit *tool.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return nil // no branch is checked out
	}
	if err != nil {
		return fmt.Errorf("reading which branch is checked out: %w", err)
	}
	if strings.TrimSpace(string(out)) == g.branch {
		return fmt.Errorf("the branch %s is checked out here: channels need a branch of their own", g.branch)
	}
	return nil
}

// origin is the remote's address, empty where there is none.
func (g *Git) origin(ctx context.Context) (string, error) {
	out, err := g.git("remote", "get-url", "--push", remote).Output(ctx)
	var exit *tool.ExitError
	if errors.As(err, &exit) && exit.Code == 2 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the address of the remote: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// head is the branch's commit, empty where there is no such branch.
func (g *Git) head(ctx context.Context, at string) (string, error) {
	ref := "refs/heads/" + g.branch
	if at == "" {
		out, err := g.git("for-each-ref", "--format=%(objectname)", ref).Output(ctx)
		if err != nil {
			return "", fmt.Errorf("reading branch %s: %w", g.branch, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	out, err := g.talk(ctx, at, "ls-remote", remote, ref)
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

// document reads one document of a commit, which is fetched where it is not
// here yet; nil where the commit has none.
func (g *Git) document(ctx context.Context, at, commit, name string) ([]byte, error) {
	if g.git("cat-file", "-e", commit+"^{commit}").Run(ctx) != nil {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if _, err := g.talk(ctx, at, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance", "--refmap=", remote, commit); err != nil {
			return nil, err
		}
	}
	out, err := g.with(at, g.git("ls-tree", "-z", "--full-tree", commit, "--", name)).Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading channel %s: %w", g.branch, err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	doc, err := g.with(at, g.git("cat-file", "blob", commit+":"+name)).Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading channel %s: %w", g.branch, err)
	}
	if doc == nil {
		doc = []byte{}
	}
	return doc, nil
}

// commit makes a commit on top of head, in which one document is another.
func (g *Git) commit(ctx context.Context, head, name string, doc []byte) (string, error) {
	hash := g.git("hash-object", "-w", "--stdin")
	hash.Stdin = bytes.NewReader(doc)
	blob, err := hash.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", name, err)
	}
	var listing strings.Builder
	fmt.Fprintf(&listing, "100644 blob %s\t%s\x00", strings.TrimSpace(string(blob)), name)
	// Two writers of the same document at the same second must not make the
	// same commit: each has to know whether its own was taken.
	args := []string{"commit-tree", "-m", "Update " + name, "-m", "Writer: " + rand.Text()}
	if head != "" {
		out, err := g.git("ls-tree", "-z", "--full-tree", head).Output(ctx)
		if err != nil {
			return "", fmt.Errorf("reading channel %s: %w", g.branch, err)
		}
		for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if _, path, _ := strings.Cut(entry, "\t"); path != name && entry != "" {
				listing.WriteString(entry + "\x00")
			}
		}
		args = append(args, "-p", head)
	}
	mktree := g.git("mktree", "-z", "--missing")
	mktree.Stdin = strings.NewReader(listing.String())
	tree, err := mktree.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", name, err)
	}
	date := strconv.FormatInt(g.o.Now().Unix(), 10) + " +0000"
	write := g.git(append(args, strings.TrimSpace(string(tree)))...)
	write.Env = append(write.Env,
		"GIT_AUTHOR_NAME=rootfsrun", "GIT_AUTHOR_EMAIL=rootfsrun@localhost", "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=rootfsrun", "GIT_COMMITTER_EMAIL=rootfsrun@localhost", "GIT_COMMITTER_DATE="+date)
	commit, err := write.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", name, err)
	}
	return strings.TrimSpace(string(commit)), nil
}

// publish moves the branch from head to commit, and only from there.
func (g *Git) publish(ctx context.Context, at, head, commit string) error {
	ref := "refs/heads/" + g.branch
	if at == "" {
		old := head
		if old == "" {
			old = strings.Repeat("0", len(commit)) // it must not exist
		}
		return g.git("update-ref", "-m", "rootfsrun", ref, commit, old).Run(ctx)
	}
	return g.with(at, g.git("push", "--quiet", "--no-verify", "--force-with-lease="+ref+":"+head, remote, commit+":"+ref)).Run(ctx)
}

// talk runs a git command that speaks to the remote and only reads, again
// where the network fails.
func (g *Git) talk(ctx context.Context, at string, args ...string) ([]byte, error) {
	for n := 1; ; n++ {
		out, err := g.with(at, g.git(args...)).Output(ctx)
		if err == nil {
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if forbidden(err) {
			return nil, fmt.Errorf("reaching the repository of %s: %w", g.branch, err)
		}
		if n == 4 {
			return nil, &Unavailable{Doing: "reaching the repository of " + g.branch, Err: err}
		}
		if err := pause(ctx, 500*time.Millisecond<<n); err != nil {
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

func (g *Git) git(args ...string) tool.Command {
	return tool.Command{
		Name: "git", Args: args, Dir: g.o.Dir,
		Env: slices.Concat([]string{"GIT_SSH_COMMAND=ssh -o BatchMode=yes"}, tool.GitEnviron(), g.o.Env),
	}
}

// with lets a command present the token to the remote, and to it alone. It
// travels in the environment, where no list of processes shows it. An earlier
// header, as a checkout may have left in the configuration, is cleared: two of
// them are refused.
func (g *Git) with(at string, c tool.Command) tool.Command {
	u, err := url.Parse(at)
	if g.o.Token == "" || err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return c
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(g.o.User + ":" + g.o.Token))
	key := "http." + u.Scheme + "://" + u.Host + "/.extraheader"
	n := settings(c.Env) // which are the surroundings' own, and stay
	c.Env = append(c.Env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n+2),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=", n),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n+1, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=Authorization: Basic %s", n+1, encoded))
	c.Secrets = append(c.Secrets, g.o.Token, encoded)
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
