package history

import (
	"context"
	"crypto/sha1" //nolint:gosec // git's object ids are SHA-1; nothing is protected by it
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// File is one file of a tree in memory. A zero Mode is model.ModeFile.
type File struct {
	Mode    uint32
	Content string // the link text for a symlink
}

// Memory is a tree of plain files, for tests and for what was never
// committed. The object ids are those that git would give.
func Memory(files map[string]string) model.Tree {
	all := make(map[string]File, len(files))
	for p, content := range files {
		all[p] = File{Content: content}
	}
	return MemoryFiles(all)
}

// MemoryFiles is Memory for files of any mode.
func MemoryFiles(files map[string]File) model.Tree {
	t := &memory{content: make(map[string]string, len(files))}
	for p, f := range files {
		mode := f.Mode
		if mode == 0 {
			mode = model.ModeFile
		}
		t.entries = append(t.entries, model.TreeEntry{Path: p, Mode: mode, OID: blobID(f.Content)})
		t.content[p] = f.Content
	}
	slices.SortFunc(t.entries, byPath)
	return t
}

type memory struct {
	entries []model.TreeEntry
	content map[string]string
}

func (t *memory) Entries() []model.TreeEntry { return t.entries }

func (t *memory) Lookup(path string) (model.TreeEntry, bool) { return lookup(t.entries, path) }

func (t *memory) Read(_ context.Context, path string) ([]byte, error) {
	content, found := t.content[path]
	if !found {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

func byPath(a, b model.TreeEntry) int { return strings.Compare(a.Path, b.Path) }

func lookup(entries []model.TreeEntry, path string) (model.TreeEntry, bool) {
	i, found := slices.BinarySearchFunc(entries, path, func(e model.TreeEntry, p string) int {
		return strings.Compare(e.Path, p)
	})
	if !found {
		return model.TreeEntry{}, false
	}
	return entries[i], true
}

func blobID(content string) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}
