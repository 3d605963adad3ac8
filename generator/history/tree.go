package history

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
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
	l := &lister{}
	c := command(r.root, r.env(), "ls-tree", "-r", "-z", "--full-tree", rev.Tree)
	c.Stdout = l
	if err := c.Run(ctx); err != nil {
		if err = notInstalled(err); code(err) > 0 {
			err = r.objectProblem(ctx, rev.Tree, err)
		}
		return nil, fmt.Errorf("listing the files of %s: %w", rev.Ref, err)
	}
	entries, err := l.end()
	if err != nil {
		return nil, fmt.Errorf("listing the files of %s: %w", rev.Ref, err)
	}
	return &tree{repo: r, entries: entries}, nil
}

// lister reads "mode SP type SP id TAB path NUL", repeated, while git writes
// it. It keeps what it was given in large pieces, of which paths and ids are
// parts: half a million files are not a million small strings.
type lister struct {
	pending []byte
	entries [][]model.TreeEntry // of each piece
	err     error
}

// piece is how much is collected before it is read.
const piece = 512 << 10

// Write takes a part of git's answer. An answer that cannot be understood is
// kept for the end, so that git need not be interrupted.
func (l *lister) Write(p []byte) (int, error) {
	l.pending = append(l.pending, p...)
	if len(l.pending) >= piece {
		l.read()
	}
	return len(p), nil
}

// read takes the whole records of what is pending.
func (l *lister) read() {
	n := bytes.LastIndexByte(l.pending, 0) + 1
	whole := string(l.pending[:n])
	entries := make([]model.TreeEntry, 0, bytes.Count(l.pending[:n], []byte{0}))
	l.pending = l.pending[:copy(l.pending, l.pending[n:])]
	for l.err == nil && whole != "" {
		var record string
		record, whole, _ = strings.Cut(whole, "\x00")
		var e model.TreeEntry
		if e, l.err = parseRecord(record); l.err == nil {
			entries = append(entries, e)
		}
	}
	l.entries = append(l.entries, entries)
}

func parseRecord(record string) (model.TreeEntry, error) {
	head, path, found := strings.Cut(record, "\t")
	mode, rest, found2 := strings.Cut(head, " ")
	_, id, found3 := strings.Cut(rest, " ")
	m, err := parseMode(mode)
	if !found || !found2 || !found3 || err != nil || strings.Contains(id, " ") {
		return model.TreeEntry{}, fmt.Errorf("unexpected answer from git: %q", record)
	}
	return model.TreeEntry{Path: path, Mode: m, OID: id}, nil
}

func (l *lister) end() ([]model.TreeEntry, error) {
	l.read()
	switch {
	case l.err != nil:
		return nil, l.err
	case len(l.pending) > 0:
		return nil, fmt.Errorf("unexpected answer from git: %q", l.pending)
	}
	entries := slices.Concat(l.entries...)
	if !slices.IsSortedFunc(entries, byPath) {
		slices.SortFunc(entries, byPath)
	}
	return entries, nil
}

// parseMode reads an octal mode and maps those that old versions of git wrote,
// such as 100664, to those of today.
func parseMode(s string) (uint32, error) {
	mode := uint32(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '7' || i > 6 {
			return 0, fmt.Errorf("invalid mode %q", s)
		}
		mode = mode<<3 | uint32(s[i]-'0')
	}
	switch {
	case mode == model.ModeSymlink || mode == model.ModeGitlink || mode == 0:
		return mode, nil
	case mode&0o100 != 0:
		return model.ModeExecutable, nil
	}
	return model.ModeFile, nil
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
