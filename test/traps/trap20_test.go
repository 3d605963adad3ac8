package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap20ForceWithoutEdit: sometimes an image must be built anew though
// nothing changed, and people edit a comment to get that. It can be asked for,
// by hand, by a tag that ends in "a", or by a number in image.yaml; what the
// registry has under the same key does not stand in the way, and what is built
// from it follows.
func TestTrap20ForceWithoutEdit(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/base/Dockerfile": "FROM scratch\n", "images/app/Dockerfile": "FROM base\n", "images/lone/Dockerfile": "FROM scratch\nLABEL a=b\n",
	})
	d.Git("tag", "v1")
	s := registrytest.New(t)
	client, prefix := registry.New(registry.Options{}), s.Prefix("testing")
	plantest.All(t, client, &d.plan("--registry", prefix).Plan)
	d.plan("--registry", prefix).builds()

	p := d.plan("--registry", prefix, "--force", "base")
	p.builds("app", "base")
	p.because("base", model.Reason{Kind: model.ReasonForced, Name: "base"})
	p.because("app", parent("base:0"))
	for _, e := range append(p.of("base"), p.of("app")...) {
		if e.Generation != 1 {
			t.Errorf("%s is of generation %d: what the registry has would be taken", e.ID(), e.Generation)
		}
	}
	plantest.All(t, client, &p.Plan, "lone")
	d.plan("--registry", prefix).builds() // once is enough

	d.Git("tag", "v2a")
	p = d.plan("--registry", prefix)
	p.builds("app", "base", "lone")
	p.because("lone", model.Reason{Kind: model.ReasonRebuildAll, Name: "v2a"})
	d.Git("tag", "-d", "v2a")

	d.Commit(map[string]string{"images/base/image.yaml": "rebuild: 1\n"})
	p = d.plan("--registry", prefix)
	p.builds("app", "base")
	p.because("base", model.Reason{Kind: model.ReasonOption, Name: "rebuild", New: "1"})
}
