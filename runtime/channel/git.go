package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
)

// Git keeps documents on a branch of their own, one commit for each change, so
// every version stays. With a remote called origin the branch is the remote's,
// without one it is the repository's own. Neither the work tree nor any other
// branch is touched; what git itself remembers of a remote's branch follows, as
// after any push.
type Git struct {
	remote gitremote.Remote
	now    func() time.Time
	branch string
}

var _ Store = (*Git)(nil)

func newGit(o Options, branch string) *Git {
	return &Git{remote: gitremote.Remote{Dir: o.Dir, Env: o.Env, Token: o.Token, User: o.User}, now: o.Now, branch: branch}
}

// String is the branch.
func (g *Git) String() string { return "git branch " + g.branch }

// Shared tells whether others read this branch.
func (g *Git) Shared(ctx context.Context) bool {
	at, err := g.remote.Address(ctx)
	return err == nil && at != ""
}

// Read implements Store.
func (g *Git) Read(ctx context.Context, name string) ([]byte, string, error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	at, err := g.remote.Address(ctx)
	if err != nil {
		return nil, "", err
	}
	head, err := g.remote.Head(ctx, at, g.branch)
	if err != nil || head == "" {
		return nil, "", err
	}
	doc, err := g.document(ctx, at, head, name)
	return doc, versionOf(doc), err
}

// Versions implements Store: they are the commits of the branch that changed
// the document.
func (g *Git) Versions(ctx context.Context, name string) ([]Version, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	at, head, err := g.fetched(ctx)
	if err != nil || head == "" {
		return nil, err
	}
	out, err := g.remote.With(at, g.remote.Git("log", "--first-parent", "--diff-filter=AM", "--no-renames", "--format=%H %ct", head, "--", ":(top,literal)"+name)).Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the versions of %s: %w", name, err)
	}
	var versions []Version
	for line := range strings.Lines(string(out)) {
		id, date, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseInt(date, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading the versions of %s: %w", name, err)
		}
		versions = append(versions, Version{ID: id, Time: time.Unix(seconds, 0).UTC()})
	}
	return versions, nil
}

// ReadVersion implements Store.
func (g *Git) ReadVersion(ctx context.Context, name, id string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if !model.IsObjectID(id) {
		return nil, fmt.Errorf("reading %s as of %q: %w", name, id, ErrNoVersion)
	}
	at, head, err := g.fetched(ctx)
	if err != nil {
		return nil, err
	}
	// Only what lies on the branch is one of its versions.
	if head == "" || g.remote.Git("merge-base", "--is-ancestor", id, head).Run(ctx) != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("reading %s as of %q: %w", name, id, ErrNoVersion)
	}
	doc, err := g.document(ctx, at, id, name)
	if err == nil && doc == nil {
		err = fmt.Errorf("reading %s as of %q: %w", name, id, ErrNoVersion)
	}
	return doc, err
}

// fetched is the head of the branch, whose history is here then.
func (g *Git) fetched(ctx context.Context) (at, head string, err error) {
	if at, err = g.remote.Address(ctx); err != nil {
		return "", "", err
	}
	if head, err = g.remote.Head(ctx, at, g.branch); err != nil || head == "" {
		return at, "", err
	}
	return at, head, g.remote.Fetch(ctx, at, g.branch, head, 0)
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
	at, err := g.remote.Address(ctx)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		head, err := g.remote.Head(ctx, at, g.branch)
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
		note := ""
		if name == Testing { // each push to the default branch writes it: pipelines on this branch are about prod
			note = "[skip ci]"
		}
		commit, err := g.commit(ctx, head, name, doc, note)
		if err != nil {
			return err
		}
		failure := g.publish(ctx, at, head, commit)
		if failure == nil {
			return nil
		}
		// What the failure meant is read from the branch, not from its words.
		after, err := g.remote.Head(ctx, at, g.branch)
		switch {
		case err != nil:
			return err
		case after == commit:
			return nil
		case n == pushTries || after == head && n >= 3:
			return &gitremote.Unavailable{Doing: "pushing " + g.branch, Err: failure}
		}
		if err := gitremote.Pause(ctx, 100*time.Millisecond<<min(n, 5)); err != nil {
			return err
		}
	}
}

