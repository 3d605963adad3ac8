package runcmd

import (
	"context"
	"errors"
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
		return p, err
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
			return p, nil, app.Unread("--policy", err)
		}
		p, list = policy.Parse(o.policy, content)
	case o.findings != "":
		p = policy.Default()
		if file := path.Join(policyFolder(a), policy.File); there(folder(a.Dir), file) {
			a.Log.Info("judged by the default policy; --policy " + filepath.Join(a.Dir, file) + " judges by the one that is there")
		}
	default:
		p, _, list = policy.Load(folder(a.Dir), policyFolder(a))
	}
	return p, list, nil
}

// policyFolder is where the policy lies: beside the settings.
func policyFolder(a *app.App) string {
	dir := filepath.ToSlash(filepath.Dir(a.Config))
	if path.IsAbs(dir) || dir == ".." || strings.HasPrefix(dir, "../") {
		return "." // the settings lie outside the repository
	}
	return dir
}

func there(f folder, name string) bool {
	_, found := f.Lookup(name)
	return found
}

// folder is a folder on the disk as a tree, for what needs no repository. It
// lists nothing.
type folder string

var _ model.Tree = folder("")

// Entries is empty.
func (folder) Entries() []model.TreeEntry { return nil }

// Lookup finds one file, link or folder.
func (f folder) Lookup(name string) (model.TreeEntry, bool) {
	info, err := os.Lstat(filepath.Join(string(f), filepath.FromSlash(name)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return model.TreeEntry{}, false
	case err == nil && info.IsDir():
		return model.TreeEntry{Path: name, Mode: model.ModeFolder}, true
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return model.TreeEntry{Path: name, Mode: model.ModeSymlink}, true
	}
	return model.TreeEntry{Path: name, Mode: model.ModeFile}, true // what cannot be looked at is there, and Read says why
}

// Read returns the content of a file.
func (f folder) Read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}
