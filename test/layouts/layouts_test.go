package layouts

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
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
	eachLayout(t, func(t *testing.T, l layout) {
		then, list := snapshot(t, l.tree)
		if err := list.Err(); err != nil {
			t.Fatal(err)
		}
		for _, e := range readEdits(t, l.lines(t, "edits.txt")) {
			now, list := snapshot(t, e.apply(t, l.tree))
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
	})
}

// TestInit compares what init finds without rules with what is there.
func TestInit(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) {
		p := proposal(t.Context(), t, l.tree)
		bare := maps.Clone(l.tree)
		for path, content := range p.Files {
			bare[path] = history.File{Content: string(content)}
		}
		s, list := snapshot(t, bare)
		got := edges(s)
		var want, missing []string
		for _, e := range l.lines(t, "edges.txt") {
			if !strings.Contains(e, " <- ") {
				continue
			}
			want = append(want, e)
			if !slices.Contains(got, e) {
				missing = append(missing, e)
			}
		}
		share := float64(len(want)-len(missing)) / float64(max(1, len(want)))
		least := 0.0
		for _, line := range l.lines(t, "init.txt") {
			n, err := strconv.ParseFloat(strings.TrimPrefix(line, "edges "), 64)
			if err != nil {
				t.Fatal(err)
			}
			least = n
		}
		if share < least {
			t.Errorf("init finds %.2f of the edges, want %.2f; not these:\n%s\nwith\n%s\n%v", share, least,
				strings.Join(missing, "\n"), p.Files["rootfsgen.yaml"], list.Err())
		}
		for _, e := range got {
			if strings.Contains(e, " <- ") && !slices.Contains(want, e) && !beyond(e, l.lines(t, "edges.txt")) {
				t.Errorf("init finds an edge that is none: %s", e)
			}
		}
	})
}

// beyond tells whether an edge begins at an image that the layout's rules
// leave out: nobody has written down what it is built from.
func beyond(edge string, written []string) bool {
	child, _, _ := strings.Cut(edge, " <- ")
	return !slices.ContainsFunc(written, func(w string) bool { return strings.HasPrefix(w, fmt.Sprintf("%s <", child)) })
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
