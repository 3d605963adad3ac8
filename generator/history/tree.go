package history

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// tree is a git tree, listed once; contents are read when asked for.
type tree struct {
	repo    *Repo
	entries []model.TreeEntry
}

// Tree lists the files of a revision that this repository gave.
func (r *Repo) Tree(ctx context.Context, rev model.Revision) (model.Tree, error) {
	if !isObjectID(rev.Tree) {
		return nil, fmt.Errorf("listing %s: %q is no tree id", rev.Ref, rev.Tree)
	}
	out, err := r.git(ctx, nil, nil, "ls-tree", "-r", "-z", "--full-tree", rev.Tree)
	if err != nil {
		if code(err) > 0 {
			err = r.objectProblem(ctx, rev.Tree, err)
		}
		return nil, fmt.Errorf("listing the files of %s: %w", rev.Ref, err)
	}
	entries, err := parseTree(out)
	if err != nil {
		return nil, fmt.Errorf("listing the files of %s: %w", rev.Ref, err)
	}
	return &tree{repo: r, entries: entries}, nil
}

// parseTree reads "mode SP type SP id TAB path NUL", repeated.
func parseTree(out []byte) ([]model.TreeEntry, error) {
	entries := make([]model.TreeEntry, 0, bytes.Count(out, []byte{0}))
	for record := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if record == "" {
			continue
		}
		head, path, found := strings.Cut(record, "\t")
		f := strings.Split(head, " ")
		if !found || len(f) != 3 {
			return nil, fmt.Errorf("unexpected answer from git: %q", record)
		}
		mode, err := strconv.ParseUint(f[0], 8, 32)
		if err != nil {
			return nil, fmt.Errorf("unexpected mode from git: %q", record)
		}
		entries = append(entries, model.TreeEntry{Path: path, Mode: knownMode(uint32(mode)), OID: f[2]})
	}
	if !slices.IsSortedFunc(entries, byPath) {
		slices.SortFunc(entries, byPath)
	}
	return entries, nil
}

// knownMode maps the modes that old versions of git wrote, such as 100664, to
// those of today.
func knownMode(mode uint32) uint32 {
	switch {
	case mode == model.ModeSymlink || mode == model.ModeGitlink:
		return mode
	case mode&0o100 != 0:
		return model.ModeExecutable
	}
	return model.ModeFile
}

func (t *tree) Entries() []model.TreeEntry { return t.entries }

func (t *tree) Lookup(path string) (model.TreeEntry, bool) { return lookup(t.entries, path) }

func (t *tree) Read(ctx context.Context, path string) ([]byte, error) {
	e, found := t.Lookup(path)
	if !found {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	if e.Mode == model.ModeGitlink {
		return nil, fmt.Errorf("reading %s: it is a submodule, whose files are not in this repository", path)
	}
	content, err := t.repo.blob(ctx, e.OID)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return content, nil
}

// isObjectID tells whether s is a whole SHA-1 or SHA-256 id.
func isObjectID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
