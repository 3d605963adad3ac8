package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// fleets draws a fleet without cycles: parents have lower numbers.
func fleets(t *rapid.T, label string) map[string]spec {
	f := map[string]spec{}
	for i := range rapid.IntRange(1, 7).Draw(t, label) {
		s := spec{content: rapid.StringMatching("[ab]").Draw(t, "content"), tests: rapid.StringMatching("[ab]").Draw(t, "tests")}
		for p := range i {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				s.parents = append(s.parents, fmt.Sprintf("i%d", p))
			}
		}
		f[fmt.Sprintf("i%d", i)] = s
	}
	return f
}

func requests(t *rapid.T, f map[string]spec) plan.Request {
	req := plan.Request{Scope: rapid.SampledFrom([]string{model.ScopeTesting, model.ScopePR}).Draw(t, "scope")}
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		req.All = true
	case 1:
		req.Force = []string{fmt.Sprintf("i%d", rapid.IntRange(0, len(f)-1).Draw(t, "force"))}
	}
	return req
}

// TestLaws holds for any two fleets, any registry and any request.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		before, after := fleets(r, "then"), fleets(r, "now")
		then, now := snapshot("v1", before), snapshot("HEAD", after)
		var w *world
		if rapid.Bool().Draw(r, "known") {
			w = newWorld()
			w.run(t, makePlan(t, nil, then, w, plan.Request{}), func(string, *model.Entry) bool { return rapid.IntRange(0, 4).Draw(r, "luck") > 0 })
		}
		req := requests(r, after)
		p := makePlan(t, then, now, w, req)
		same(r, p, makePlan(t, snapshot("v1", before), snapshot("HEAD", after), w, req))
		entries := map[model.TargetID]*model.Entry{}
		for i := range p.Entries {
			entries[p.Entries[i].ID()] = &p.Entries[i]
		}
		for i := range p.Entries {
			e := &p.Entries[i]
			if len(e.Reasons) == 0 && e.Action != model.ActionNone {
				r.Fatalf("%s: %s for no reason", e.ID(), e.Action)
			}
			if e.Action == model.ActionRetire {
				continue
			}
			other := entries[model.TargetID{Image: e.Image, Tag: e.Tag, Platform: model.LinuxARM64}]
			if other.Generation != e.Generation {
				r.Fatalf("%s: generation %d, %s: %d", e.ID(), e.Generation, other.ID(), other.Generation)
			}
			upwards(r, p, e, entries)
		}
		if len(entries) != len(p.Entries) {
			r.Fatal("a target is there twice")
		}
	})
}

// upwards checks that what is built from something new is new itself.
func upwards(r *rapid.T, p *model.Plan, e *model.Entry, entries map[model.TargetID]*model.Entry) {
	for _, parent := range e.Parents {
		pe := entries[model.TargetID{Image: parent.Image, Tag: parent.Tag, Platform: e.Platform}]
		if pe == nil || pe.Wave >= e.Wave || pe.Generation > e.Generation && e.Action == model.ActionBuild {
			r.Fatalf("%s does not follow its parent %s", e.ID(), parent.Image)
		}
		anew := slices.ContainsFunc(pe.Reasons, func(x model.Reason) bool {
			return x.Kind == model.ReasonForced || x.Kind == model.ReasonRebuildAll
		})
		if pe.Action == model.ActionBuild && (p.Registry == "unknown" || anew) && e.Action != model.ActionBuild {
			r.Fatalf("%s is %s, but %s, which it is built from, is built", e.ID(), e.Action, pe.ID())
		}
	}
}

func same(r *rapid.T, a, b *model.Plan) {
	x, err := plan.Encode(a)
	if err != nil {
		r.Fatal(err)
	}
	y, err := plan.Encode(b)
	if err != nil {
		r.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		r.Fatalf("the same arguments gave two plans:\n%s\n%s", x, y)
	}
	back, err := plan.Decode(x)
	if err != nil {
		r.Fatal(err)
	}
	if z, err := plan.Encode(back); err != nil || !bytes.Equal(x, z) {
		r.Fatalf("a plan does not come back as it was: %v", err)
	}
}

// TestEveryRunEndsInTheSameState lets runs fail anywhere, in between forces
// images and edits them, and then runs once without a failure: now everything
// is done, and nothing is built from anything but its parents' newest bytes.
func TestEveryRunEndsInTheSameState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld()
		var then *plan.Snapshot
		var now *plan.Snapshot
		images := fleets(r, "fleet")
		for range rapid.IntRange(1, 5).Draw(r, "runs") {
			if rapid.Bool().Draw(r, "edit") {
				id := fmt.Sprintf("i%d", rapid.IntRange(0, len(images)-1).Draw(r, "which"))
				s := images[id]
				s.content = rapid.StringMatching("[abc]").Draw(r, "edited")
				images[id] = s
			}
			now = snapshot("HEAD", images)
			req := requests(r, images)
			req.Scope = model.ScopeTesting
			w.run(t, makePlan(t, then, now, w, req), func(string, *model.Entry) bool { return rapid.IntRange(0, 3).Draw(r, "luck") > 0 })
			then = now
		}
		w.run(t, makePlan(t, then, now, w, plan.Request{}), always)
		p := makePlan(t, then, now, w, plan.Request{})
		for i := range p.Entries {
			e := &p.Entries[i]
			if e.Action != model.ActionNone || e.Steps[model.StepBuild] != model.StepDone || e.Steps[model.StepTest] != model.StepDone {
				r.Fatalf("%s is still to do: %s %v %v", e.ID(), e.Action, e.Steps, e.Reasons)
			}
			current(r, w, p, e)
		}
		for _, x := range p.Indexes {
			if x.Action != model.StepDone {
				r.Fatalf("index of %s is still to merge", x.Image)
			}
		}
	})
}

// current checks that an entry's bytes were made from those of its parents:
// a parent that was lost and made again under its old name apart, they are
// the ones that the plan names.
func current(r *rapid.T, w *world, p *model.Plan, e *model.Entry) {
	var want []model.Digest
	for _, parent := range e.Parents {
		want = append(want, w.tags[parent.Repository][model.ContentTag(parent.Key, parent.Generation)])
	}
	if got := w.madeFrom[e.Digest]; !slices.Equal(got, want) {
		r.Fatalf("%s generation %d was built from %v, its parents are %v", e.ID(), e.Generation, got, want)
	}
}
