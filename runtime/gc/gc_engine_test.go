package gc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var began = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// fleet is a testing registry, with the channels that name what is in it.
type fleet struct {
	*testing.T
	client *registry.Client
	store  channel.Store
	prefix string
	now    time.Time
	roots  func(*gc.Roots) // adds to what the channels name
}

var places atomic.Int64

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{
		T: t, client: registry.New(registry.Options{}), store: &channel.File{Dir: t.TempDir()}, now: began,
		prefix: fmt.Sprintf("%s/gc%d", enginetest.Services(t).Registry, places.Add(1)),
	}
}

func (f *fleet) plan(commit byte, images ...plantest.Image) *model.Plan {
	return plantest.Plan(f.prefix, commit, images...)
}

// publish builds, tests and merges a plan.
func (f *fleet) publish(p *model.Plan) {
	f.Helper()
	plantest.All(f, f.client, p)
	for n := range p.Indexes {
		_, err := index.Step{Registry: f.client, Now: func() time.Time { return f.now }}.Run(f.Context(), p, &p.Indexes[n])
		if err != nil {
			f.Fatal(err)
		}
	}
}

// announce writes the testing channel.
func (f *fleet) announce(p *model.Plan) {
	f.Helper()
	if _, err := (manifest.Step{Registry: f.client, Store: f.store, Now: func() time.Time { return f.now }}).Run(f.Context(), p); err != nil {
		f.Fatal(err)
	}
}

func (f *fleet) step(grace time.Duration) gc.Step {
	return gc.Step{
		Registry: f.client, Storage: gc.Tagged{Registry: f.client}, Grace: grace, Now: func() time.Time { return f.now },
		Roots: func(ctx context.Context) (gc.Roots, error) {
			digests, _, err := gc.Published(ctx, f.store, 0)
			r := gc.Roots{Digests: digests}
			if f.roots != nil {
				f.roots(&r)
			}
			return r, err
		},
	}
}

func (f *fleet) run(s gc.Step, r gc.Request) *gc.Report {
	f.Helper()
	if r.Repositories == nil {
		r.Repositories = []string{f.repo("base"), f.repo("python")}
	}
	out, err := s.Run(f.Context(), r)
	if err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *fleet) repo(name string) string { return f.prefix + "/" + name }

func (f *fleet) tags(repo string) []string {
	f.Helper()
	tags, err := f.client.Tags(f.Context(), f.repo(repo))
	if err != nil {
		f.Fatal(err)
	}
	return tags
}

// whole fails where an index that a tag stands for lacks a platform or a
// receipt.
func (f *fleet) whole(repo, tag string) {
	f.Helper()
	receipts := map[model.Digest][]string{}
	for _, t := range f.tags(repo) {
		if !strings.HasPrefix(t, "r-") {
			continue
		}
		r, _, err := f.client.Receipt(f.Context(), f.repo(repo), t)
		if err != nil {
			f.Fatal(err)
		}
		receipts[r.Digest] = append(receipts[r.Digest], r.Step)
	}
	for name, want := range map[string][]string{tag: {"merge"}, tag + "-linux-amd64": {"build", "test"}, tag + "-linux-arm64": {"build", "test"}} {
		_, d, err := f.client.Manifest(f.Context(), f.repo(repo), name)
		if err != nil {
			f.Errorf("%s: %v", name, err)
			continue
		}
		slices.Sort(receipts[d.Digest])
		if !slices.Equal(receipts[d.Digest], want) {
			f.Errorf("%s has receipts of %v, want %v", name, receipts[d.Digest], want)
		}
	}
}

func (f *fleet) attach(repo, ref string) model.Digest {
	f.Helper()
	d, found, err := f.client.Resolve(f.Context(), f.repo(repo), ref)
	if err != nil || !found {
		f.Fatal(found, err)
	}
	digest, err := f.client.PutArtifact(f.Context(), f.repo(repo), registry.Artifact{Subject: d.Digest, Type: "application/vnd.cyclonedx+json", Body: []byte(`{"of":"` + d.Digest + `"}`)})
	if err != nil {
		f.Fatal(err)
	}
	return digest
}

