package withdraw_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/withdraw"
)

// bench is a fleet of a base, an image on it, one on that, and one beside them,
// merged and in the testing channel.
type bench struct {
	*testing.T
	server *registrytest.Server
	client *registry.Client
	store  *channel.File
	plan   *model.Plan
	made   map[model.TargetID]model.Digest
}

func newBench(t *testing.T) *bench {
	t.Helper()
	c := registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
	b := &bench{T: t, server: registrytest.New(t), client: c, store: &channel.File{Dir: t.TempDir()}, made: map[model.TargetID]model.Digest{}}
	b.plan = plantest.Plan(b.server.Prefix("testing"), '1', plantest.Image{ID: "base"}, plantest.Image{ID: "python", Parents: []string{"base"}},
		plantest.Image{ID: "app", Parents: []string{"python"}}, plantest.Image{ID: "aside"})
	plantest.All(t, c, b.plan)
	for n := range b.plan.Entries {
		b.made[b.plan.Entries[n].ID()] = plantest.Build(t, c, b.plan, &b.plan.Entries[n])
	}
	for n := range b.plan.Entries {
		e := &b.plan.Entries[n]
		r := plantest.Receipt(e, model.StepBuild, model.BuildStepKey(e.Key, 0), b.made[e.ID()])
		for _, p := range e.Parents {
			id := model.TargetID{Image: p.Image, Tag: p.Tag, Platform: e.Platform}
			r.Inputs = append(r.Inputs, model.Material{Name: id.Node(), Digest: b.made[id]})
		}
		if err := c.PutReceipt(t.Context(), b.plan.Prefix+"/"+e.Repository, r); err != nil {
			t.Fatal(err)
		}
	}
	b.merge()
	if _, err := (manifest.Step{Registry: c, Store: b.store}).Run(t.Context(), b.plan); err != nil {
		t.Fatal(err)
	}
	return b
}

// merge merges what can be, and says of the rest why not.
func (b *bench) merge() map[string]string {
	b.Helper()
	why := map[string]string{}
	for n := range b.plan.Indexes {
		_, err := index.Step{Registry: b.client}.Run(b.Context(), b.plan, &b.plan.Indexes[n])
		if err != nil && !strings.HasPrefix(err.Error(), "skipped") {
			why[b.plan.Indexes[n].Image] = err.Error()
		}
	}
	return why
}

func (b *bench) step() withdraw.Step {
	s := withdraw.Step{Store: b.store, Reason: "a key leaked", Actor: "ann"}
	for _, repo := range []string{"base", "python", "app", "aside"} {
		s.Places = append(s.Places, withdraw.Place{Registry: b.client, Repo: b.plan.Prefix + "/" + repo})
	}
	return s
}

func (b *bench) digest(image string, p model.Platform) model.Digest {
	return b.made[model.TargetID{Image: image, Tag: plantest.Version, Platform: p}]
}

func TestDescendantsAreFoundAcrossImagesAndPlatforms(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f, err := b.step().Find(t.Context(), b.digest("base", model.LinuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range f.Items() {
		got = append(got, strings.TrimSpace(i.Image+" "+i.Platform))
	}
	want := map[string]int{"base:1 linux/amd64": 1, "base:1": 1, "python:1 linux/amd64": 1, "python:1": 1, "app:1 linux/amd64": 1, "app:1": 1}
	have := map[string]int{}
	for _, g := range got {
		have[g]++
	}
	if diff := cmp.Diff(want, have); diff != "" || got[0] != "base:1 linux/amd64" {
		t.Errorf("%v: %s", got, diff)
	}
	// Of an index that is named, both platforms, and what is built on each.
	at, _, err := b.client.Resolve(t.Context(), b.plan.Prefix+"/base", "1-2026.11.21")
	if err != nil {
		t.Fatal(err)
	}
	if f, err = b.step().Find(t.Context(), at.Digest); err != nil || len(f.Items()) != 9 {
		t.Errorf("%d items, %v", len(f.Items()), err)
	}
}

func TestWhatWasWithdrawnIsNotMergedOrListedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, err := b.step().Run(t.Context(), b.digest("python", model.LinuxARM64))
	if err != nil || len(r.Retired[channel.Testing]) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	state, err := b.client.State(t.Context(), model.RegistryQuery{Prefix: b.plan.Prefix, Keys: keys(b.plan)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.plan.Entries {
		gone := e.Platform == model.LinuxARM64 && (e.Image == "python" || e.Image == "app")
		if got := state.Repositories[e.Repository].Contents[e.Key].Withdrawn(); got != gone {
			t.Errorf("%s is withdrawn for whoever plans: %v", e.ID(), got)
		}
	}
	if why := b.merge(); len(why) != 2 || !strings.Contains(why["app"], "linux/arm64: ") || !strings.Contains(why["app"], "was withdrawn") {
		t.Errorf("%v", why)
	}
	m, err := manifest.Step{Registry: b.client, Store: b.store}.Run(t.Context(), b.plan)
	if err != nil || len(m.Document.Images) != 2 {
		t.Errorf("%+v, %v", m.Document, err)
	}
	// The same again is nothing new, and its first reason stays.
	again := b.step()
	again.Reason = "another"
	if r, err = again.Run(t.Context(), b.digest("python", model.LinuxARM64)); err != nil || len(r.Retired[channel.Testing]) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	list, err := b.client.Artifacts(t.Context(), b.plan.Prefix+"/app", b.digest("app", model.LinuxARM64), model.WithdrawalArtifactType)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	body, _, _, err := b.client.ReadArtifact(t.Context(), b.plan.Prefix+"/app", list[0].Digest, 1<<20)
	if err != nil || !strings.Contains(string(body), `"reason":"a key leaked"`) || !strings.Contains(string(body), b.digest("python", model.LinuxARM64).String()) {
		t.Errorf("%s, %v", body, err)
	}
}

func keys(p *model.Plan) map[string][]model.Digest {
	out := map[string][]model.Digest{}
	for _, e := range p.Entries {
		out[e.Repository] = append(out[e.Repository], e.Key)
	}
	return out
}

// TestAWithdrawalThatIsCutOffIsFinishedByTheNext cuts it at each write.
func TestAWithdrawalThatIsCutOffIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for after := 0; ; after += 3 {
		b.server.Fail(registrytest.Fault{Method: "PUT", Path: "/manifests/", After: after, Status: 500})
		_, err := b.step().Run(t.Context(), b.digest("base", model.LinuxAMD64))
		b.server.Heal()
		doc, _, readErr := b.store.Read(t.Context(), channel.Testing)
		if readErr != nil {
			t.Fatal(readErr)
		}
		whole := strings.Contains(string(doc), `"id": "base"`)
		if whole == (err == nil) {
			t.Fatalf("cut after %d writes: %v, and the channel has it: %v", after, err, whole)
		}
		if err == nil {
			return
		}
	}
}

func TestWhatIsNowhereIsNotWithdrawn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.step().Run(t.Context(), model.DigestOf(nil)); err == nil || !strings.Contains(err.Error(), "in none of the 4 repositories") {
		t.Errorf("got %v", err)
	}
	if _, err := b.step().Run(t.Context(), "sha256:x"); err == nil {
		t.Error("no digest was withdrawn")
	}
	s := b.step()
	s.Reason = " "
	if _, err := s.Run(t.Context(), b.digest("base", model.LinuxAMD64)); err == nil {
		t.Error("without a reason")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := b.step().Run(ctx, b.digest("base", model.LinuxAMD64)); err == nil {
		t.Error("it was cancelled")
	}
}