// Propose puts a document on a branch of its own, as one commit on top of the
// documents' branch, for a request to merge it there. old is the version that
// it replaces; ErrConflict where it is another by now. What the branch held
// before is given up: it was made of an older document. The base, the branch
// that the request is to be merged into, is returned.
func (g *Git) Propose(ctx context.Context, name string, doc []byte, old, branch string) (base string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if err := checkBranch(branch); err != nil {
		return "", err
	}
	at, head, err := g.fetched(ctx)
	if err != nil {
		return "", err
	}
	if at == "" || head == "" {
		return "", errors.New("a request needs a remote origin that has the branch " + g.branch)
	}
	current, err := g.document(ctx, at, head, name)
	if err != nil {
		return "", err
	}
	if versionOf(current) != old {
		return "", ErrConflict
	}
	before, err := g.remote.Head(ctx, at, branch)
	if err != nil {
		return "", err
	}
	if before != "" {
		if err := g.remote.Fetch(ctx, at, branch, before, 0); err != nil {
			return "", err
		}
		there, err := g.document(ctx, at, before, name)
		if err != nil {
			return "", err
		}
		on := g.remote.Git("merge-base", "--is-ancestor", head, before).Run(ctx) == nil
		if on && bytes.Equal(there, doc) {
			return g.branch, nil // it is offered already
		}
	}
	commit, err := g.commit(ctx, head, name, doc, "")
	if err != nil {
		return "", err
	}
	if err := g.remote.Push(ctx, at, branch, before, commit); err != nil {
		return "", fmt.Errorf("pushing %s: %w", branch, err)
	}
	return g.branch, nil
}

// free tells why the branch cannot hold documents: somebody works on it.
func (g *Git) free(ctx context.Context) error {
	out, err := g.remote.Git("symbolic-ref", "--quiet", "--short", "HEAD").Output(ctx)
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

// document reads one document of a commit, which is fetched where it is not
// here yet; nil where the commit has none.
func (g *Git) document(ctx context.Context, at, commit, name string) ([]byte, error) {
	if err := g.remote.Fetch(ctx, at, g.branch, commit, 0); err != nil {
		return nil, err
	}
	out, err := g.remote.With(at, g.remote.Git("ls-tree", "-z", "--full-tree", commit, "--", name)).Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading channel %s: %w", g.branch, err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	doc, err := g.remote.With(at, g.remote.Git("cat-file", "blob", commit+":"+name)).Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading channel %s: %w", g.branch, err)
	}
	if doc == nil {
		doc = []byte{}
	}
	return doc, nil
}

// commit makes a commit on top of head, in which one document is another. A
// note, empty for none, is for the forge.
func (g *Git) commit(ctx context.Context, head, name string, doc []byte, note string) (string, error) {
	hash := g.remote.Git("hash-object", "-w", "--stdin")
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
	if note != "" {
		args = append(args, "-m", note)
	}
	if head != "" {
		out, err := g.remote.Git("ls-tree", "-z", "--full-tree", head).Output(ctx)
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
	mktree := g.remote.Git("mktree", "-z", "--missing")
	mktree.Stdin = strings.NewReader(listing.String())
	tree, err := mktree.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", name, err)
	}
	date := strconv.FormatInt(g.now().Unix(), 10) + " +0000"
	write := g.remote.Git(append(args, strings.TrimSpace(string(tree)))...)
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
	if at == "" {
		old := head
		if old == "" {
			old = strings.Repeat("0", len(commit)) // it must not exist
		}
		return g.remote.Git("update-ref", "-m", "rootfsrun", "refs/heads/"+g.branch, commit, old).Run(ctx)
	}
	return g.remote.Push(ctx, at, g.branch, head, commit)
}
