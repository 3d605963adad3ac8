package history

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// commit is what is needed of a commit object.
type commit struct {
	id, tree string
	time     time.Time
}

// Commit resolves anything that git takes for a commit. The error is a
// *Problem for a repository without commits, an unknown name, and a commit
// that is not here; a shallow clone is named as the reason where it may be.
func (r *Repo) Commit(ctx context.Context, ref string) (model.Revision, error) {
	c, err := r.commit(ctx, ref)
	if err != nil {
		return model.Revision{}, err
	}
	return model.Revision{Ref: ref, Commit: c.id, Tree: c.tree}, nil
}

// CommitTime is when the commit was made, in UTC.
func (r *Repo) CommitTime(ctx context.Context, ref string) (time.Time, error) {
	c, err := r.commit(ctx, ref)
	return c.time, err
}

func (r *Repo) commit(ctx context.Context, ref string) (commit, error) {
	if ref == "" || strings.HasPrefix(ref, "-") {
		return commit{}, &Problem{Kind: ErrUnknown, Subject: strconv.Quote(ref), Remedy: remedyUnknown}
	}
	o := r.object(ctx, ref+"^{commit}")
	switch {
	case errors.Is(o.err, errAbsent):
		return commit{}, r.absent(ctx, ref)
	case errors.Is(o.err, errAmbiguous):
		return commit{}, &Problem{Kind: ErrUnknown, Subject: ref, Remedy: "more than one object begins like this: write more digits"}
	case o.err != nil && isObjectID(ref) && ctx.Err() == nil && r.partial(ctx):
		// Git tried to fetch it, and the remote does not have it.
		return commit{}, &Problem{Kind: ErrMissing, Subject: ref, Remedy: remedyMissing, Cause: o.err}
	case o.err != nil:
		return commit{}, fmt.Errorf("resolving %s: %w", ref, o.err)
	}
	c, err := parseCommit(o)
	if err != nil {
		return commit{}, fmt.Errorf("reading commit %s: %w", ref, err)
	}
	return c, nil
}

// absent finds out why a name leads to no commit.
func (r *Repo) absent(ctx context.Context, ref string) error {
	if errors.Is(r.object(ctx, "HEAD^{commit}").err, errAbsent) && (ref == "HEAD" || !isObjectID(ref)) {
		if out, err := r.git(ctx, nil, nil, "for-each-ref", "--count=1"); err == nil && len(out) == 0 {
			return &Problem{Kind: ErrNoCommits, Subject: r.root, Remedy: "`git add -A && git commit`, then plan again"}
		}
	}
	switch {
	case r.shallow:
		return &Problem{Kind: ErrShallow, Subject: ref, Remedy: remedyShallow}
	case isObjectID(ref):
		return &Problem{Kind: ErrMissing, Subject: ref, Remedy: remedyMissing}
	}
	return &Problem{Kind: ErrUnknown, Subject: ref, Remedy: remedyUnknown}
}

func parseCommit(o object) (commit, error) {
	c := commit{id: o.id}
	for line := range strings.SplitSeq(string(o.content), "\n") {
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, " ")
		switch name {
		case "tree":
			c.tree = value
		case "committer":
			f := strings.Fields(value)
			if len(f) < 2 {
				return c, errors.New("it has no time")
			}
			seconds, err := strconv.ParseInt(f[len(f)-2], 10, 64)
			if err != nil {
				return c, fmt.Errorf("it has no time: %w", err)
			}
			c.time = time.Unix(seconds, 0).UTC()
		}
	}
	if !isObjectID(c.tree) {
		return c, errors.New("it has no tree")
	}
	return c, nil
}

// MergeBase is the commit where a and b parted; of several, git's first.
func (r *Repo) MergeBase(ctx context.Context, a, b string) (model.Revision, error) {
	ca, cb, err := r.two(ctx, a, b)
	if err != nil {
		return model.Revision{}, err
	}
	out, err := r.once(ctx, nil, "merge-base", ca.id, cb.id)
	switch {
	case code(err) == 1 && r.shallow:
		return model.Revision{}, &Problem{Kind: ErrShallow, Subject: a + " and " + b, Remedy: remedyShallow}
	case code(err) == 1:
		return model.Revision{}, &Problem{Kind: ErrUnrelated, Subject: a + " and " + b, Remedy: "name what to compare with: --from REF"}
	case err != nil:
		return model.Revision{}, fmt.Errorf("finding where %s and %s parted: %w", a, b, err)
	}
	rev, err := r.Commit(ctx, strings.TrimSpace(string(out)))
	if err == nil {
		rev.Ref = "merge base of " + a + " and " + b
	}
	return rev, err
}

// IsAncestor tells whether a is b or one of its ancestors. In a shallow clone
// "no" cannot be known, and is an error.
func (r *Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	ca, cb, err := r.two(ctx, a, b)
	if err != nil {
		return false, err
	}
	_, err = r.git(ctx, nil, nil, "merge-base", "--is-ancestor", ca.id, cb.id)
	switch {
	case err == nil:
		return true, nil
	case code(err) == 1 && r.shallow:
		return false, &Problem{Kind: ErrShallow, Subject: b, Remedy: remedyShallow}
	case code(err) == 1:
		return false, nil
	}
	return false, fmt.Errorf("asking whether %s descends from %s: %w", b, a, err)
}

func (r *Repo) two(ctx context.Context, a, b string) (ca, cb commit, err error) {
	if ca, err = r.commit(ctx, a); err != nil {
		return
	}
	cb, err = r.commit(ctx, b)
	return
}
