// Package offer asks people to merge files that a program changed: it puts
// them on a branch of their own, as one commit, and opens a request for it.
// There is one such branch and one such request, however often it is called.
package offer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
)

// Requests opens requests on a forge.
type Requests interface {
	UpsertRequest(ctx context.Context, r forge.Request) (string, error)
}

// Offer is what is to be merged.
type Offer struct {
	Remote   gitremote.Remote
	Requests Requests
	Branch   string   // the branch of its own
	Base     string   // the branch that it is to be merged into; HEAD is its newest commit
	Paths    []string // from the root of the repository; what lies there in the work tree is offered
	Title    string
	Body     string
	Now      func() time.Time // nil is the clock
}

// Result is what became of an offer.
type Result struct {
	Changed bool   `json:"changed"`           // the files differ from those of the base
	Pushed  bool   `json:"pushed"`            // the branch has moved
	Kept    string `json:"kept,omitempty"`    // why the branch was left alone, where it was
	Request string `json:"request,omitempty"` // address of the request
}

// committer writes the branch's commits. A commit of anybody else is somebody's
// work, and stays.
const committer = "rootfsrun@localhost"

// pushTries bounds how often a push may fail.
const pushTries = 4

// Make makes the branch and the request what they should be. Where nothing
// differs it does nothing: a request that is open already stays open, and its
// branch as it is.
func (o Offer) Make(ctx context.Context) (r Result, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	at, err := o.Remote.Address(ctx)
	if err != nil {
		return r, err
	}
	if at == "" {
		return r, errors.New("there is no remote " + gitremote.Name + " to push to")
	}
	tree, err := o.tree(ctx)
	if err != nil {
		return r, err
	}
	old, err := o.parse(ctx, "HEAD^{tree}")
	if err != nil || old == tree {
		return r, err
	}
	r.Changed = true
	if r.Pushed, r.Kept, err = o.push(ctx, at, tree); err != nil || r.Kept != "" {
		return r, err
	}
	// The branch may have been pushed by a run that ended before this.
	r.Request, err = o.Requests.UpsertRequest(ctx, forge.Request{Branch: o.Branch, Base: o.Base, Title: o.Title, Body: o.Body})
	return r, err
}

// push moves the branch to a commit of tree, unless it says the same already or
// has somebody's own commits.
func (o Offer) push(ctx context.Context, at, tree string) (pushed bool, kept string, err error) {
	for n := 1; ; n++ {
		head, err := o.Remote.Head(ctx, at, o.Branch)
		if err != nil {
			return false, "", err
		}
		if head != "" {
			same, why, err := o.standing(ctx, at, head)
			if err != nil || same || why != "" {
				return false, why, err
			}
		}
		commit, err := o.commit(ctx, tree)
		if err != nil {
			return false, "", err
		}
		failure := o.Remote.Push(ctx, at, o.Branch, head, commit)
		if failure == nil {
			return true, "", nil
		}
		// What the failure meant is read from the branch, not from its words.
		switch after, err := o.Remote.Head(ctx, at, o.Branch); {
		case err != nil:
			return false, "", err
		case after == commit:
			return true, "", nil
		case after == head && n >= 2 || n == pushTries:
			return false, "", fmt.Errorf("pushing %s: %w", o.Branch, failure)
		}
	}
}

// standing tells whether the branch, as it is, offers just what is to be
// offered: the same files, in the place of the same. why is not empty where it
// must not be overwritten.
func (o Offer) standing(ctx context.Context, at, head string) (same bool, why string, err error) {
	if err := o.Remote.Fetch(ctx, at, o.Branch, head, depth(ctx, &o.Remote)); err != nil {
		return false, "", err
	}
	out, err := o.Remote.Git("show", "--no-patch", "--format=%ce", head).Output(ctx)
	if err != nil {
		return false, "", fmt.Errorf("reading branch %s: %w", o.Branch, err)
	}
	if by := strings.TrimSpace(string(out)); by != committer {
		return false, "its newest commit is by " + by + ": merge the request, or delete the branch", nil
	}
	for _, path := range o.Paths {
		now, err := o.blob(ctx, path)
		if err != nil {
			return false, "", err
		}
		for of, want := range map[string]string{head + ":" + path: now, head + "^:" + path: o.at(ctx, "HEAD:"+path)} {
			if o.at(ctx, of) != want {
				return false, "", nil
			}
		}
	}
	return true, "", nil
}

// depth is how much of a branch's history is fetched: the commit that is
// offered and the one that it stands on. A limit would cut the history of a
// whole clone.
func depth(ctx context.Context, r *gitremote.Remote) int {
	if shallow, err := r.Git("rev-parse", "--is-shallow-repository").Output(ctx); err == nil && strings.TrimSpace(string(shallow)) == "true" {
		return 2
	}
	return 0
}

// tree is that of HEAD with the paths as the work tree has them.
func (o Offer) tree(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "rootfsrun-offer-")
	if err != nil {
		return "", fmt.Errorf("storing what is offered: %w", err)
	}
	defer os.RemoveAll(dir)
	index := func(args ...string) tool.Command {
		c := o.Remote.Git(args...)
		c.Env = append(c.Env, "GIT_INDEX_FILE="+filepath.Join(dir, "index"))
		return c
	}
	if err := index("read-tree", "HEAD").Run(ctx); err != nil {
		return "", fmt.Errorf("reading HEAD: %w", err)
	}
	for _, path := range o.Paths {
		blob, err := o.blob(ctx, path)
		if err != nil {
			return "", err
		}
		change := []string{"update-index", "--add", "--cacheinfo", "100644," + blob + "," + path}
		if blob == "" {
			change = []string{"update-index", "--force-remove", "--", path}
		}
		if err := index(change...).Run(ctx); err != nil {
			return "", fmt.Errorf("storing %s: %w", path, err)
		}
	}
	out, err := index("write-tree", "--missing-ok").Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing what is offered: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// blob stores a file of the work tree; empty where there is none. The content
// is taken as it is, whatever filters say.
func (o Offer) blob(ctx context.Context, path string) (string, error) {
	content, err := os.Open(filepath.Join(o.Remote.Dir, filepath.FromSlash(path)))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading what is offered: %w", err)
	}
	defer content.Close()
	hash := o.Remote.Git("hash-object", "-w", "--stdin")
	hash.Stdin = content
	out, err := hash.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing %s: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// at is the object of a name, empty where there is none.
func (o Offer) at(ctx context.Context, name string) string {
	id, err := o.parse(ctx, name)
	if err != nil {
		return ""
	}
	return id
}

func (o Offer) parse(ctx context.Context, name string) (string, error) {
	out, err := o.Remote.Git("rev-parse", "--verify", "--quiet", "--end-of-options", name).Output(ctx)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// commit makes a commit of tree on top of HEAD.
func (o Offer) commit(ctx context.Context, tree string) (string, error) {
	date := strconv.FormatInt(o.Now().Unix(), 10) + " +0000"
	write := o.Remote.Git("commit-tree", "-p", "HEAD", "-m", o.Title, tree)
	write.Env = append(write.Env,
		"GIT_AUTHOR_NAME=rootfsrun", "GIT_AUTHOR_EMAIL="+committer, "GIT_AUTHOR_DATE="+date,
		"GIT_COMMITTER_NAME=rootfsrun", "GIT_COMMITTER_EMAIL="+committer, "GIT_COMMITTER_DATE="+date)
	out, err := write.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("storing what is offered: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
