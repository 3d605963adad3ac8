package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// LastTag is the nearest tag that matches glob (path.Match: "*" stops at a
// slash) on ref or among its ancestors: the one with the fewest commits after
// it, lightweight tags as good as annotated ones. Of several on one commit the
// highest version is taken. Nil means that there is none, which is no error;
// in a shallow clone it is one, because nobody can know.
func (r *Repo) LastTag(ctx context.Context, ref, glob string) (*model.Revision, error) {
	return r.nearestTag(ctx, ref, glob, true)
}

// PreviousTag is LastTag among the proper ancestors of ref: what a release is
// compared with.
func (r *Repo) PreviousTag(ctx context.Context, ref, glob string) (*model.Revision, error) {
	return r.nearestTag(ctx, ref, glob, false)
}

// TagsAt are the tags on exactly that commit which match glob, the highest
// version first.
func (r *Repo) TagsAt(ctx context.Context, ref, glob string) ([]string, error) {
	c, err := r.commit(ctx, ref)
	if err != nil {
		return nil, err
	}
	byCommit, err := r.tags(ctx, glob, "--points-at="+c.id)
	return byCommit[c.id], err
}

func (r *Repo) nearestTag(ctx context.Context, ref, glob string, self bool) (*model.Revision, error) {
	head, err := r.commit(ctx, ref)
	if err != nil {
		return nil, err
	}
	byCommit, err := r.tags(ctx, glob, "--merged="+head.id)
	if err != nil {
		return nil, err
	}
	if !self {
		delete(byCommit, head.id)
	}
	id := head.id
	if _, tagged := byCommit[id]; !tagged {
		if id, err = r.nearest(ctx, head.id, byCommit); err != nil {
			return nil, fmt.Errorf("finding the last tag before %s: %w", ref, err)
		}
	}
	if id == "" {
		if r.shallow {
			return nil, &Problem{Kind: ErrShallow, Subject: ref, Remedy: remedyShallow}
		}
		return nil, nil
	}
	rev, err := r.Commit(ctx, id)
	if err != nil {
		return nil, err
	}
	rev.Ref = byCommit[id][0]
	return &rev, nil
}

// tags are the matching tags by the commit that they mark, the highest
// version first. A tag of a tree or a file marks none.
func (r *Repo) tags(ctx context.Context, glob, filter string) (map[string][]string, error) {
	if _, err := path.Match(glob, ""); err != nil {
		return nil, fmt.Errorf("invalid tag pattern %q: %w", glob, err)
	}
	out, err := r.once(ctx, nil, "for-each-ref", filter,
		"--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname:strip=2)", "refs/tags/")
	if err != nil {
		return nil, fmt.Errorf("listing tags: %w", err)
	}
	byCommit := map[string][]string{}
	for _, line := range lines(out) {
		f := strings.SplitN(line, " ", 5)
		if len(f) != 5 {
			return nil, fmt.Errorf("listing tags: unexpected answer from git: %q", line)
		}
		id := f[1]
		if f[0] == "tag" {
			f[0], id = f[2], f[3]
		}
		if matched, _ := path.Match(glob, f[4]); !matched {
			continue
		}
		if f[0] == "tag" { // of a tag: git takes off one layer, or all, by its version
			c, err := r.commit(ctx, id)
			switch {
			case err == nil:
				f[0], id = "commit", c.id
			case !errors.Is(err, ErrMissing) && !errors.Is(err, ErrShallow):
				return nil, fmt.Errorf("listing tags: %w", err)
			}
		}
		if f[0] == "commit" {
			byCommit[id] = append(byCommit[id], f[4])
		}
	}
	for _, names := range byCommit {
		slices.SortFunc(names, func(a, b string) int { return compareVersions(b, a) })
	}
	return byCommit, nil
}

// nearest chooses the commit with the fewest commits between it and head.
// Only candidates that border on what none of them contains can be it, so that
// a long history is not walked once for each tag.
func (r *Repo) nearest(ctx context.Context, head string, candidates map[string][]string) (string, error) {
	if len(candidates) == 0 {
		return "", nil
	}
	var in strings.Builder
	in.WriteString(head + "\n")
	for _, id := range slices.Sorted(maps.Keys(candidates)) {
		in.WriteString("^" + id + "\n")
	}
	out, err := r.once(ctx, []byte(in.String()), "rev-list", "--boundary", "--stdin")
	if err != nil {
		return "", err
	}
	var border []string
	for _, line := range lines(out) {
		if id, found := strings.CutPrefix(line, "-"); found && candidates[id] != nil {
			border = append(border, id)
		}
	}
	if len(border) == 1 {
		return border[0], nil
	}
	best, fewest := "", 0
	for _, id := range border {
		out, err := r.once(ctx, nil, "rev-list", "--count", id+".."+head)
		if err != nil {
			return "", err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			return "", fmt.Errorf("counting commits: %w", err)
		}
		if best == "" || n < fewest || n == fewest && compareVersions(candidates[id][0], candidates[best][0]) > 0 {
			best, fewest = id, n
		}
	}
	return best, nil
}

// compareVersions orders tags: as semantic versions where both are, else
// number by number.
func compareVersions(a, b string) int {
	va, errA := semver.NewVersion(a)
	vb, errB := semver.NewVersion(b)
	if errA == nil && errB == nil {
		if c := va.Compare(vb); c != 0 {
			return c
		}
	}
	return cmp.Or(compareNatural(a, b), strings.Compare(a, b))
}

// compareNatural compares runs of digits as numbers and the rest as bytes.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		ra, rb := run(a), run(b)
		x, y := a[:ra], b[:rb]
		a, b = a[ra:], b[rb:]
		if digit(x[0]) && digit(y[0]) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// run is the length of the digits, or of the other bytes, that s begins with.
func run(s string) int {
	n := 1
	for n < len(s) && digit(s[n]) == digit(s[0]) {
		n++
	}
	return n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