// builtOn writes the receipt of a build anew, with its parent's digest in it.
func (f *fleet) builtOn(p *model.Plan, e *model.Entry) {
	f.Helper()
	r, found, err := f.client.Receipt(f.Context(), f.repo(e.Repository), model.ReceiptTag(model.StepBuild, model.BuildStepKey(e.Key, 0)))
	if err != nil || !found {
		f.Fatal(found, err)
	}
	n := slices.IndexFunc(p.Entries, func(x model.Entry) bool { return x.Image == "base" && x.Platform == e.Platform })
	parent, _, err := f.client.Resolve(f.Context(), f.repo("base"), model.ContentTag(p.Entries[n].Key, 0))
	if err != nil {
		f.Fatal(err)
	}
	r.Inputs = []model.Material{{Name: "base:1", Digest: parent.Digest}}
	if err := f.client.PutReceipt(f.Context(), f.repo(e.Repository), r); err != nil {
		f.Fatal(err)
	}
}

func base(content string) plantest.Image { return plantest.Image{ID: "base", Content: content} }

// TestWhatCannotBeReachedGoes: of three versions the channel named two, today's
// plan builds a fourth, and somebody has a tag of his own.
func TestWhatCannotBeReachedGoes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	versions := map[string]*model.Plan{}
	for n, name := range []string{"first", "failed", "second", "today"} {
		p := f.plan(byte('1'+n), base(name))
		p.Date = fmt.Sprintf("2026.11.1%d", n)
		p.Indexes[0].Version = "1-" + p.Date
		f.publish(p)
		if name == "first" || name == "second" {
			f.announce(p)
		}
		f.now = f.now.Add(time.Hour)
		versions[name] = p
	}
	orphan := f.attach("base", versions["failed"].Indexes[0].Version)
	kept := f.attach("base", versions["first"].Indexes[0].Version)
	f.roots = func(r *gc.Roots) { r.Planned(versions["today"]) }
	f.now = f.now.Add(30 * 24 * time.Hour)
	s := f.step(24 * time.Hour)

	before := f.tags("base")
	dry := f.run(s, gc.Request{})
	if items, deleted := dry.Count(); items != 10 || deleted != 0 || dry.Deleted || !slices.Equal(before, f.tags("base")) {
		t.Errorf("a dry run found %d and deleted %d: %+v", items, deleted, dry)
	}
	done := f.run(s, gc.Request{Delete: true})
	if items, deleted := done.Count(); items != 10 || deleted != 10 {
		t.Errorf("found %d, deleted %d: %+v", items, deleted, done)
	}
	for _, name := range []string{"first", "second", "today"} {
		f.whole("base", versions[name].Indexes[0].Version)
	}
	failed := versions["failed"]
	for _, tag := range f.tags("base") {
		if strings.HasPrefix(tag, failed.Indexes[0].Version) || strings.HasPrefix(tag, model.ContentTag(failed.Entries[0].Key, 0)) || strings.HasPrefix(tag, model.StatePrefix(failed.Entries[0].Key)) {
			t.Errorf("%s is still there", tag)
		}
	}
	for digest, want := range map[model.Digest]bool{orphan: false, kept: true} {
		if _, found, err := f.client.Resolve(t.Context(), f.repo("base"), digest.String()); err != nil || found != want {
			t.Errorf("the artifact %s: %v, %v", digest, found, err)
		}
	}
	if items, _ := f.run(s, gc.Request{Delete: true}).Count(); items != 0 {
		t.Errorf("a second collection finds %d", items)
	}
}

// TestWhatIsYoungOrForeignStays.
func TestWhatIsYoungOrForeignStays(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.plan('1', base("a"))
	f.publish(p)
	f.now = f.now.Add(23 * time.Hour)
	if items, _ := f.run(f.step(48*time.Hour), gc.Request{}).Count(); items != 0 {
		t.Errorf("%d that are younger than the grace period", items)
	}
	f.now = f.now.Add(30 * 24 * time.Hour)
	s := f.step(24 * time.Hour)
	version := p.Indexes[0].Version
	all, _ := f.run(s, gc.Request{}).Count()
	if all == 0 {
		t.Fatal("nothing is to be deleted, so nothing is tested")
	}
	// Somebody's own tag on one platform keeps that platform, and no more.
	own, _, err := f.client.Resolve(t.Context(), f.repo("base"), version+"-linux-amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.TagOnce(t.Context(), f.repo("base"), own.Digest, "customer-7-linux-amd64"); err != nil {
		t.Fatal(err)
	}
	r := f.run(s, gc.Request{Delete: true})
	if _, deleted := r.Count(); deleted != all-3 || !slices.Equal(r.Repositories[0].Foreign, []string{"customer-7-linux-amd64"}) {
		t.Errorf("deleted %d of %d: %+v", deleted, all, r)
	}
	if d, found, err := f.client.Resolve(t.Context(), f.repo("base"), "customer-7-linux-amd64"); err != nil || !found || d.Digest != own.Digest {
		t.Errorf("somebody's tag: %v %v", found, err)
	}
}

