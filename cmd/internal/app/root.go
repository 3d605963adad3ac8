package app

import (
	"fmt"
	"os"
	"path/filepath"
)

// Root is the folder of the repository that Dir lies in: the nearest one at or
// above it that holds .git, else Dir itself. The path is absolute.
func (a *App) Root() (string, error) {
	dir, err := filepath.Abs(a.Dir)
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Lstat(filepath.Join(d, ".git")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return dir, nil
		}
	}
}

// Cache is the folder below Root that holds what can be made again: programs,
// services and downloads.
func (a *App) Cache() (string, error) {
	root, err := a.Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, ".cache"), nil
}
