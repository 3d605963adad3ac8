package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Files is a tree of which nothing is listed: it has no Entries, and each file
// is asked for by its path. It is for who needs one or two of very many. What
// is no plain file is taken for one, and a submodule for nothing.
func (r *Repo) Files(ctx context.Context, rev model.Revision) (model.Tree, error) {
	if !isObjectID(rev.Tree) {
		return nil, fmt.Errorf("reading files of %s: %q is no tree id", rev.Ref, rev.Tree)
	}
	return &files{ctx: ctx, repo: r, tree: rev.Tree}, nil
}

type files struct {
	ctx  context.Context //nolint:containedctx // Lookup is given none
	repo *Repo
	tree string
}

func (f *files) Entries() []model.TreeEntry { return nil }

func (f *files) Lookup(path string) (model.TreeEntry, bool) {
	o := f.file(f.ctx, path)
	if o.err != nil {
		return model.TreeEntry{}, false
	}
	f.repo.keep(o.id, o.content)
	return model.TreeEntry{Path: path, Mode: model.ModeFile, OID: o.id}, true
}

func (f *files) Read(ctx context.Context, path string) ([]byte, error) {
	o := f.file(ctx, path)
	switch {
	case errors.Is(o.err, errAbsent):
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	case o.err != nil:
		return nil, fmt.Errorf("reading %s: %w", path, o.err)
	}
	return o.content, nil
}

func (f *files) file(ctx context.Context, path string) object {
	if !fs.ValidPath(path) || path == "." {
		return object{err: errAbsent}
	}
	o := f.repo.object(ctx, f.tree+":"+path)
	if o.err == nil && o.kind != "blob" {
		return object{err: errAbsent}
	}
	return o
}
