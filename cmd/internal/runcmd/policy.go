package runcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
)

// readPolicy is the policy that was named, else the one beside the settings,
// else, for a file of findings too, the default.
func (o *gating) readPolicy(a *app.App) (model.Policy, error) {
	p, list, err := o.policyOf(a)
	switch {
	case err != nil:
		return p, app.Fail(app.ExitInvalid, fmt.Errorf("reading the policy: %w", err))
	case list.HasErrors():
		return p, list
	}
	a.PrintDiagnostics(list)
	return p, nil
}

func (o *gating) policyOf(a *app.App) (p model.Policy, list diag.List, err error) {
	switch {
	case o.policy != "":
		content, err := os.ReadFile(o.policy)
		if err != nil {
			return p, nil, err
		}
		p, list = policy.Parse(o.policy, content)
	case o.findings != "":
		p = policy.Default()
	default:
		dir := filepath.ToSlash(filepath.Dir(a.Config))
		if path.IsAbs(dir) || dir == ".." || strings.HasPrefix(dir, "../") {
			dir = "." // the settings lie outside the repository
		}
		p, _, list = policy.Load(folder(a.Dir), dir)
	}
	return p, list, nil
}

// folder is a folder on the disk as a tree, for what needs no repository. It
// lists nothing.
type folder string

var _ model.Tree = folder("")

// Entries is empty.
func (folder) Entries() []model.TreeEntry { return nil }

// Lookup finds one file or link.
func (f folder) Lookup(name string) (model.TreeEntry, bool) {
	info, err := os.Lstat(filepath.Join(string(f), filepath.FromSlash(name)))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
		return model.TreeEntry{}, false
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return model.TreeEntry{Path: name, Mode: model.ModeSymlink}, true
	}
	return model.TreeEntry{Path: name, Mode: model.ModeFile}, true // what cannot be looked at is there, and Read says why
}

// Read returns the content of a file.
func (f folder) Read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}