// TestWhatIsNotUnderstoodStays: images that are not ours, and a repository with
// something in it that could refer to anything.
func TestWhatIsNotUnderstoodStays(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.publish(f.plan('1', base("a")))
	f.now = f.now.Add(365 * 24 * time.Hour)
	img, err := mutate.Config(mutate.MediaType(empty.Image, types.OCIManifestSchema1), v1.Config{User: "foreign"})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := f.client.PushImage(t.Context(), f.repo("foreign"), img)
	if err != nil {
		t.Fatal(err)
	}
	// It looks like a version of ours, and is not.
	for _, tag := range []string{"1-2026.11.21", "1-2026.11.21-linux-amd64"} {
		if _, err := f.client.TagOnce(t.Context(), f.repo("foreign"), digest, tag); err != nil {
			t.Fatal(err)
		}
	}
	s := f.step(0)
	if items, _ := f.run(s, gc.Request{Repositories: []string{f.repo("foreign")}, Delete: true}).Count(); items != 0 {
		t.Errorf("%d images of somebody else's", items)
	}
	other := f.plan('2', base("b"))
	other.Indexes[0].Version = "1-2026.11.22"
	f.publish(other)
	strange, _, err := f.client.Resolve(t.Context(), f.repo("base"), "1-2026.11.21")
	if err != nil {
		t.Fatal(err)
	}
	s.Registry = odd{f.client, strange.Digest}
	r := f.run(s, gc.Request{Delete: true})
	if items, _ := r.Count(); items != 0 || r.Repositories[0].Untouched == "" {
		t.Errorf("beside what is not understood: %+v", r)
	}
	// A channel that cannot be read names anything.
	s = f.step(0)
	s.Roots = func(context.Context) (gc.Roots, error) { return gc.Roots{}, errors.New("unreachable") }
	if _, err := s.Run(t.Context(), gc.Request{Repositories: []string{f.repo("base")}, Delete: true}); err == nil {
		t.Error("it was collected without knowing what counts")
	}
}

// odd is a registry in which one manifest has a type that nobody knows.
type odd struct {
	*registry.Client
	digest model.Digest
}

func (o odd) Manifest(ctx context.Context, repo, ref string) ([]byte, registry.Descriptor, error) {
	raw, d, err := o.Client.Manifest(ctx, repo, ref)
	if d.Digest == o.digest {
		return []byte(`{"schemaVersion":9,"parts":["of a kind that is to come"]}`), registry.Descriptor{Digest: d.Digest, MediaType: "application/vnd.example.index.v9+json"}, err
	}
	return raw, d, err
}

// TestParentsStay: what a kept image was built on counts too.
func TestParentsStay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.plan('1', base("a"), plantest.Image{ID: "python", Content: "p", Parents: []string{"base"}})
	f.publish(p)
	for n := range p.Entries {
		if e := &p.Entries[n]; e.Image == "python" {
			f.builtOn(p, e)
		}
	}
	only := *p
	only.Indexes = slices.DeleteFunc(slices.Clone(p.Indexes), func(i model.Index) bool { return i.Image == "base" })
	f.announce(&only)
	f.now = f.now.Add(30 * 24 * time.Hour)
	r := f.run(f.step(time.Hour), gc.Request{Delete: true})
	for _, repo := range r.Repositories {
		for _, i := range repo.Items {
			if i.Kind == gc.KindImage {
				t.Errorf("a platform of %s was deleted: %v", repo.Repository, i.Tags)
			}
		}
	}
	f.whole("python", "1-2026.11.21")
	if _, deleted := r.Count(); deleted == 0 {
		t.Error("the index of base, which nobody names, is still there")
	}
}

