package promote_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

const vendors = "registry.example.com/vendor:1"

// withVendor is a step whose fleet has a fixed reference.
func (b *bench) withVendor() promote.Step {
	s := b.step()
	s.Fleet = &model.Fleet{Images: []model.Image{{ID: "python", Tag: "1"}, {ID: "vendor", Tag: "1", Image: vendors}}}
	return s
}

func TestFixedReferencesAreCarriedOverAndNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, plantest.Image{ID: "python"})
	d := &manifest.Document{Version: 1, Source: "x", Images: []manifest.Image{{ID: "vendor", Image: vendors}}}
	r, err := b.withVendor().Run(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := b.prod().Images[0]; i.Image != vendors || i.Digest != "" {
		t.Errorf("%+v", i)
	}
	named := func(notes []string) bool {
		return slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(n, "vendor is "+vendors+", which is somebody else's") })
	}
	if !named(r.Notes) {
		t.Errorf("it was not named: %q", r.Notes)
	}
	if r, err = b.withVendor().Finish(t.Context()); err != nil || !named(r.Notes) {
		t.Errorf("%q, %v", r.Notes, err)
	}
}

// TestFixedReferencesAreTheFleets smuggles references into plans and documents.
func TestFixedReferencesAreTheFleets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entry manifest.Image
		want  string
	}{
		"of another":                   {manifest.Image{ID: "vendor", Image: "evil.example/vendor:1"}, `vendor: no image.yaml of this fleet has the fixed reference "evil.example/vendor:1"`},
		"of an image that has none":    {manifest.Image{ID: "python", Image: "evil.example/python:1"}, "python: no image.yaml"},
		"of an image that has none, 2": {manifest.Image{ID: "python"}, "python: no image.yaml"},
		"under another's name":         {manifest.Image{ID: "python", Image: vendors}, "python: no image.yaml"},
		"of no image of ours":          {manifest.Image{ID: "evil", Image: vendors}, "evil: no image.yaml"},
		"with platforms": {manifest.Image{
			ID: "vendor", Image: vendors, Repository: "python", VersionTag: "1", Platforms: map[string]model.Digest{"linux/amd64": model.DigestOf(nil)},
		}, "vendor: it has no digest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, plantest.Image{ID: "python"})
			d := &manifest.Document{Version: 1, Source: "x", Images: []manifest.Image{c.entry}}
			for _, ids := range [][]string{nil, {c.entry.ID}} {
				_, err := b.withVendor().Run(t.Context(), d, ids)
				if refused, is := errors.AsType[*promote.Refused](err); !is || refused.ExitCode() != 5 || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			}
			b.nothing()
			m := newMerging(t)
			m.s.Fleet = m.withVendor().Fleet
			m.merge(d)
			if _, err := m.s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("merged: got %v, want %q", err, c.want)
			}
		})
	}
}

// TestAFixedReferenceReplacesNothingThatWasJudged puts one in the place of an
// image that prod has.
func TestAFixedReferenceReplacesNothingThatWasJudged(t *testing.T) {
	t.Parallel()
	b := newBench(t, plantest.Image{ID: "python"})
	s := b.step()
	s.Fleet = &model.Fleet{Images: []model.Image{{ID: "python", Tag: "1", Image: vendors}}}
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	d := &manifest.Document{Version: 1, Source: "x", Images: []manifest.Image{{ID: "python", Image: vendors}}}
	for _, ids := range [][]string{nil, {"python"}} {
		if _, err := s.Run(t.Context(), d, ids); err == nil || !strings.Contains(err.Error(), "may not take the place of") {
			t.Errorf("got %v", err)
		}
	}
	if b.prod().Images[0].Digest == "" {
		t.Error("it was replaced")
	}
}
