package promote_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/withdraw"
)

// past is a bench whose clock goes on an hour with each promotion.
type past struct {
	*bench
	clock time.Time
}

func newPast(t *testing.T) *past {
	t.Helper()
	p := &past{bench: newBench(t), clock: time.Date(2026, 11, 20, 22, 30, 0, 0, time.UTC)}
	p.store = &channel.File{Dir: t.TempDir(), Now: p.now}
	return p
}

func (p *past) now() time.Time { return p.clock }

func (p *past) step() promote.Step {
	s := p.bench.step()
	s.Now = p.now
	return s
}

// release builds, on the receipts' word, each image on its parents, and
// promotes all.
func (p *past) release(images ...plantest.Image) *manifest.Document {
	p.Helper()
	p.clock = p.clock.Add(time.Hour)
	p.publish('1', images...)
	p.onParents()
	r, err := p.step().Run(p.Context(), nil, nil)
	if err != nil {
		p.Fatal(err)
	}
	return r.Document
}

// onParents makes the receipts of builds name what they were built on.
func (b *bench) onParents() {
	b.Helper()
	made := map[model.TargetID]model.Digest{}
	for n := range b.plan.Entries {
		made[b.plan.Entries[n].ID()] = plantest.Build(b, b.client, b.plan, &b.plan.Entries[n])
	}
	for n := range b.plan.Entries {
		e := &b.plan.Entries[n]
		r := plantest.Receipt(e, model.StepBuild, model.BuildStepKey(e.Key, e.Generation), made[e.ID()])
		for _, parent := range e.Parents {
			for m := range b.plan.Entries {
				if o := &b.plan.Entries[m]; o.Image == parent.Image && o.Platform == e.Platform {
					r.Inputs = append(r.Inputs, model.Material{Name: parent.Image + ":" + parent.Tag, Digest: made[o.ID()]})
				}
			}
		}
		if err := b.client.PutReceipt(b.Context(), b.plan.Prefix+"/"+e.Repository, r); err != nil {
			b.Fatal(err)
		}
	}
}

// fleet is a base, an image on it, one on that, and one beside them. Their
// content makes their digests.
func fleetOf(content string) []plantest.Image {
	return []plantest.Image{
		{ID: "base", Content: content}, {ID: "python", Content: content, Parents: []string{"base"}},
		{ID: "app", Content: content, Parents: []string{"python"}}, {ID: "aside", Content: content},
	}
}

func digestsOf(d *manifest.Document) map[string]manifest.Digest {
	out := map[string]manifest.Digest{}
	for _, i := range d.Images {
		out[i.ID] = i.Digest
	}
	return out
}

func (p *past) floats(repo, alias string, want manifest.Digest) {
	p.Helper()
	at, _, err := p.client.Resolve(p.Context(), p.server.Prefix("prod/"+repo), alias)
	if err != nil || at.Digest != model.Digest(want) {
		p.Errorf("%s:%s is at %s, want %s (%v)", repo, alias, at.Digest.Short(), model.Digest(want).Short(), err)
	}
}

func TestRollbackIsThePreviousOneAgain(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := p.release(fleetOf("one")...)
	second := p.release(fleetOf("two")...)
	p.floats("python", "latest", digestsOf(second)["python"])
	s := p.step()
	s.Reason = "it is broken"
	r, restored, err := s.Rollback(t.Context(), promote.Choice{}, nil)
	if err != nil || !r.Written || len(restored) != 4 {
		t.Fatalf("%+v, %+v, %v", r, restored, err)
	}
	if diff := cmp.Diff(digestsOf(first), digestsOf(p.prod())); diff != "" {
		t.Error(diff)
	}
	if p.prod().Commit != second.Commit {
		t.Errorf("a run of an older commit could replace it: %s", p.prod().Commit)
	}
	p.floats("python", "latest", digestsOf(first)["python"])
	found := false
	for _, rec := range records[model.Promotion](p.bench, p.server.Prefix("prod/python"), model.Digest(digestsOf(first)["python"]), model.PromotionArtifactType) {
		found = found || rec.Reason == "rollback to version 1: it is broken"
	}
	if !found {
		t.Error("nothing tells of the rollback")
	}
	// Going back again is going back to the second.
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(digestsOf(second), digestsOf(p.prod())); diff != "" {
		t.Error(diff)
	}
	versions, err := p.store.Versions(t.Context(), channel.Prod)
	if err != nil || len(versions) != 4 {
		t.Errorf("%v, %v", versions, err)
	}
}

