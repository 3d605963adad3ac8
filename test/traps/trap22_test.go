package traps

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap22OnePlatformFailed: arm64 was built and amd64 failed. An image that
// counts as done when any platform is lacks one for ever; one that counts as
// failed is built twice. Each platform has its own key, and the version appears
// when all of them are there and tested.
func TestTrap22OnePlatformFailed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY app /\n", "images/app/app": "1\n"})
	d.Git("tag", "v1")
	s := registrytest.New(t)
	client, prefix := registry.New(registry.Options{}), s.Prefix("testing")
	p := d.plan("--registry", prefix)
	of := func(p *verdicts, platform model.Platform) *model.Entry {
		entries := p.of("app")
		return entries[slices.IndexFunc(entries, func(e *model.Entry) bool { return e.Platform == platform })]
	}
	arm, amd := of(p, model.LinuxARM64), of(p, model.LinuxAMD64)
	if arm.Key == amd.Key {
		t.Fatal("both platforms have one key")
	}
	plantest.Test(t, client, &p.Plan, arm, plantest.Build(t, client, &p.Plan, arm))

	merge := func(p *verdicts) error {
		_, err := index.Step{Registry: client}.Run(t.Context(), &p.Plan, &p.Indexes[0])
		return err
	}
	versions := func() []string {
		tags, err := client.Tags(t.Context(), prefix+"/app")
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(tags, func(tag string) bool { return !strings.HasPrefix(tag, "0-") })
	}
	if _, refused := errors.AsType[*index.Incomplete](merge(p)); !refused || len(versions()) > 0 {
		t.Errorf("half an image was published: %q", versions())
	}

	p = d.plan("--registry", prefix)
	arm, amd = of(p, model.LinuxARM64), of(p, model.LinuxAMD64)
	if arm.Action != model.ActionNone || arm.Steps[model.StepBuild] != model.StepDone || amd.Action != model.ActionBuild {
		t.Errorf("arm64: %s, amd64: %s", arm.Action, amd.Action)
	}
	digest := plantest.Build(t, client, &p.Plan, amd)
	if _, refused := errors.AsType[*index.Incomplete](merge(p)); !refused || len(versions()) > 0 {
		t.Errorf("an image was published of which one platform was not tested: %q", versions())
	}
	plantest.Test(t, client, &p.Plan, amd, digest)
	if err := merge(p); err != nil || len(versions()) == 0 {
		t.Errorf("the whole image was not published: %v", err)
	}
}
