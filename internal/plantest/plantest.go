// Package plantest makes plans for tests, and carries out builds and tests as
// far as a registry can tell: small images, content tags and receipts, without
// an engine.
package plantest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Image is one image of a plan.
type Image struct {
	ID        string
	Label     string // the ID where none is given
	Content   string // makes the key; another content is another key
	Priority  int
	Parents   []string         // ids; they must come earlier
	Platforms []model.Platform // amd64 and arm64 where none are given
}

// Version is the component version of every image.
const Version = "1"

// Plan is a plan of the given images in which everything is to be done, for a
// commit made of 40 times the digit commit.
func Plan(prefix string, commit byte, images ...Image) *model.Plan {
	p := &model.Plan{
		Version: model.PlanVersion, Scope: model.ScopeTesting, Prefix: prefix, Date: "2026.11.21", Registry: "known",
		To: model.Revision{Ref: "HEAD", Commit: strings.Repeat(string(commit), 40), Tree: strings.Repeat("d", 40)},
	}
	waves := map[string]int{}
	for _, i := range images {
		if len(i.Platforms) == 0 {
			i.Platforms = []model.Platform{model.LinuxAMD64, model.LinuxARM64}
		}
		for _, parent := range i.Parents {
			waves[i.ID] = max(waves[i.ID], waves[parent]+1)
		}
		p.Indexes = append(p.Indexes, index(i))
		for _, platform := range i.Platforms {
			p.Entries = append(p.Entries, entry(i, platform, waves[i.ID]))
		}
	}
	for n := range p.Entries {
		e := &p.Entries[n]
		for at := range e.Parents {
			parent := &e.Parents[at]
			for _, o := range p.Entries {
				if o.Image == parent.Image && o.Platform == e.Platform {
					parent.Key = o.Key
				}
			}
		}
	}
	Refresh(p)
	slices.SortStableFunc(p.Entries, func(a, b model.Entry) int { return a.Wave - b.Wave })
	return p
}

func index(i Image) model.Index {
	label := i.Label
	if label == "" {
		label = i.ID
	}
	x := model.Index{
		Image: i.ID, Tag: Version, Repository: i.ID, Platforms: i.Platforms, Version: Version + "-2026.11.21", Action: model.StepRun,
		Meta: model.ImageMeta{Label: label, Description: "Made for a test", Priority: i.Priority, Tags: []string{}, ComponentVersion: Version},
	}
	for _, p := range i.Platforms {
		x.Meta.Arch = append(x.Meta.Arch, p.Arch)
	}
	return x
}

func entry(i Image, platform model.Platform, wave int) model.Entry {
	e := model.Entry{
		Image: i.ID, Dir: "images/" + i.ID, Tag: Version, Platform: platform, Action: model.ActionBuild, Repository: i.ID, Wave: wave,
		Steps:    map[string]string{model.StepBuild: model.StepRun, model.StepTest: model.StepRun},
		Key:      model.DigestOf([]byte(i.ID + platform.String() + i.Content)),
		TestsKey: model.DigestOf([]byte("tests of " + i.ID)),
		Recipe: &model.Recipe{
			Builder:    model.BuilderDockerfile,
			Dockerfile: &model.TreeEntry{Path: "images/" + i.ID + "/Dockerfile", Mode: model.ModeFile, OID: strings.Repeat("e", 40)},
		},
		Tests: []model.Test{{Name: "it runs", Cmd: "true"}}, Parents: []model.Parent{}, Reasons: []model.Reason{},
	}
	for _, parent := range i.Parents {
		e.Parents = append(e.Parents, model.Parent{Image: parent, Tag: Version, Repository: parent})
	}
	return e
}

// Refresh computes the identities of a plan's indexes, after its entries were
// changed.
func Refresh(p *model.Plan) {
	for n := range p.Indexes {
		x := &p.Indexes[n]
		var parts []model.IndexPart
		for _, e := range p.Entries {
			if e.Image == x.Image {
				parts = append(parts, model.IndexPart{Platform: e.Platform, Key: e.Key, Generation: e.Generation})
				x.Generation = e.Generation
			}
		}
		x.Identity = model.IndexIdentity(model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}.Node(), parts)
	}
}

