package index_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// needing is a plan whose image base needs a gpu, and python is built from it.
func needing(s *registrytest.Server) *model.Plan {
	p := plantest.Plan(s.Prefix("testing"), '1', plantest.Image{ID: "base"}, plantest.Image{ID: "python", Parents: []string{"base"}})
	for n := range p.Entries {
		e := &p.Entries[n]
		e.Steps = maps.Clone(e.Steps)
		if e.Image == "base" {
			e.Device, e.Steps[model.StepTest] = "gpu", model.StepUntested
		}
	}
	for n := range p.Indexes {
		p.Indexes[n].Action = model.StepUntested
	}
	return p
}

// TestUntestedIsNotMerged merges neither what was not tested nor what is built
// from it, until some machine has run the tests.
func TestUntestedIsNotMerged(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p, c := needing(s), client()
	for n := range p.Entries {
		e := &p.Entries[n]
		d := plantest.Build(t, c, p, e)
		if e.Image == "python" {
			plantest.Test(t, c, p, e, d)
		}
	}
	merge := func(n int) error {
		_, err := index.Step{Registry: c}.Run(t.Context(), p, &p.Indexes[n])
		return err
	}
	for n, want := range []string{"its tests have not passed: they need a machine with gpu", "base:1 linux/amd64, which it is built from: its tests have not passed"} {
		err := merge(n)
		if _, refused := errors.AsType[*index.Incomplete](err); !refused || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", p.Indexes[n].Image, err, want)
		}
		if _, merged, err := index.Merged(t.Context(), c, p, &p.Indexes[n]); merged || err != nil {
			t.Errorf("%s counts as merged: %v", p.Indexes[n].Image, err)
		}
	}
	plantest.All(t, c, p)
	for n := range p.Indexes {
		if err := merge(n); err != nil {
			t.Errorf("%s was tested: %v", p.Indexes[n].Image, err)
		}
	}
}
