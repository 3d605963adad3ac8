package manifest_test

import (
	"maps"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// TestTheManifestSaysWhatIsUntested keeps what was tested before, and does not
// list what never was.
func TestTheManifestSaysWhatIsUntested(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := b.plan('1', plantest.Image{ID: "python"})
	b.merge(before)
	b.run(before)
	after := b.plan('2', plantest.Image{ID: "python", Content: "new"}, plantest.Image{ID: "never"})
	for n := range after.Entries {
		e := &after.Entries[n]
		e.Device, e.Steps = "gpu", maps.Clone(e.Steps)
		e.Steps[model.StepTest] = model.StepUntested
		plantest.Build(t, b.client, after, e)
	}
	for n := range after.Indexes {
		after.Indexes[n].Action = model.StepUntested
	}
	d := b.run(after).Document
	i, listed := d.Find("python")
	was := before.Indexes[0]
	if !listed || !i.Untested || i.StaleSince == "" || i.VersionTag != was.Version {
		t.Errorf("python is %+v", i)
	}
	if _, listed := d.Find("never"); listed {
		t.Error("what was never tested is listed")
	}
	_, missing, err := manifest.Step{Registry: b.client, Now: b.now}.View(t.Context(), after)
	if err != nil || len(missing) != 2 {
		t.Errorf("a promotion of the plan lacks %v: %v", missing, err)
	}
	b.merge(after) // some machine has tested it
	if i, _ := b.run(after).Document.Find("python"); i.Untested || i.StaleSince != "" {
		t.Errorf("tested, python is %+v", i)
	}
}
