// Package policy finds scan-policy.yaml, what is asked of an image's findings
// before it is promoted, and says what is asked where there is none.
package policy

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// File is the policy's name; it lies beside the settings.
const File = source.PolicyFile

// Default is the policy of a repository that has none: CRITICAL, HIGH and
// UNKNOWN, what is known to be exploited, malicious packages and secrets
// block, and anything but a finished scan is incomplete.
func Default() model.Policy { return source.DefaultPolicy() }

//go:embed first.yaml
var first string

// First is the file that says what the default is, to begin with.
func First() []byte { return []byte(first) }

// Parse reads a policy. The list has every mistake, each at its line; with an
// error in it the policy must not be used.
func Parse(file string, content []byte) (model.Policy, diag.List) {
	return source.ParsePolicy(file, content)
}

// Load reads the policy of a fleet; dir is the fleet's folder, as
// model.Settings has it. Where there is no file it is the default, and found is
// false. A file that cannot be read is a mistake in the list, never the default.
func Load(tree model.Tree, dir string) (p model.Policy, found bool, list diag.List) {
	file := path.Join(dir, File)
	e, found := tree.Lookup(file)
	switch {
	case e.Mode == model.ModeFolder || !found && isFolder(tree, file):
		list.Errorf(source.RuleNotAFile, diag.Pos{File: file}, "put the file itself here", "this must be a file, not a folder")
		return Default(), true, list
	case !found:
		return Default(), false, misnamed(tree, dir)
	case e.Mode == model.ModeSymlink || e.Mode == model.ModeGitlink:
		list.Errorf(source.RuleNotAFile, diag.Pos{File: file}, "put the file itself here", "this must be a file, not a link")
		return Default(), true, list
	}
	content, err := tree.Read(context.Background(), file)
	if err != nil {
		why := fmt.Sprintf("it cannot be read: %v", err)
		if errors.Is(err, fs.ErrNotExist) {
			why = "it cannot be read: it went away"
		}
		list.Errorf(source.RuleMissingFile, diag.Pos{File: file}, "", "%s", why)
		return Default(), true, list
	}
	p, list = Parse(file, content)
	return p, true, list
}

// isFolder tells whether a tree, which lists files only, has any below name.
func isFolder(tree model.Tree, name string) bool {
	return slices.ContainsFunc(tree.Entries(), func(e model.TreeEntry) bool { return strings.HasPrefix(e.Path, name+"/") })
}

// misnamed refuses a policy that nobody would read: who wrote it believes that
// it holds.
func misnamed(tree model.Tree, dir string) (list diag.List) {
	for _, name := range []string{"scan-policy.yml", "scan_policy.yaml", "scan_policy.yml", "scanpolicy.yaml", "scanpolicy.yml"} {
		if _, there := tree.Lookup(path.Join(dir, name)); there {
			list.Errorf(source.RuleNotRead, diag.Pos{File: path.Join(dir, name)}, "rename it to "+File, "this file is not read")
		}
	}
	return list
}
