package key

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The quick way finds what the thorough one does.
func TestDiffValuesLaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := forms().Draw(t, "a")
		b := slices.Clone(a)
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "line")].Value = rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "edit")
		}
		quick, thorough := show(diffValues(a, b)), show(diffLines(a, b, false))
		slices.Sort(quick)
		slices.Sort(thorough)
		if diff := gocmp.Diff(thorough, quick); diff != "" {
			t.Fatalf("(-thorough +quick):\n%s\n%s\n%s", diff, a, b)
		}
	})
}

// BenchmarkDiff is an image whose parent changed: what a whole fleet is when
// its root is edited.
func BenchmarkDiff(b *testing.B) {
	a := dockerfileForm(strings.Fields(strings.Repeat("RUN ", 20))...)
	for i := range 10 {
		a = append(a, Line{Kind: LineFile, Name: fmt.Sprintf("f%d", i), Value: "100644 git:" + strings.Repeat("a", 40)})
	}
	a = append(a, Line{Kind: LineParent, Name: "base:1", Value: "sha256:" + strings.Repeat("a", 64)})
	c := slices.Clone(a)
	c[len(c)-1].Value = "sha256:" + strings.Repeat("b", 64)
	b.ReportAllocs()
	for b.Loop() {
		if len(Diff(a, c)) != 1 {
			b.Fatal("a parent's key is one reason")
		}
	}
}
