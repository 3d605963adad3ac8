package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// WorktreeRef is the name of uncommitted work, as a revision's Ref and on
// command lines.
const WorktreeRef = "worktree"

// cacheDir lies in the root of every repository that is worked in. Nothing
// in it ever counts.
const cacheDir = ".cache"

// Worktree is what a commit of everything, `git add -A` first, would hold:
// git's own ignore rules and filters apply. It is made with an index and an
// object folder of our own, so that the user's index and .git stay as they
// are.
func (r *Repo) Worktree(ctx context.Context) (model.Revision, model.Tree, error) {
	rev, err := r.Uncommitted(ctx)
	if err != nil {
		return model.Revision{}, nil, err
	}
	t, err := r.Tree(ctx, rev)
	return rev, t, err
}

// Uncommitted is Worktree without the list of its files.
func (r *Repo) Uncommitted(ctx context.Context) (model.Revision, error) {
	id, err := r.writeWorktree(ctx)
	if err != nil {
		return model.Revision{}, fmt.Errorf("reading the work tree: %w", err)
	}
	return model.Revision{Ref: WorktreeRef, Tree: id}, nil
}

// Dirty tells whether the work tree differs from HEAD. A repository without
// commits is dirty.
func (r *Repo) Dirty(ctx context.Context) (bool, error) {
	head, err := r.commit(ctx, "HEAD")
	if errors.Is(err, ErrNoCommits) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	id, err := r.writeWorktree(ctx)
	return id != head.tree, err
}

func (r *Repo) writeWorktree(ctx context.Context) (id string, err error) {
	if _, err := os.Stat(r.ObjectDir()); errors.Is(err, fs.ErrNotExist) {
		if err := r.MakeCache("objects"); err != nil {
			return "", fmt.Errorf("making room for uncommitted files: %w", err)
		}
		r.restart()
	}
	r.expire(time.Now())
	dir, err := os.MkdirTemp(filepath.Join(r.root, cacheDir), "index-")
	if err != nil {
		return "", fmt.Errorf("making a temporary index: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	index := filepath.Join(dir, "index")
	if err := copyIndex(filepath.Join(r.gitDir, "index"), index); err != nil {
		return "", fmt.Errorf("copying the index: %w", err)
	}
	env := []string{
		"GIT_INDEX_FILE=" + index,
		"GIT_OBJECT_DIRECTORY=" + r.ObjectDir(),
		"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + quoteAlternate(filepath.Join(r.common, "objects")),
	}
	add := []string{"add", "-A", "--sparse"}
	// Git refuses to be told to leave out what it ignores already.
	hidden, err := r.Ignored(ctx, cacheDir+"/objects")
	if err != nil {
		return "", err
	}
	if !hidden {
		add = append(add, "--", ":/", ":(exclude,top)"+cacheDir)
	}
	if _, err := r.git(ctx, env, nil, add...); err != nil {
		return "", err
	}
	out, err := r.git(ctx, env, nil, "write-tree", "--missing-ok")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// MakeCache makes a folder in .cache, which it hides from git where nothing
// else does.
func (r *Repo) MakeCache(name string) error {
	if err := os.MkdirAll(filepath.Join(r.root, cacheDir, name), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(r.root, cacheDir, ".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString("*\n")
	return errors.Join(err, file.Close())
}

// copyIndex seeds the temporary index, so that git need not read files that
// did not change. The time of the original is kept: git compares the times of
// files with it to find those that changed in the same moment.
func copyIndex(from, to string) error {
	src, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was ever added
	}
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		_ = dst.Close()
		return err
	}
	if err := dst.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
