package fuzz

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var declared = regexp.MustCompile(`(?m)^func (Fuzz[A-Za-z0-9_]*)\(\w+ \*testing\.F\)`)

// TestEveryTargetIsFuzzed: a target that tools/fuzz.txt leaves out is never run
// with anything but its seeds.
func TestEveryTargetIsFuzzed(t *testing.T) {
	t.Parallel()
	var want []string
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && file != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "build-artifacts"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, file)
		for _, found := range declared.FindAllSubmatch(text, -1) {
			want = append(want, "./"+path.Dir(file)+" "+string(found[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.FromSlash("../../tools/fuzz.txt"))
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(list)), "\n"), func(line string) bool { return strings.HasPrefix(line, "#") })
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("tools/fuzz.txt (-declared +listed):\n%s", d)
	}
}
