package gencmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// openOut is the folder that files are written below. Nothing outside it can
// be touched.
func openOut(repository, out string) (*os.Root, error) {
	if out == "" {
		out = repository
	} else if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("opening the output: %w", err)
	}
	root, err := os.OpenRoot(out)
	if err != nil {
		return nil, fmt.Errorf("opening the output: %w", err)
	}
	return root, nil
}

// sameFolder tells whether two paths are one folder, by whatever link.
func sameFolder(a, b string) bool {
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib)
}

// sparesCommitted makes sure that files below out are none that the repository
// has committed: those hold every image, and a part of them would make the
// planning job refuse, or forget, the others.
func sparesCommitted(ctx context.Context, repo *history.Repo, out string, files render.Files) error {
	head, err := repo.Commit(ctx, "HEAD")
	if errors.Is(err, history.ErrNoCommits) {
		return nil
	}
	if err != nil {
		return err
	}
	committed, err := repo.Tree(ctx, head)
	if err != nil {
		return err
	}
	root, err := filepath.EvalSymlinks(repo.Root())
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	for name := range files {
		path, err := resolve(filepath.Join(out, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("finding the output: %w", err)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if _, found := committed.Lookup(filepath.ToSlash(rel)); found {
			return keepsEvery(out)
		}
	}
	return nil
}

// resolve is an absolute path without links; what does not exist yet is as it
// is written.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, rest := path, ""
	for {
		resolved, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(resolved, rest), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return "", err
		}
		dir, rest = parent, filepath.Join(filepath.Base(dir), rest)
	}
}

func keepsEvery(out string) error {
	return app.Fail(app.ExitUsage, fmt.Errorf("--out %s: there are committed pipelines, which hold every image: name a folder outside the repository", out))
}
