package plan_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// kindsOfContract are those that other programs know.
var kindsOfContract = []string{
	"new", "file", "removed", "argument", "option", "parent", "base", "template", "forced", "rebuild-all", "registry", "context",
}

// TestReasonLaw holds for any two fleets, any registry and any request: every
// entry says why, in kinds of the contract, and one that is built says more
// than that nothing changed.
func TestReasonLaw(t *testing.T) {
	t.Parallel()
	seen := map[model.Action]int{}
	rapid.Check(t, func(r *rapid.T) {
		before, after := fleets(r, "then"), fleets(r, "now")
		then, now := snapshot("v1", before), snapshot("HEAD", after)
		if rapid.IntRange(0, 4).Draw(r, "first") == 0 {
			then = nil
		}
		var w *world
		if rapid.Bool().Draw(r, "known") {
			w = newWorld()
			made := rapid.SampledFrom([]*plan.Snapshot{snapshot("v1", before), now}).Draw(r, "made")
			w.run(t, makePlan(t, nil, made, w, plan.Request{}), func(string, *model.Entry) bool { return rapid.IntRange(0, 4).Draw(r, "luck") > 0 })
		}
		p := makePlan(t, then, now, w, requests(r, after))
		for i := range p.Entries {
			e := &p.Entries[i]
			seen[e.Action]++
			if len(e.Reasons) == 0 {
				r.Fatalf("%s: %s for no reason", e.ID(), e.Action)
			}
			for _, reason := range e.Reasons {
				if !slices.Contains(kindsOfContract, reason.Kind) {
					r.Fatalf("%s: reason %+v", e.ID(), reason)
				}
				if reason.Path == "" && reason.Name == "" && reason.Detail == "" {
					r.Fatalf("%s: reason %+v says nothing", e.ID(), reason)
				}
			}
			unchanged := []string{"unchanged since v1, and the registry has it", "unchanged since v1; the registry was not asked"}
			if e.Action == model.ActionBuild && slices.Contains(unchanged, e.Reasons[0].Detail) {
				r.Fatalf("%s is built, and says %q", e.ID(), e.Reasons[0].Detail)
			}
		}
	})
	for _, action := range []model.Action{model.ActionBuild, model.ActionReuse, model.ActionNone, model.ActionRetire} {
		if seen[action] == 0 {
			t.Errorf("no plan had an entry of action %s", action)
		}
	}
}

func details(t *testing.T, then, now *plan.Snapshot, w *world, req plan.Request) map[string]string {
	t.Helper()
	made := makePlan(t, then, now, w, req)
	out := map[string]string{}
	for i := range made.Entries {
		e := &made.Entries[i]
		if e.Platform == model.LinuxAMD64 {
			out[e.Image] = e.Reasons[0].Kind + ": " + e.Reasons[0].Detail
		}
	}
	return out
}

func TestWhatIsNotBuiltSaysWhy(t *testing.T) {
	t.Parallel()
	all := func(s string) map[string]string {
		return map[string]string{"base": s, "python": s, "app": s, "node": s}
	}
	then, now := snapshot("v1", fleet(nil)), snapshot("HEAD", fleet(nil))
	built := newWorld()
	built.run(t, makePlan(t, nil, then, built, plan.Request{}), always)
	untested := newWorld()
	untested.run(t, makePlan(t, nil, then, untested, plan.Request{}), func(step string, _ *model.Entry) bool { return step != model.StepTest })
	for _, c := range []struct {
		name string
		w    *world
		req  plan.Request
		want string
	}{
		{"nobody asked", nil, plan.Request{}, "registry: unchanged since v1; the registry was not asked"},
		{"all is there", built, plan.Request{}, "registry: unchanged since v1, and the registry has it"},
		{"never built", newWorld(), plan.Request{}, "registry: the registry does not have it: it was never built, or failed the last time"},
		{"never built, for a request", newWorld(), plan.Request{Scope: model.ScopePR}, "registry: not in the registry; this request does not change it"},
		{"not tested, for a request", built, plan.Request{Scope: model.ScopePR}, "registry: unchanged since v1; what is not done for it yet, this request leaves alone"},
		{"not tested", untested, plan.Request{}, "registry: its tests have not passed yet"},
	} {
		got := details(t, then, now, c.w, c.req)
		want := all(c.want)
		if c.w == untested { // what is built from it was never begun
			for _, image := range []string{"python", "app", "node"} {
				want[image] = got[image]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestParentsSayWhatLiesBehind: the farthest child names the file.
func TestParentsSayWhatLiesBehind(t *testing.T) {
	t.Parallel()
	then := snapshot("v1", fleet(nil))
	got := details(t, then, snapshot("HEAD", edited("base", func(s *spec) { s.content = "b2" })), nil, plan.Request{})
	want := map[string]string{"base": "file: ", "python": "parent: because images/base/app", "app": "parent: because images/base/app", "node": "parent: because images/base/app"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNew tells a new image from a new tag and from a new platform, whatever
// the order of a map.
func TestNew(t *testing.T) {
	t.Parallel()
	then := snapshot("v1", map[string]spec{"base": {}, "tool": {platforms: both[1:]}, "old": {version: "1"}})
	now := snapshot("HEAD", map[string]spec{"base": {}, "tool": {}, "fresh": {}, "old": {version: "1"}})
	for range 20 {
		got := details(t, then, now, nil, plan.Request{})
		want := map[string]string{
			"base": "registry: unchanged since v1; the registry was not asked", "old": "registry: unchanged since v1; the registry was not asked",
			"fresh": "new: not there at v1", "tool": "new: the image was not made for this before",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestUnchangedCostsNothing: one sentence serves a whole plan.
func TestUnchangedCostsNothing(t *testing.T) {
	t.Parallel()
	images := map[string]spec{}
	for i := range 50 {
		images[fmt.Sprintf("i%02d", i)] = spec{content: "x"}
	}
	p := makePlan(t, snapshot("v1", images), snapshot("HEAD", images), nil, plan.Request{})
	for i := range p.Entries {
		if &p.Entries[i].Reasons[0] != &p.Entries[0].Reasons[0] {
			t.Fatalf("%s has a reason of its own", p.Entries[i].ID())
		}
	}
}

func TestRefName(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"v12": "v12", "refs/tags/v12": "v12", "refs/remotes/origin/main": "origin/main", "worktree": "worktree",
		"1234567890123456789012345678901234567890": "123456789012",
	} {
		if got := plan.RefName(model.Revision{Ref: ref}); got != want {
			t.Errorf("RefName(%q) = %q, want %q", ref, got, want)
		}
	}
}
