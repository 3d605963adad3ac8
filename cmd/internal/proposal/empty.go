package proposal

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// hello is a first image that needs nothing from outside.
func hello() map[string][]byte {
	return map[string][]byte{
		"images/hello/image.yaml": []byte("# yaml-language-server: $schema=" + schemaBase + `image.json
label: Hello
component_version: "1"
description: A first image, one file on nothing.
`),
		"images/hello/Dockerfile":   []byte("FROM scratch\nCOPY greeting.txt /greeting.txt\n"),
		"images/hello/greeting.txt": []byte("Hello from your first image.\n"),
	}
}

// withFiles is a tree with further files.
type withFiles struct {
	model.Tree
	files map[string][]byte
}

// Entries lists the files of both.
func (t withFiles) Entries() []model.TreeEntry {
	out := slices.DeleteFunc(slices.Clone(t.Tree.Entries()), func(e model.TreeEntry) bool { _, ours := t.files[e.Path]; return ours })
	for p := range t.files {
		out = append(out, t.entry(p))
	}
	slices.SortFunc(out, func(a, b model.TreeEntry) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// entry is one of the further files. Its id is not git's, but like git's it
// tells contents apart.
func (t withFiles) entry(p string) model.TreeEntry {
	return model.TreeEntry{Path: p, Mode: model.ModeFile, OID: model.DigestOf(t.files[p]).Hex()}
}

// Lookup finds a file of either.
func (t withFiles) Lookup(p string) (model.TreeEntry, bool) {
	if _, ours := t.files[p]; ours {
		return t.entry(p), true
	}
	return t.Tree.Lookup(p)
}

// Read returns the content of a file of either.
func (t withFiles) Read(ctx context.Context, p string) ([]byte, error) {
	if b, ours := t.files[p]; ours {
		return b, nil
	}
	if _, found := t.Tree.Lookup(p); !found {
		return nil, fmt.Errorf("reading %s: %w", p, fs.ErrNotExist)
	}
	return t.Tree.Read(ctx, p)
}
