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

// TestBusyLeavesOutTheIdle holds a plan that is only shown against the whole
// one: it has what something happens to, as it is there, and counts the rest.
func TestBusyLeavesOutTheIdle(t *testing.T) {
	t.Parallel()
	left, kept := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		before := fleets(r, "then")
		after := before
		if rapid.Bool().Draw(r, "edited") {
			after = fleets(r, "now")
		}
		then, now := snapshot("v1", before), snapshot("HEAD", after)
		var w *world
		if rapid.Bool().Draw(r, "known") {
			w = newWorld()
			w.run(t, makePlan(t, nil, then, w, plan.Request{}), func(string, *model.Entry) bool { return rapid.IntRange(0, 4).Draw(r, "luck") > 0 })
		}
		req := requests(r, after)
		switch rapid.IntRange(0, 3).Draw(r, "part") {
		case 0:
			req.Images = []string{fmt.Sprintf("i%d", rapid.IntRange(0, len(after)-1).Draw(r, "image"))}
		case 1:
			req.Platforms = []model.Platform{model.LinuxARM64}
		}
		whole := makePlan(t, then, now, w, req)
		req.Busy = true
		busy := makePlan(t, then, now, w, req)
		idle := idleNodes(whole)
		want := *whole
		want.Entries = slices.DeleteFunc(slices.Clone(whole.Entries), func(e model.Entry) bool { return idle[e.ID().Node()] })
		want.Indexes = slices.DeleteFunc(slices.Clone(whole.Indexes), func(x model.Index) bool { return idle[x.ID().Node()] })
		want.Idle = len(idle)
		if diff := cmp.Diff(&want, busy); diff != "" {
			r.Fatal(diff)
		}
		left, kept = left+len(idle), kept+len(busy.Indexes)
	})
	if left == 0 || kept == 0 {
		t.Errorf("%d nodes were left out and %d kept: one of them was not tried", left, kept)
	}
}

// idleNodes are the nodes of a whole plan of which no platform has anything to
// do.
func idleNodes(p *model.Plan) map[string]bool {
	idle := map[string]bool{}
	for _, x := range p.Indexes {
		if x.Action == model.StepDone {
			idle[x.ID().Node()] = true
		}
	}
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Action != model.ActionNone || e.Steps[model.StepBuild] != model.StepDone || e.Steps[model.StepTest] != model.StepDone {
			delete(idle, e.ID().Node())
		}
	}
	return idle
}
