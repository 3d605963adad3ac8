package tree_test

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/generator/tree"
)

const (
	push  = ".github/workflows/rootfsgen-push.yml"
	fleet = ".github/workflows/rootfsgen-fleet.yml"
)

// generated is what a fleet of some images makes.
func generated(t *testing.T, pins render.Pins, ids ...string) render.Files {
	t.Helper()
	return onBranch(t, "main", pins, ids...)
}

// onBranch is what a fleet makes whose default branch has another name.
func onBranch(t *testing.T, branch string, pins render.Pins, ids ...string) render.Files {
	t.Helper()
	f := &model.Fleet{Settings: source.Defaults()}
	f.Settings.DefaultBranch, f.Settings.Runtime = branch, model.RuntimeInstalled
	for _, id := range ids {
		f.Images = append(f.Images, model.Image{ID: id, ComponentVersion: "1", Platforms: []model.Platform{model.LinuxAMD64}})
	}
	p, list, err := pipeline.Layout(f, nil, pipeline.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	all := render.Files{}
	for _, forge := range p.Forges {
		files, err := render.Render(p, forge, pins)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, files)
	}
	return all
}

func open(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func compare(t *testing.T, root *os.Root, want render.Files) ([]tree.Change, []string) {
	t.Helper()
	found, err := tree.Compare(t.Context(), root, want, tree.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Changes, found.Own
}

// kinds is the changes as "path: kind".
func kinds(changes []tree.Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

func TestApplyThenNothingDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := open(t, dir)
	want := generated(t, render.DefaultPins(), "a", "b")
	changes, _ := compare(t, root, want)
	if len(changes) != len(want) {
		t.Errorf("%d changes of %d files", len(changes), len(want))
	}
	if err := tree.Apply(root, changes); err != nil {
		t.Fatal(err)
	}
	if changes, kept := compare(t, root, want); len(changes) != 0 || len(kept) != 0 {
		t.Errorf("after writing: %v %v", kinds(changes), kept)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "rootfsgen-new") {
			t.Errorf("left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	edit := func(name, from, to string) func(render.Files) {
		return func(f render.Files) { f[name] = []byte(strings.Replace(string(f[name]), from, to, 1)) }
	}
	for name, c := range map[string]struct {
		disk func(render.Files)
		want []string
		kept []string
	}{
		"missing":    {func(f render.Files) { delete(f, push) }, []string{push + ": missing"}, nil},
		"a pin":      {edit(push, "actions/checkout@"+render.DefaultPins()["actions/checkout"].Commit+" # v7.0.1", "actions/checkout@"+strings.Repeat("b", 40)+" # v9.0.0"), []string{push + ": a pin moved: actions/checkout v9.0.0 -> v7.0.1; in this file"}, nil},
		"other ends": {func(f render.Files) { f[push] = bytes.ReplaceAll(f[push], []byte("\n"), []byte("\r\n")) }, nil, nil},
		"outdated":   {func(f render.Files) { f[fleet] = generated(t, render.DefaultPins(), "a")[fleet] }, []string{fleet + ": outdated"}, nil},
		"extra":      {func(f render.Files) { f[".gitlab/rootfsgen/old.yml"] = f[push] }, []string{".gitlab/rootfsgen/old.yml: no longer generated"}, nil},
		"foreign":    {func(f render.Files) { f[push] = []byte("on: push\n") }, []string{push + ": not ours: it has no header of rootfsgen's"}, nil},
		"own":        {func(f render.Files) { f[".gitlab-ci.yml"] = []byte("stages: [x]\n") }, nil, []string{".gitlab-ci.yml"}},
		"beside":     {func(f render.Files) { f[".github/workflows/rootfsgen-mine.yml"] = []byte("on: push\n") }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := open(t, t.TempDir())
			want := generated(t, render.DefaultPins(), "a", "b")
			disk := maps.Clone(want)
			c.disk(disk)
			write(t, root, disk)
			changes, kept := compare(t, root, want)
			if d := cmp.Diff(c.want, kinds(changes)); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(c.kept, kept); d != "" {
				t.Error(d)
			}
			err := tree.Apply(root, changes)
			if _, foreign := errors.AsType[*tree.ForeignError](err); foreign != (name == "foreign") {
				t.Error(err)
			}
			if left, _ := compare(t, root, want); len(left) != 0 && name != "foreign" {
				t.Errorf("after writing: %v", kinds(left))
			}
		})
	}
}

func write(t *testing.T, root *os.Root, files render.Files) {
	t.Helper()
	for name, text := range files {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := root.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMovedPinIsKept moves a pin where it belongs: the workflows follow.
func TestMovedPinIsKept(t *testing.T) {
	t.Parallel()
	text := []byte("actions: # moved by a bot\n  - uses: actions/checkout@" + strings.Repeat("a", 40) + " # v8.0.0\n")
	pins, err := render.ParsePins(text)
	if err != nil {
		t.Fatal(err)
	}
	if pins["actions/checkout"].Version != "v8.0.0" || pins["actions/upload-artifact"].Version != "v7.0.1" {
		t.Errorf("got %v", pins)
	}
	root := open(t, t.TempDir())
	write(t, root, generated(t, render.DefaultPins(), "a"))
	changes, _ := compare(t, root, generated(t, pins, "a"))
	for _, c := range changes {
		if c.Kind != tree.Pin || !strings.Contains(c.Detail, "actions/checkout v7.0.1 -> v8.0.0") {
			t.Error(c)
		}
	}
	if len(changes) == 0 || !strings.Contains(string(generated(t, pins, "a")[push]), "actions/checkout@"+strings.Repeat("a", 40)+" # v8.0.0\n") {
		t.Errorf("the workflows do not follow: %v", kinds(changes))
	}
	whole := append(pins.Format(), "# a note\n"...)
	if string(render.KeepPins(whole, pins)) != string(whole) || string(render.KeepPins(text, pins)) != string(pins.Format()) {
		t.Error("a complete file stays as it is, an incomplete one is completed")
	}
	for _, bad := range []string{"actions: [{uses: a/b@v1}]", "actions:\n  - uses: actions/checkout@" + strings.Repeat("a", 40) + "\n", "{"} {
		if _, err := render.ParsePins([]byte(bad)); err == nil || !strings.Contains(err.Error(), render.PinsFile) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	c := tree.Change{Path: "x", Kind: tree.Missing, New: []byte("a\n")}
	if got := string(c.Diff()); !strings.Contains(got, "--- /dev/null\n+++ b/x\n") || !strings.Contains(got, "\n+a\n") {
		t.Errorf("got %q", got)
	}
	c = tree.Change{Path: "x", Kind: tree.Extra, Old: []byte("a\n")}
	if got := string(c.Diff()); !strings.Contains(got, "--- a/x\n+++ /dev/null\n") || !strings.Contains(got, "\n-a\n") {
		t.Errorf("got %q", got)
	}
}

// TestNothingLeavesTheRoot follows no link out of the repository.
func TestNothingLeavesTheRoot(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, ".github")); err != nil {
		t.Fatal(err)
	}
	root := open(t, dir)
	found, err := tree.Compare(t.Context(), root, generated(t, render.DefaultPins(), "a"), tree.Options{})
	if err == nil {
		err = tree.Apply(root, found.Changes)
	}
	if err == nil {
		t.Error("a link out of the repository was followed")
	}
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 0 {
		t.Errorf("written outside: %v %v", left, err)
	}
}

// TestAllOrNothing finds a file that cannot be written before any is.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, ".gitlab"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	changes := []tree.Change{{Path: "a/x", Kind: tree.Missing, New: []byte("x")}, {Path: ".gitlab/y", Kind: tree.Missing, New: []byte("y")}}
	if err := tree.Apply(root, changes); err == nil {
		t.Fatal("a file was written below a file")
	}
	left, err := os.ReadDir(filepath.Join(dir, "a"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
