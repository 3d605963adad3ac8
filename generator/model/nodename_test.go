package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNodeNames(t *testing.T) {
	t.Parallel()
	nodes := []TargetID{
		{Image: "single", Tag: "1.0"},
		{Image: "single", Tag: "1.0", Platform: LinuxARM64},
		{Image: "python", Tag: "3.13"},
		{Image: "python", Tag: "3.13", Variant: "Slim_X"},
		{Image: "twin", Tag: "1.A"},
		{Image: "twin", Tag: "1.a"},
	}
	want := map[string]string{
		"single:1.0": "single", "python:3.13": "python-3.13", "python:3.13:Slim_X": "python-3.13-slim_x",
		"twin:1.A": "twin-1.a-" + DigestOf([]byte("twin:1.A")).Hex()[:10],
		"twin:1.a": "twin-1.a-" + DigestOf([]byte("twin:1.a")).Hex()[:10],
	}
	got := map[string]string{}
	for n, name := range NodeNames(nodes) {
		got[n.Node()] = name
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNodeNamesAreValidAndDiffer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) TargetID {
			return TargetID{
				Image:   rapid.StringMatching(`[ab](-[ab1]){0,2}`).Draw(t, "image"),
				Tag:     rapid.StringMatching(`[A-Ca-c0-2_][A-Ca-c0-2_.-]{0,60}`).Draw(t, "tag"),
				Variant: rapid.SampledFrom([]string{"", "slim", "Slim"}).Draw(t, "variant"),
			}
		}), 1, 12).Draw(t, "nodes")
		names, taken := NodeNames(nodes), map[string]TargetID{}
		for n, name := range names {
			if err := CheckImageName(name); err != nil {
				t.Fatalf("%s: %s", n.Node(), err)
			}
			if other, twice := taken[name]; twice {
				t.Fatalf("%s and %s are both called %s", n.Node(), other.Node(), name)
			}
			taken[name] = n
		}
	})
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"NodeBase": "nodebase", "a/b": "a-b", "--a..b__c": "a-b-c", "a._b": "a-b", "x.y": "x.y", "ä": "", "": "", strings.Repeat("-", 9): "",
	} {
		if got := Slug(in); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	f := Fleet{Images: []Image{{Dir: "images/a"}, {Dir: "images/a/b"}, {Dir: "x"}}}
	owner := f.Owner()
	for file, want := range map[string]string{
		"images/a/f": "images/a", "images/a/b/f": "images/a/b", "images/a/c/d/f": "images/a", "images/ab/f": "", "f": "", "x/y": "x",
	} {
		if got := owner(file); got != want {
			t.Errorf("%s belongs to %q, want %q", file, got, want)
		}
	}
	if got := (&Fleet{Images: []Image{{Dir: "."}}}).Owner()("a/f"); got != "." {
		t.Errorf("a fleet of one image in the root owns all, got %q", got)
	}
}
