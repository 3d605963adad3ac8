package plan_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestWhatWasWithdrawnIsNotReused withdraws one platform of an image: all its
// platforms and what is built from them are made anew, and then nothing is.
func TestWhatWasWithdrawnIsNotReused(t *testing.T) {
	t.Parallel()
	now, w := snapshot("HEAD", fleet(nil)), newWorld()
	first := makePlan(t, nil, now, w, plan.Request{})
	w.run(t, first, always)
	var gone model.Entry
	for _, e := range makePlan(t, now, now, w, plan.Request{}).Entries {
		if e.Action != model.ActionNone {
			t.Fatalf("%s is %s before anything was withdrawn", e.ID(), e.Action)
		}
		if len(e.Parents) == 0 && gone.Image == "" {
			gone = e
		}
	}
	w.done(gone.Repository, model.StateTag{Key: gone.Key, Step: model.StepWithdraw, Digest: gone.Digest, StepKey: gone.Digest})
	p := makePlan(t, now, now, w, plan.Request{})
	below := map[string]bool{gone.Image: true}
	for _, e := range p.Entries {
		for _, parent := range e.Parents {
			below[e.Image] = below[e.Image] || below[parent.Image]
		}
		if want := below[e.Image]; (e.Action == model.ActionBuild) != want || want && e.Generation != 1 {
			t.Errorf("%s is %s, generation %d", e.ID(), e.Action, e.Generation)
		}
		if e.ID() == gone.ID() && (len(e.Reasons) == 0 || e.Reasons[0].Kind != model.ReasonForced || e.Reasons[0].Detail != "what the registry has was withdrawn") {
			t.Errorf("%s: %v", e.ID(), e.Reasons)
		}
	}
	w.run(t, p, always)
	for _, e := range makePlan(t, now, now, w, plan.Request{}).Entries {
		if e.Action != model.ActionNone {
			t.Errorf("%s is %s once it was made anew", e.ID(), e.Action)
		}
	}
}
