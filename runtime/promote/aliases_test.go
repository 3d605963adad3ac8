package promote_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// of publishes an image of a component's version, and promotes it alone.
func (b *bench) promoteVersion(id, version string, content string) manifest.Digest {
	b.Helper()
	b.plan = plantest.Plan(b.server.Prefix("testing"), '1', plantest.Image{ID: id, Content: content})
	b.plan.Indexes[0].Repository, b.plan.Indexes[0].Version = "python", version+"-2026.11.21"
	b.plan.Indexes[0].Meta.Label = version
	for n := range b.plan.Entries {
		b.plan.Entries[n].Repository = "python"
	}
	plantest.All(b, b.client, b.plan)
	b.mergeAndList()
	r, err := b.step().Run(b.Context(), nil, []string{id})
	if err != nil {
		b.Fatal(err)
	}
	i, _ := r.Document.Find(id)
	return i.Digest
}

// TestLatestGoesToTheHighestVersion promotes versions of one image, some of
// them back-ports, and looks where each floating tag went.
func TestLatestGoesToTheHighestVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tags := map[string]manifest.Digest{}
	expect := func(when string, want map[string]manifest.Digest) {
		t.Helper()
		maps.Copy(tags, want)
		for tag, d := range tags {
			at, _, err := b.client.Resolve(t.Context(), b.server.Prefix("prod/python"), tag)
			if err != nil || at.Digest != model.Digest(d) {
				t.Errorf("%s: %s is at %s, want %s (%v)", when, tag, at.Digest.Short(), model.Digest(d).Short(), err)
			}
		}
	}
	d := b.promoteVersion("python", "3.13.1", "a")
	expect("first", map[string]manifest.Digest{"3.13.1": d, "3.13": d, "3": d, "latest": d})
	d = b.promoteVersion("python", "3.12.9", "b")
	expect("a back-port in the same folder", map[string]manifest.Digest{"3.12.9": d, "3.12": d})
	d = b.promoteVersion("python-lts", "3.9.20", "c")
	expect("a back-port in another", map[string]manifest.Digest{"3.9.20": d, "3.9": d})
	d = b.promoteVersion("python", "3.13.1", "d")
	expect("a rebuild", map[string]manifest.Digest{"3.13.1": d, "3.13": d, "3": d, "latest": d})
	d = b.promoteVersion("python-slim", "3.13.1-slim", "e")
	expect("a variant", map[string]manifest.Digest{"3.13.1-slim": d, "3.13-slim": d, "3-slim": d, "slim": d})
	d = b.promoteVersion("python-next", "3.14.0-rc.1", "f")
	expect("a candidate", map[string]manifest.Digest{"3.14.0-rc.1": d})
	d = b.promoteVersion("python", "3.14.0", "g")
	expect("a new minor version", map[string]manifest.Digest{"3.14.0": d, "3.14": d, "3": d, "latest": d})
}