func TestRollbackTakesDependantsAlong(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := digestsOf(p.release(fleetOf("one")...))
	second := digestsOf(p.release(fleetOf("two")...))
	_, restored, err := p.step().Rollback(t.Context(), promote.Choice{}, []string{"python"})
	if err != nil || len(restored) != 2 || restored[1].ID != "app" || restored[1].Because != "python" {
		t.Fatalf("%+v, %v", restored, err)
	}
	want := map[string]manifest.Digest{"base": second["base"], "python": first["python"], "app": first["app"], "aside": second["aside"]}
	if diff := cmp.Diff(want, digestsOf(p.prod())); diff != "" {
		t.Error(diff)
	}
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{}, []string{"never"}); err == nil || !strings.Contains(err.Error(), "no other never before") {
		t.Errorf("got %v", err)
	}
}

func TestRollbackByDateAndVersion(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := digestsOf(p.release(fleetOf("one")...)) // at 23:30
	p.release(fleetOf("two")...)                     // at 0:30
	p.release(fleetOf("three")...)
	endOfDay := time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC)
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{At: endOfDay}, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, digestsOf(p.prod())); diff != "" {
		t.Error(diff)
	}
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{At: endOfDay.AddDate(0, 0, -1)}, nil); err == nil || !strings.Contains(err.Error(), "did not exist yet") {
		t.Errorf("got %v", err)
	}
	if r, _, err := p.step().Rollback(t.Context(), promote.Choice{Version: "1"}, nil); err != nil || r.Written {
		t.Errorf("it is that already: %+v, %v", r, err)
	}
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{Version: "77"}, nil); err == nil || !strings.Contains(err.Error(), `no version "77"`) {
		t.Errorf("got %v", err)
	}
}

// withdraw takes a digest back in both registries.
func (p *past) withdraw(digest model.Digest) withdraw.Result {
	p.Helper()
	s := withdraw.Step{Store: p.store, Now: p.now, Reason: "a key leaked", Actor: "ann"}
	for _, repo := range []string{"base", "python", "app", "aside"} {
		for _, scope := range []string{"testing/", "prod/"} {
			s.Places = append(s.Places, withdraw.Place{Registry: p.client, Repo: p.server.Prefix(scope + repo)})
		}
	}
	r, err := s.Run(p.Context(), digest)
	if err != nil {
		p.Fatal(err)
	}
	return r
}

func TestWhatWasWithdrawnNeverComesBack(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := p.release(fleetOf("one")...)
	second := p.release(fleetOf("two")...)
	base, _ := second.Find("base")
	r := p.withdraw(base.Platforms["linux/amd64"])
	for _, name := range []string{channel.Testing, channel.Prod} {
		if diff := cmp.Diff([]string{"app", "base", "python"}, sorted(r.Retired[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	left, err := p.step().Settle(t.Context(), r.Digests())
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	p.floats("python", "latest", digestsOf(first)["python"])
	p.floats("aside", "latest", digestsOf(second)["aside"])

	// A document from before does not bring it back, and neither does a rollback.
	var refused *promote.Refused
	if _, err := p.step().Run(t.Context(), p.asTesting(second), nil); !errors.As(err, &refused) || refused.ExitCode() != 5 || !strings.Contains(err.Error(), "was withdrawn: a key leaked") {
		t.Errorf("got %v", err)
	}
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{Version: "2"}, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "was withdrawn: a key leaked") {
		t.Errorf("got %v", err)
	}
	// What was before it is still good.
	if _, _, err := p.step().Rollback(t.Context(), promote.Choice{Version: "1"}, nil); err != nil {
		t.Error(err)
	}
	// The manifest does not list it again, though its receipts are there.
	if _, err := (manifest.Step{Registry: p.client, Store: p.store, Now: p.now}).Run(t.Context(), p.plan); err != nil {
		t.Fatal(err)
	}
	if got := digestsOf(p.testing()); len(got) != 1 || got["aside"] == "" {
		t.Errorf("testing has %v", got)
	}
}

// asTesting is what testing held when prod held d.
func (p *past) asTesting(d *manifest.Document) *manifest.Document {
	out := *d
	out.Images = nil
	for _, i := range d.Images {
		i.Image = p.server.Prefix("testing/" + i.Repository + ":" + i.VersionTag)
		out.Images = append(out.Images, i)
	}
	return &out
}

func TestAFloatingTagThatNothingHoldsIsNamed(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	d := p.release(fleetOf("one")...)
	base, _ := d.Find("base")
	r := p.withdraw(model.Digest(base.Digest))
	left, err := p.step().Settle(t.Context(), r.Digests())
	if err != nil || len(left) != 6 || left[0] != p.server.Prefix("prod/app:1") {
		t.Errorf("%v, %v", left, err)
	}
}