// Picture is the image that building e makes: small, and the same each time.
func Picture(e *model.Entry) (v1.Image, error) {
	layer := static.NewLayer(fmt.Appendf(nil, "layer of %s, generation %d", e.Key, e.Generation), types.OCILayer)
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, &v1.ConfigFile{
		OS: e.Platform.OS, Architecture: e.Platform.Arch, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
}

// Build does what a build step leaves in the registry, and returns the
// manifest's digest.
func Build(t testing.TB, c *registry.Client, p *model.Plan, e *model.Entry) model.Digest {
	t.Helper()
	repo := p.Prefix + "/" + e.Repository
	img, err := Picture(e)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.PushImage(t.Context(), repo, img)
	if err != nil {
		t.Fatal(err)
	}
	if digest, err = c.TagOnce(t.Context(), repo, digest, model.ContentTag(e.Key, e.Generation)); err != nil {
		t.Fatal(err)
	}
	r := Receipt(e, model.StepBuild, model.BuildStepKey(e.Key, e.Generation), digest)
	put(t, c, repo, r)
	state(t, c, repo, r, digest.String())
	return digest
}

// Test does what a passed test step leaves in the registry.
func Test(t testing.TB, c *registry.Client, p *model.Plan, e *model.Entry, digest model.Digest) {
	t.Helper()
	repo, r := p.Prefix+"/"+e.Repository, Receipt(e, model.StepTest, model.TestStepKey(digest, e.TestsKey), digest)
	r.Run = TestJob
	put(t, c, repo, r)
	state(t, c, repo, r, model.ReceiptTag(r.Step, r.StepKey))
}

// ListReceipt is the tag of the receipt of a list that List has made.
func ListReceipt(digest model.Digest) string {
	return model.ReceiptTag(model.StepSBOM, model.SBOMStepKey(digest, "syft 1", "cyclonedx-json"))
}

// List does what the step that lists leaves about a digest in a repository: an
// empty list in CycloneDX, and its receipt. It returns the list's manifest.
func List(t testing.TB, c *registry.Client, repo string, digest model.Digest) model.Digest {
	t.Helper()
	body := []byte(`{"bomFormat":"CycloneDX","metadata":{"tools":{"components":[{"name":"syft","version":"1"}]}}}`)
	list, err := c.PutArtifact(t.Context(), repo, registry.Artifact{Subject: digest, Type: "application/vnd.cyclonedx+json", Body: body})
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, repo, model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(digest, "syft 1", "cyclonedx-json"), Status: model.ReceiptPassed,
		Digest: digest, Inputs: []model.Material{{Name: "artifact cyclonedx-json", Digest: list}},
	})
	return list
}

// Gate does what a gate that lets a digest pass leaves in the registry.
func Gate(t testing.TB, c *registry.Client, p *model.Plan, e *model.Entry, digest model.Digest) {
	t.Helper()
	put(t, c, p.Prefix+"/"+e.Repository, Receipt(e, model.StepGate, model.GateStepKey(digest, p.Policy), digest))
}

// All builds and tests every entry of a plan, but those of the images that are
// left out.
func All(t testing.TB, c *registry.Client, p *model.Plan, except ...string) {
	t.Helper()
	for n := range p.Entries {
		if e := &p.Entries[n]; !slices.Contains(except, e.Image) {
			Test(t, c, p, e, Build(t, c, p, e))
		}
	}
}

// Seconds is how long each step took.
const Seconds = 90

// TestJob is the address of the job that tested everything.
const TestJob = "https://forge.example/run/tests"

// Receipt is the receipt of a step that passed.
func Receipt(e *model.Entry, step string, key, digest model.Digest) model.Receipt {
	return model.Receipt{
		Version: model.ReceiptVersion, Step: step, StepKey: key, Status: model.ReceiptPassed,
		Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform.String(), Key: e.Key, Generation: e.Generation,
		Digest: digest, Seconds: Seconds, UpdatedAt: "2026-11-21T09:00:00Z",
	}
}

func put(t testing.TB, c *registry.Client, repo string, r model.Receipt) {
	t.Helper()
	if err := c.PutReceipt(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
}

// state writes what a step says to whoever plans next.
func state(t testing.TB, c *registry.Client, repo string, r model.Receipt, at string) {
	t.Helper()
	s := model.StateTag{Key: r.Key, Generation: r.Generation, Step: r.Step, Digest: r.Digest, StepKey: r.StepKey}
	if err := c.PutState(t.Context(), repo, s, at); err != nil {
		t.Fatal(err)
	}
}
