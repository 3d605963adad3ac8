package traps

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/build"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// TestTrap26Diamond: two images are built from one base, and a third from both.
// It must be built once, after both; and none may be made of, or taken with, an
// older base than the others. Parents go by key in the plan, and by digest in
// the build: a tag would stand for whatever is there when a job happens to run.
func TestTrap26Diamond(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, prod: registry.example.com/prod}\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n",
		"images/left/Dockerfile": "FROM base\n", "images/right/Dockerfile": "FROM base\nLABEL side=right\n",
		"images/top/Dockerfile": "FROM left\nCOPY --from=right /motd /motd\n", "images/lone/Dockerfile": "FROM scratch\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/base/motd": "2\n"})
	p := d.plan()
	p.builds("base", "left", "right", "top")
	p.because("left", parent("base:0"))
	p.because("top", parent("left:0"), parent("right:0"))
	keys := map[model.TargetID]*model.Entry{}
	for i := range p.Entries {
		e := &p.Entries[i]
		if keys[e.ID()] != nil {
			t.Errorf("%s is planned twice", e.ID())
		}
		keys[e.ID()] = e
	}
	for _, e := range keys {
		for _, of := range e.Parents {
			parent := keys[model.TargetID{Image: of.Image, Tag: of.Tag, Variant: of.Variant, Platform: e.Platform}]
			if parent == nil || parent.Key != of.Key || parent.Wave >= e.Wave {
				t.Errorf("%s (wave %d) is built from %+v, the plan has %+v", e.ID(), e.Wave, of, parent)
			}
		}
	}

	d.ok("generate")
	needs := regexp.MustCompile(`(?m)^  build-top:\n(?:    .*\n)*?    needs: \[(.*)\]`).FindStringSubmatch(d.read(".github/workflows/rootfsgen-fleet.yml"))
	if needs == nil || needs[1] != "plan, build-left, build-right" {
		t.Errorf("the job of top needs %q", needs)
	}
	if rest := regexp.MustCompile(`(?s)build:left(?::amd64)?.*?\n\n`).FindString(d.read(".gitlab/rootfsgen/fleet.yml")); !strings.Contains(rest, "build:base") {
		t.Errorf("the job of left does not need that of base:\n%s", rest)
	}
	childOfAnOldParent(t, d)
}

// childOfAnOldParent shows that a build takes what is there under its key while
// it was made of today's parent, and not afterwards.
func childOfAnOldParent(t *testing.T, d *desk) {
	t.Helper()
	s := registrytest.New(t)
	client, prefix := registry.New(registry.Options{}), s.Prefix("testing")
	p := d.plan("--registry", prefix)
	base, left := p.of("base")[0], p.of("left")[0]
	was := plantest.Build(t, client, &p.Plan, base)
	img, err := plantest.Picture(left)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := client.PushImage(t.Context(), prefix+"/left", img)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.TagOnce(t.Context(), prefix+"/left", digest, model.ContentTag(left.Key, 0)); err != nil {
		t.Fatal(err)
	}
	receipt := plantest.Receipt(left, model.StepBuild, model.BuildStepKey(left.Key, 0), digest)
	receipt.Inputs = []model.Material{{Name: "base:0", Digest: was}}
	if err := client.PutReceipt(t.Context(), prefix+"/left", receipt); err != nil {
		t.Fatal(err)
	}

	asked := errors.New("something is to be built")
	objects, err := gitcontext.OpenRepository(t.Context(), d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	steps := build.Step{Registry: client, Objects: objects, Cache: t.TempDir(), BuildKit: func(context.Context) (*buildkit.Client, error) { return nil, asked }}
	if _, err := steps.Run(t.Context(), &p.Plan, left); err == nil {
		t.Error("what was there was built again")
	} else if _, skipped := step.Skipped(err); !skipped {
		t.Errorf("what was there was not taken: %v", err)
	}
	anew := *base
	anew.Generation = 1
	if now := plantest.Build(t, client, &p.Plan, &anew); now == was {
		t.Fatal("the new base has the digest of the old one")
	}
	if _, err := steps.Run(t.Context(), &p.Plan, left); !errors.Is(err, asked) {
		t.Errorf("a child of the old base was taken with the new one: %v", err)
	}
}
