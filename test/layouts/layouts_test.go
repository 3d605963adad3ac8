package layouts

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/source"
)

// fewest is how many images a layout must have to be a model of anything.
const fewest = 20

// TestEdges compares what is built from what with what was written by hand.
func TestEdges(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) {
		s, list := snapshot(t, l.tree)
		if diff := cmp.Diff(sorted(l.lines(t, "diagnostics.txt")), found(list)); diff != "" {
			t.Errorf("diagnostics (-want +got):\n%s\n%v", diff, list.Sorted())
		}
		if diff := cmp.Diff(sorted(l.lines(t, "edges.txt")), edges(s)); diff != "" {
			t.Errorf("edges (-want +got):\n%s", diff)
		}
		if n := len(s.Fleet.Images); n < fewest {
			t.Errorf("%d images, want at least %d", n, fewest)
		}
	})
}

// TestNames compares what some images are called.
func TestNames(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) {
		s, _ := snapshot(t, l.tree)
		called := map[string]string{}
		for i := range s.Fleet.Images {
			image := &s.Fleet.Images[i]
			id := image.ID
			if image.Tag != "" {
				id += ":" + image.Tag
			}
			if image.Variant != "" {
				id += "-" + image.Variant
			}
			called[name(image.Dockerfile)] = id
		}
		for _, line := range l.lines(t, "names.txt") {
			of, want, _ := strings.Cut(line, " = ")
			if got := called[of]; got != want {
				t.Errorf("%s is called %q, want %q", of, got, want)
			}
		}
	})
}

// TestEdits compares what each edit affects.
func TestEdits(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) { compare(t, l.tree, l.lines(t, "edits.txt")) })
}

// TestFolder compares what each edit affects where every file of an image's
// folder counts.
func TestFolder(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) {
		config := l.tree[source.DefaultConfig]
		config.Content += "detect: folder\n"
		l.tree[source.DefaultConfig] = config
		compare(t, l.tree, l.lines(t, "folder.txt"))
	})
}

// compare makes each edit and compares what a plan builds then with what is
// written below it.
func compare(t *testing.T, tree files, lines []string) {
	t.Helper()
	then, list := snapshot(t, tree)
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	for _, e := range readEdits(t, lines) {
		now, list := snapshot(t, e.apply(t, tree))
		if err := list.Err(); err != nil {
			t.Errorf("%s: %v", e.line, err)
			continue
		}
		if !slices.IsSorted(e.affects) {
			t.Errorf("%s: what it affects is not sorted", e.line)
		}
		if diff := cmp.Diff(e.affects, affected(t, then, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.line, diff)
		}
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
