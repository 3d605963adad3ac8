package plan_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestPlatformsOneByOne builds one platform, then what is left: no index is
// made before all of its platforms are there, and nothing is built twice.
func TestPlatformsOneByOne(t *testing.T) {
	t.Parallel()
	w, now := newWorld(), snapshot("HEAD", fleet(nil))
	first := makePlan(t, nil, now, w, plan.Request{Platforms: []model.Platform{model.LinuxARM64}})
	for i := range first.Indexes {
		if first.Indexes[i].Action != model.StepDone {
			t.Errorf("the index of %s is made of one platform", first.Indexes[i].Image)
		}
	}
	w.run(t, first, always)
	made := w.made
	second := makePlan(t, nil, now, w, plan.Request{})
	for i := range second.Entries {
		e := &second.Entries[i]
		if runs := e.Steps[model.StepBuild] == model.StepRun; runs != (e.Platform == model.LinuxAMD64) {
			t.Errorf("%s is built: %v", e.ID(), runs)
		}
	}
	for i := range second.Indexes {
		if second.Indexes[i].Action != model.StepRun {
			t.Errorf("the index of %s is not made", second.Indexes[i].Image)
		}
	}
	w.run(t, second, always)
	if w.made != 2*made {
		t.Errorf("%d builds for one platform, %d for both", made, w.made)
	}
	third := makePlan(t, now, now, w, plan.Request{})
	if d := cmp.Diff(each(map[string]string{"base": "none", "python": "none", "app": "none", "node": "none"}), actions(third)); d != "" {
		t.Error(d)
	}
}

func TestUnknownPlatform(t *testing.T) {
	t.Parallel()
	now := snapshot("HEAD", map[string]spec{"base": {content: "b", platforms: both[:1]}})
	_, err := plan.Make(nil, now, model.RegistryState{}, plan.Request{Scope: model.ScopeTesting, Platforms: []model.Platform{model.LinuxARM64}})
	var unknown *plan.UnknownPlatformError
	if !errors.As(err, &unknown) || unknown.ExitCode() != 2 {
		t.Errorf("got %v", err)
	}
}

// TestBasesSayWhy keeps the reason of a base apart from that of what follows.
func TestBasesSayWhy(t *testing.T) {
	t.Parallel()
	now, w := snapshot("HEAD", fleet(nil)), newWorld()
	w.run(t, makePlan(t, nil, now, w, plan.Request{}), always)
	p := makePlan(t, now, now, w, plan.Request{Bases: true})
	for image, want := range map[string]string{"base": model.ReasonForced, "python": model.ReasonParent} {
		if r := reasonsOf(p, image); !slices.ContainsFunc(r, func(r model.Reason) bool { return r.Kind == want }) {
			t.Errorf("%s: %v, want %s", image, r, want)
		}
	}
}
