package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Change is a path at which two trees differ. The side that has no file there
// has the mode 0.
type Change struct {
	Path     string
	Old, New model.TreeEntry
}

// Added tells whether only the newer tree has the file.
func (c Change) Added() bool { return c.Old.Mode == 0 }

// Removed tells whether only the older tree has the file.
func (c Change) Removed() bool { return c.New.Mode == 0 }

// Changes lists the paths at which two trees differ, sorted. Git compares them
// folder by folder and does not look into those that are equal. A rename is
// two changes.
func (r *Repo) Changes(ctx context.Context, from, to model.Revision) ([]Change, error) {
	if !isObjectID(from.Tree) || !isObjectID(to.Tree) {
		return nil, fmt.Errorf("comparing %s with %s: they are no trees", from.Ref, to.Ref)
	}
	out, err := r.git(ctx, nil, nil, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", from.Tree, to.Tree)
	if err != nil {
		if code(err) > 0 {
			err = r.objectProblem(ctx, from.Tree, err)
		}
		return nil, fmt.Errorf("comparing %s with %s: %w", from.Ref, to.Ref, err)
	}
	changes, err := parseChanges(string(out))
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", from.Ref, to.Ref, err)
	}
	return changes, nil
}

// parseChanges reads ":mode SP mode SP id SP id SP status NUL path NUL",
// repeated.
func parseChanges(out string) ([]Change, error) {
	var changes []Change
	for out != "" {
		head, rest, found := strings.Cut(out, "\x00")
		path, after, found2 := strings.Cut(rest, "\x00")
		f := strings.Split(head, " ")
		if !found || !found2 || len(f) != 5 || !strings.HasPrefix(f[0], ":") {
			return nil, fmt.Errorf("unexpected answer from git: %q", head)
		}
		oldMode, err := parseMode(f[0][1:])
		newMode, err2 := parseMode(f[1])
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("unexpected answer from git: %w", err)
		}
		c := Change{Path: path}
		if oldMode != 0 {
			c.Old = model.TreeEntry{Path: path, Mode: oldMode, OID: f[2]}
		}
		if newMode != 0 {
			c.New = model.TreeEntry{Path: path, Mode: newMode, OID: f[3]}
		}
		if c.Old != c.New { // a mode that only old versions of git wrote is no difference
			changes = append(changes, c)
		}
		out = after
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes, nil
}

// Before is the tree from which the changes led to a tree of this repository:
// it need not be listed.
func (r *Repo) Before(t model.Tree, changes []Change) model.Tree {
	entries := t.Entries()
	old := make([]model.TreeEntry, 0, len(entries)+len(changes))
	for _, c := range changes {
		n, found := slices.BinarySearchFunc(entries, c.Path, func(e model.TreeEntry, p string) int { return strings.Compare(e.Path, p) })
		old = append(old, entries[:n]...)
		if found {
			n++
		}
		entries = entries[n:]
		if !c.Added() {
			old = append(old, c.Old)
		}
	}
	return &tree{repo: r, entries: append(old, entries...)}
}
