package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap01LastTagIsNotLastSuccess: an image fails at v2. Whoever compares
// with the last tag alone sees no edit after v2 and never builds it again. The
// registry remembers what was really made, so the next plan builds it, and
// builds nothing that is there.
func TestTrap01LastTagIsNotLastSuccess(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n",
		"images/app/Dockerfile": "FROM base\nCOPY app /\n", "images/app/app": "1\n",
	})
	d.Git("tag", "v1")
	s := registrytest.New(t)
	client, prefix := registry.New(registry.Options{}), s.Prefix("testing")
	first := d.plan("--registry", prefix)
	first.builds("app", "base")
	plantest.All(t, client, &first.Plan)

	d.Commit(map[string]string{"images/app/app": "2\n", "images/base/motd": "2\n"})
	d.Git("tag", "v2")
	second := d.plan("--registry", prefix, "--from", "v1")
	second.builds("app", "base")
	plantest.All(t, client, &second.Plan, "app")

	d.Commit(map[string]string{"docs/news": "nothing that an image reads\n"})
	third := d.plan("--registry", prefix)
	third.from("v2")
	third.builds("app")
	third.because("app", model.Reason{Kind: model.ReasonRegistry})
	third.steps("base", model.ActionNone, model.StepDone, model.StepDone)

	plantest.All(t, client, &third.Plan, "base")
	d.plan("--registry", prefix).builds()
}
