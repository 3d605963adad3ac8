package key

import (
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func dockerfileForm(instructions ...string) Form {
	var f Form
	for i, s := range instructions {
		f = append(f, Line{Kind: LineInstruction, Name: strconv.Itoa(i + 1), Value: s})
	}
	return f
}

func TestDiffInstructions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, now, want string }{
		{"nothing", "A B", "A B", ""},
		{"one", "A B C D E", "A B X D E", " B|-C|+X| D"},
		{"far apart", "A B C D E F G", "X B C D E F Y", "-A|+X| B|... 3 the same| F|-G|+Y"},
		{"added", "A B", "A X B", " A|+X| B"},
		{"removed", "A B", "B", "-A| B"},
		{"all", "A", "B", "-A|+B"},
		{"a secret", "ENV#TOKEN=a", "ENV#TOKEN=b", "-ENV TOKEN=(hidden)|+ENV TOKEN=(hidden)"},
	} {
		form := func(s string) Form {
			fields := strings.Fields(s)
			for i := range fields {
				fields[i] = strings.ReplaceAll(fields[i], "#", " ")
			}
			return dockerfileForm(fields...)
		}
		if diff := gocmp.Diff(c.want, strings.Join(DiffInstructions(form(c.old), form(c.now)), "|")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Whatever goes stands in the old form, whatever comes in the new one, and
// there is a diff if and only if they differ.
func TestDiffInstructionsLaw(t *testing.T) {
	t.Parallel()
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C", "D"}), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		common := lcs(a, b)
		i, j := -1, -1
		for _, m := range common {
			if a[m[0]] != b[m[1]] || m[0] <= i || m[1] <= j {
				t.Fatalf("%v is no common subsequence of %v and %v", common, a, b)
			}
			i, j = m[0], m[1]
		}
		count := map[byte]int{}
		for _, line := range DiffInstructions(dockerfileForm(a...), dockerfileForm(b...)) {
			count[line[0]]++
		}
		if count['-'] != len(a)-len(common) || count['+'] != len(b)-len(common) {
			t.Fatalf("%v of %v and %v", count, a, b)
		}
	})
}
