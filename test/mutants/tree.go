package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// tree is a copy of the module that may be damaged.
type tree struct {
	root string // the original
	dir  string
}

// copyTree copies what git tracks, as it is on the disk, so that uncommitted
// work counts.
func copyTree(ctx context.Context, root, dir string) (*tree, error) {
	out, err := tool.Command{Name: "git", Args: []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard"}, Dir: root, Env: tool.GitEnviron()}.Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the files to copy: %w", err)
	}
	t := &tree{root: root, dir: dir}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if err := t.restore(name); err != nil {
			return nil, fmt.Errorf("copying the tree: %w", err)
		}
	}
	return t, nil
}

// restore makes one file what it is in the original.
func (t *tree) restore(name string) error {
	from, to := filepath.Join(t.root, name), filepath.Join(t.dir, name)
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed, and not committed yet; or made by the patch
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// apply applies a patch and returns the files that it touches.
func (t *tree) apply(ctx context.Context, patch string) (touched []string, err error) {
	git := func(args ...string) ([]byte, error) {
		return tool.Command{
			Name: "git", Args: append(append([]string{"apply"}, args...), filepath.Join(t.root, patch)), Dir: t.dir,
			// No repository around the copy may decide what the paths mean.
			Env: append(tool.GitEnviron(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(t.dir)),
		}.Output(ctx)
	}
	out, err := git("--numstat", "-z")
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 || f[2] == "" {
			return nil, fmt.Errorf("a patch only edits files, and this one has %q", line)
		}
		if strings.HasPrefix(f[2], "test/") || strings.HasSuffix(f[2], "_test.go") {
			return nil, fmt.Errorf("it touches a test, %s: a mutant is of the product", f[2])
		}
		touched = append(touched, f[2])
	}
	_, err = git()
	return touched, err
}
