package oracle

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestOracleSeesWhatIsWrong spoils keys and recipes, and expects to be told.
func TestOracleSeesWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	id := model.TargetID{Image: "app", Tag: "0", Platform: model.LinuxAMD64}
	forge := func(then, now *side) { now.keys[id].Digest = then.keys[id].Digest }
	for name, c := range map[string]struct {
		spoil func(then, now *side)
		want  []string
	}{
		"nothing":                         {func(_, _ *side) {}, nil},
		"a change that the key lacks":     {forge, []string{faultRecipe, faultMissed, faultUnstable}},
		"a file that neither has":         {func(then, now *side) { lose(then, "a"); lose(now, "a"); forge(then, now) }, []string{faultOnlyOurs, faultOnlyOurs, faultMissed}},
		"one of several files is lost":    {func(then, now *side) { lose(then, "d/b"); lose(now, "d/b") }, []string{faultOtherBytes, faultOtherBytes}},
		"an argument that is not given":   {func(_, now *side) { now.spoil = func(r *model.Recipe) { r.Args = nil } }, []string{faultOtherBytes}},
		"a stage that was not asked for":  {func(_, now *side) { now.spoil = func(r *model.Recipe) { r.Stage = "other" } }, []string{faultOtherBytes}},
		"a file that is only read by now": {func(then, _ *side) { lose(then, "a") }, []string{faultOnlyOurs}},
	} {
		t.Run(name, func(t *testing.T) {
			then := files{}
			then.put("rootfsgen.yaml", "version: 1\n")
			then.put("images/app/Dockerfile", "FROM scratch AS other\nFROM scratch\nARG V=none\nLABEL v=$V\nCOPY a d/* /\n")
			then.put("images/app/image.yaml", "arch: amd64\nargs: {V: given}\n")
			then.put("images/app/a", "a\n")
			then.put("images/app/d/b", "b\n")
			then.put("images/app/d/c", "c\n")
			now := maps.Clone(then)
			now.put("images/app/a", "edited\n")
			var sides [2]*side
			for i, f := range []files{then, now} {
				var err error
				if sides[i], err = w.load(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			c.spoil(sides[0], sides[1])
			v, err := w.trySides(t.Context(), sides, how{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range v.faults {
				got = append(got, f.kind)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// lose takes a file out of what a build is given.
func lose(s *side, path string) {
	s.spoil = func(r *model.Recipe) {
		r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(e model.TreeEntry) bool { return e.Path == path })
	}
}
