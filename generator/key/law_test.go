package key

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var kinds = []string{
	LineFormat, LinePlatform, LineOption, LineInstruction, LineArgument, LineContext, LineParent, LineBase, LineConfig, LineFile, LineInput,
}

// forms are forms with lines of all kinds, in the order of their kinds.
func forms() *rapid.Generator[Form] {
	line := rapid.Custom(func(t *rapid.T) Line {
		return Line{
			Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			Name:  rapid.SampledFrom([]string{"", "a", "a b", `a"`, "1", "2"}).Draw(t, "name"),
			Value: rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "x", `"x"`, " x", "x\ny", "\xff", "\xfe"})).Draw(t, "value"),
		}
	})
	return rapid.Custom(func(t *rapid.T) Form {
		lines := rapid.SliceOfNDistinct(line, 1, 8, func(l Line) string { return l.Kind + "\x00" + l.Name }).Draw(t, "lines")
		slices.SortStableFunc(lines, func(a, b Line) int {
			return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), strings.Compare(a.Name, b.Name))
		})
		return lines
	})
}

// A key changes if and only if a line of its form does, and then there is a
// reason. Only renumbering instructions has none: no Dockerfile does that.
func TestDiffLaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := forms().Draw(t, "a"), forms().Draw(t, "b")
		if rapid.Bool().Draw(t, "related") {
			b = slices.Clone(a)
			b[rapid.IntRange(0, len(b)-1).Draw(t, "line")].Value = rapid.String().Draw(t, "edit")
		}
		same := slices.Equal(a, b)
		if (a.Digest() == b.Digest()) != same {
			t.Fatalf("equal forms: %t, digests %s and %s\n%s\n%s", same, a.Digest(), b.Digest(), a, b)
		}
		renumbered := slices.Equal(values(a), values(b)) && slices.Equal(numberless(a), numberless(b))
		if (len(Diff(a, b)) == 0) != renumbered {
			t.Fatalf("equal forms: %t, differences %v\n%s\n%s", same, Diff(a, b), a, b)
		}
	})
}

func numberless(f Form) []Line {
	return slices.DeleteFunc(slices.Clone(f), func(l Line) bool { return l.Kind == LineInstruction })
}

func TestDiffOfNew(t *testing.T) {
	t.Parallel()
	if diff := gocmp.Diff([]model.Reason{{Kind: model.ReasonNew}}, Diff(nil, Form{{Kind: LineFormat}})); diff != "" {
		t.Error(diff)
	}
	if got := Diff(nil, nil); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// One cause is one reason.
func TestDiffSaysOnceWhatHappened(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		old, now Form
		want     []string
	}{
		{"a base takes its configuration along",
			Form{{Kind: LineBase, Name: "r/b", Value: "1"}, {Kind: LineConfig, Name: "r/b", Value: "1"}},
			Form{{Kind: LineBase, Name: "r/b", Value: "2"}, {Kind: LineConfig, Name: "r/b", Value: "2"}},
			[]string{"base r/b: 1 -> 2"}},
		{"a configuration alone",
			Form{{Kind: LineBase, Name: "r/b", Value: "1"}, {Kind: LineConfig, Name: "r/b", Value: "1"}},
			Form{{Kind: LineBase, Name: "r/b", Value: "1"}, {Kind: LineConfig, Name: "r/b", Value: "2"}},
			[]string{"base r/b what it gives to its children: 1 -> 2"}},
		{"references that change places",
			Form{{Kind: LineContext, Name: "x", Value: "p:1"}, {Kind: LineContext, Name: "y", Value: "q:1"}},
			Form{{Kind: LineContext, Name: "x", Value: "q:1"}, {Kind: LineContext, Name: "y", Value: "p:1"}},
			[]string{"parent x means another image: p:1 -> q:1", "parent y means another image: q:1 -> p:1"}},
		{"instructions in the middle",
			Form{{Kind: LineInstruction, Name: "1", Value: "A"}, {Kind: LineInstruction, Name: "2", Value: "B"}, {Kind: LineInstruction, Name: "3", Value: "C"}},
			Form{{Kind: LineInstruction, Name: "1", Value: "A"}, {Kind: LineInstruction, Name: "2", Value: "X"}, {Kind: LineInstruction, Name: "3", Value: "Y"}, {Kind: LineInstruction, Name: "4", Value: "C"}},
			[]string{"template 2 instructions: B -> X"}},
		{"another version of a base",
			Form{{Kind: LineBase, Name: "r/debian:12", Value: "d1"}, {Kind: LineConfig, Name: "r/debian:12", Value: "1"}},
			Form{{Kind: LineBase, Name: "r/debian:13", Value: "d2"}, {Kind: LineConfig, Name: "r/debian:13", Value: "2"}},
			[]string{"base r/debian:13 another version: r/debian:12@d1 -> r/debian:13@d2"}},
		{"another version of a base that is not locked",
			Form{{Kind: LineBase, Name: "r/debian:12"}}, Form{{Kind: LineBase, Name: "r/debian:13"}},
			[]string{"base r/debian:13 another version: r/debian:12 -> r/debian:13"}},
		{"a base for one that is locked by now",
			Form{{Kind: LineBase, Name: "r/a:1"}, {Kind: LineBase, Name: "r/b:1"}}, Form{{Kind: LineBase, Name: "r/b:1", Value: "d1"}},
			[]string{"base r/a:1: not locked -> ", "base r/b:1: not locked -> d1"}},
		{"another version of a parent",
			Form{{Kind: LineParent, Name: "python:3.11:slim", Value: "d1"}, {Kind: LineContext, Name: "python", Value: "python:3.11:slim"}},
			Form{{Kind: LineParent, Name: "python:3.12:slim", Value: "d1"}, {Kind: LineContext, Name: "python", Value: "python:3.12:slim"}},
			[]string{"parent python:3.12:slim another version: python:3.11:slim -> python:3.12:slim"}},
		{"two versions for one are no other version",
			Form{{Kind: LineParent, Name: "p:1", Value: "d1"}},
			Form{{Kind: LineParent, Name: "p:2", Value: "d1"}, {Kind: LineParent, Name: "p:3", Value: "d1"}},
			[]string{"parent p:1: d1 -> ", "parent p:2:  -> d1", "parent p:3:  -> d1"}},
		{"a Dockerfile that could not be read",
			Form{{Kind: LineInstruction, Name: "unreadable", Value: "git:1", Path: "a/Dockerfile"}},
			Form{{Kind: LineInstruction, Name: "1", Value: "FROM x", Path: "a/Dockerfile"}, {Kind: LineFile, Name: "f", Value: "1"}},
			[]string{"template a/Dockerfile it could not be read before, so nothing else can be compared:  -> "}},
		{"a package", Form{{Kind: LineBase, Name: "libc6", Value: "2.36"}}, Form{{Kind: LineBase, Name: "libc6", Value: "2.37"}},
			[]string{"base libc6 a package of Debian: 2.36 -> 2.37"}},
		{"the key format", Form{{Kind: LineFormat, Name: "key", Value: "1"}}, Form{{Kind: LineFormat, Name: "key", Value: "2"}},
			[]string{"option key format every image is built anew: 1 -> 2"}},
	} {
		if diff := gocmp.Diff(c.want, show(Diff(c.old, c.now))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
