package walk_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// TestUntestedIsNoFailureAndNotMerged builds on what cannot be tested, and
// merges neither that nor what is built from it.
func TestUntestedIsNoFailureAndNotMerged(t *testing.T) {
	t.Parallel()
	p := plantest.Plan("registry.example/testing", '1', plantest.Image{ID: "gpu"}, plantest.Image{ID: "child", Parents: []string{"gpu"}}, plantest.Image{ID: "other"})
	for n := range p.Entries {
		if p.Entries[n].Image == "gpu" {
			p.Entries[n].Steps = map[string]string{model.StepBuild: model.StepRun, model.StepTest: model.StepUntested}
		}
	}
	for n := range p.Indexes {
		if p.Indexes[n].Image != "other" {
			p.Indexes[n].Action = model.StepUntested
		}
	}
	w := newWorld()
	w.fail["test gpu linux/amd64"], w.fail["test gpu linux/arm64"] = &step.Untested{Device: "gpu"}, &step.Untested{Device: "gpu"}
	r, err := walk.Walk(t.Context(), p, w.steps(), walk.Options{Parallel: 1})
	if err != nil || r.Err() != nil {
		t.Fatal(err, r.Err())
	}
	got := map[string]string{}
	for _, o := range append(r.Targets, r.Indexes...) {
		got[strings.TrimSpace(o.Target.Image+" "+o.Target.Platform.String())] = strings.TrimSpace(o.Action + " " + o.Why)
	}
	if diff := cmp.Diff(map[string]string{
		"gpu linux/amd64": "untested its tests need a machine with gpu", "gpu linux/arm64": "untested its tests need a machine with gpu",
		"child linux/amd64": "built", "child linux/arm64": "built", "other linux/amd64": "built", "other linux/arm64": "built",
		"gpu": "skipped gpu linux/amd64 is untested", "child": "skipped gpu linux/amd64 is untested", "other": "merged",
	}, got, cmp.Transformer("version", func(s string) string { s, _, _ = strings.Cut(s, " 1-"); return s })); diff != "" {
		t.Error(diff)
	}
}