// TestCrash: whatever moment a collection is cut off at, the next one ends it,
// and no index is ever left without its platforms.
func TestCrash(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p, q := f.plan('1', base("old")), f.plan('2', base("new"))
	q.Indexes[0].Version = "1-2026.11.22"
	f.publish(p)
	f.attach("base", p.Indexes[0].Version+"-linux-arm64")
	f.publish(q)
	f.announce(q)
	f.now = f.now.Add(30 * 24 * time.Hour)
	crash := errors.New("the machine is gone")
	total := 0
	for n := range 40 {
		s := f.step(24 * time.Hour)
		s.Storage = &dying{Tagged: gc.Tagged{Registry: f.client}, left: 1, err: crash}
		r, err := s.Run(t.Context(), gc.Request{Repositories: []string{f.repo("base")}, Delete: true})
		_, deleted := r.Count()
		total += deleted
		f.whole("base", q.Indexes[0].Version)
		if _, found, _ := f.client.Resolve(t.Context(), f.repo("base"), p.Indexes[0].Version); found {
			f.whole("base", p.Indexes[0].Version)
		}
		if err == nil {
			if n < 5 || total != 10 {
				t.Errorf("after %d crashes %d were deleted", n, total)
			}
			for _, tag := range f.tags("base") {
				if strings.HasPrefix(tag, "k-"+p.Entries[0].Key.Hex()) {
					t.Errorf("%s is still there", tag)
				}
			}
			return
		}
		if !errors.Is(err, crash) {
			t.Fatal(err)
		}
	}
	t.Error("it never ends")
}

// dying is a storage whose process ends after some deletions.
type dying struct {
	gc.Tagged
	left int
	err  error
}

func (d *dying) Delete(ctx context.Context, repo string, digest model.Digest) error {
	if d.left == 0 {
		return d.err
	}
	d.left--
	return d.Tagged.Delete(ctx, repo, digest)
}

// TestConcurrentPush: between looking and deleting, somebody publishes an index
// of the very platforms that were about to go, and a promotion names another.
func TestConcurrentPush(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p, q := f.plan('1', base("pushed again")), f.plan('2', base("announced"))
	q.Indexes[0].Version = "1-2026.11.22"
	f.publish(p)
	f.publish(q)
	f.now = f.now.Add(30 * 24 * time.Hour)
	again := f.plan('3', base("pushed again"))
	again.Date = "2026.12.21"
	again.Indexes[0].Version = "1-" + again.Date
	// Its index is another one: only its platforms are the same.
	again.Indexes[0].Identity = model.DigestOf([]byte("another identity"))
	s := f.step(24 * time.Hour)
	s.Storage = &meanwhile{Tagged: gc.Tagged{Registry: f.client}, do: func() {
		raw, d, err := f.client.Manifest(t.Context(), f.repo("base"), p.Indexes[0].Version)
		if err != nil {
			t.Fatal(err)
		}
		copied := []byte(strings.Replace(string(raw), `"1-2026.11.21"`, `"1-2026.12.21"`, 1))
		if _, err := f.client.PutManifest(t.Context(), f.repo("base"), copied, d.MediaType, "1-2026.12.21"); err != nil {
			t.Fatal(err)
		}
		f.announce(q)
	}}
	r := f.run(s, gc.Request{Delete: true})
	f.whole("base", q.Indexes[0].Version)
	for _, e := range p.Entries {
		if _, found, err := f.client.Resolve(t.Context(), f.repo("base"), model.ContentTag(e.Key, 0)); err != nil || !found {
			t.Errorf("a platform of what was pushed meanwhile is gone: %v", err)
		}
	}
	items, deleted := r.Count()
	if deleted == items || deleted == 0 {
		t.Errorf("deleted %d of %d: %+v", deleted, items, r)
	}
}

// TestPromotionMeanwhile: between looking and deleting, a channel names what was
// about to go.
func TestPromotionMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p := f.plan('1', base("a"))
	f.publish(p)
	f.now = f.now.Add(30 * 24 * time.Hour)
	s := f.step(24 * time.Hour)
	s.Storage = &meanwhile{Tagged: gc.Tagged{Registry: f.client}, do: func() { f.announce(p) }}
	if items, deleted := f.run(s, gc.Request{Delete: true}).Count(); items == 0 || deleted != 0 {
		t.Errorf("deleted %d of %d", deleted, items)
	}
	f.whole("base", p.Indexes[0].Version)
}

// meanwhile does something after the first look.
type meanwhile struct {
	gc.Tagged
	do func()
}

func (m *meanwhile) List(ctx context.Context, repo string) ([]gc.Stored, error) {
	out, err := m.Tagged.List(ctx, repo)
	if strings.HasSuffix(repo, "/python") && m.do != nil { // the last one
		m.do()
		m.do = nil
	}
	return out, err
}
