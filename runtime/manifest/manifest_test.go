package manifest_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// bench is a registry and a store.
type bench struct {
	*testing.T
	server *registrytest.Server
	client *registry.Client
	store  channel.Store
	clock  time.Time
	order  manifest.Order
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return &bench{
		T: t, server: registrytest.New(t), client: registry.New(registry.Options{}), store: &channel.File{Dir: t.TempDir()},
		clock: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
	}
}

func (b *bench) plan(commit byte, images ...plantest.Image) *model.Plan {
	return plantest.Plan(b.server.Prefix("testing"), commit, images...)
}

func (b *bench) now() time.Time { return b.clock }

// merge builds, tests and merges everything but the given images.
func (b *bench) merge(p *model.Plan, except ...string) {
	b.Helper()
	plantest.All(b, b.client, p, except...)
	for n := range p.Indexes {
		i := &p.Indexes[n]
		if slices.Contains(except, i.Image) {
			continue
		}
		_, err := index.Step{Registry: b.client, Now: b.now}.Run(b.Context(), p, i)
		if err != nil && !strings.HasPrefix(err.Error(), "skipped") {
			b.Fatal(err)
		}
	}
}

func (b *bench) run(p *model.Plan) manifest.Result {
	b.Helper()
	r, err := manifest.Step{Registry: b.client, Store: b.store, Order: b.order, Now: b.now}.Run(b.Context(), p)
	if err != nil {
		b.Fatal(err)
	}
	b.clock = b.clock.Add(time.Hour)
	return r
}

func ids(d *manifest.Document) []string {
	var out []string
	for _, i := range d.Images {
		s := i.ID
		if i.StaleSince != "" {
			s += " since " + i.StaleSince
		}
		out = append(out, s)
	}
	return out
}

func TestTheKeysAreThoseThatAreRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "python", Label: "Python <3>", Priority: 5})
	b.merge(p)
	if !b.run(p).Written {
		t.Fatal("nothing was written")
	}
	raw, _, err := b.store.Read(t.Context(), channel.Testing)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Images []map[string]any `json:"images"`
		Rest   map[string]any   `json:"-"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &doc.Rest); err != nil {
		t.Fatal(err)
	}
	delete(doc.Rest, "images")
	if diff := cmp.Diff(map[string]any{"version": 1.0, "generated_at": "2026-11-21T10:00:00Z", "source": "rootfsgen", "commit": p.To.Commit}, doc.Rest); diff != "" {
		t.Error(diff)
	}
	i := doc.Images[0]
	d, _, err := b.client.Resolve(t.Context(), p.Prefix+"/python", "1-2026.11.21")
	if err != nil || i["digest"] != d.Digest.String() {
		t.Errorf("digest %v, the registry has %v (%v)", i["digest"], d.Digest, err)
	}
	if platforms, ok := i["platforms"].(map[string]any); !ok || len(platforms) != 2 {
		t.Errorf("platforms %v", i["platforms"])
	}
	delete(i, "digest")
	delete(i, "platforms")
	if diff := cmp.Diff(map[string]any{
		"id": "python", "label": "Python <3>", "image": p.Prefix + "/python:1-2026.11.21", "description": "Made for a test",
		"gpu": false, "priority": 5.0, "tags": []any{}, "prepull": false, "arch": []any{"amd64", "arm64"},
		"component_version": "1", "updated_at": "2026-11-21T10:00:00Z", "version": "1-2026.11.21", "repository": "python",
	}, i); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(raw), "Python <3>") {
		t.Error("the label is escaped for a browser that nobody has")
	}
}

func TestImagesAreSortedByPriorityThenLabel(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1',
		plantest.Image{ID: "a", Label: "zebra", Priority: 1}, plantest.Image{ID: "b", Label: "Apple", Priority: 1},
		plantest.Image{ID: "c", Label: "apple", Priority: 1}, plantest.Image{ID: "d", Label: "last", Priority: -3},
		plantest.Image{ID: "e", Label: "zz", Priority: 9}, plantest.Image{ID: "never", Label: "a", Priority: 100})
	b.merge(p, "never")
	if diff := cmp.Diff([]string{"e", "b", "c", "a", "d"}, ids(b.run(p).Document)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingNewIsNotWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "python"})
	b.merge(p)
	b.run(p)
	before, version, err := b.store.Read(t.Context(), channel.Testing)
	if err != nil {
		t.Fatal(err)
	}
	if r := b.run(p); r.Written || r.Document == nil || r.Note != "" {
		t.Errorf("%+v", r)
	}
	after, again, err := b.store.Read(t.Context(), channel.Testing)
	if err != nil || again != version {
		t.Errorf("%s became %s, %v", before, after, err)
	}
}

func TestAFailedImageIsStaleAndARetiredOneLeaves(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	python, hello, gone := plantest.Image{ID: "python", Priority: 2}, plantest.Image{ID: "hello", Priority: 1}, plantest.Image{ID: "gone"}
	first := b.plan('1', python, hello, gone)
	b.merge(first)
	before := b.run(first).Document

	python.Content, hello.Content = "edited", "edited"
	second := b.plan('2', python, hello)
	b.merge(second, "python")
	r := b.run(second)
	if diff := cmp.Diff([]string{"python since 2026-11-21T11:00:00Z", "hello"}, ids(r.Document)); diff != "" {
		t.Fatal(diff)
	}
	old, _ := before.Find("python")
	kept, _ := r.Document.Find("python")
	kept.StaleSince = ""
	if diff := cmp.Diff(old, kept); diff != "" {
		t.Error("the entry of the failed image is another: " + diff)
	}
	// The second day of failing does not move the date; passing ends it.
	if diff := cmp.Diff([]string{"python since 2026-11-21T11:00:00Z", "hello"}, ids(b.run(second).Document)); diff != "" {
		t.Error(diff)
	}
	b.merge(second)
	r = b.run(second)
	if diff := cmp.Diff([]string{"python", "hello"}, ids(r.Document)); diff != "" {
		t.Error(diff)
	}
	if now, _ := r.Document.Find("python"); now.Image != second.Prefix+"/python:1-2026.11.21.1" {
		t.Errorf("python is %s", now.Image)
	}
}

func TestWhatARequestLeavesOutStays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "python"}, plantest.Image{ID: "hello"})
	b.merge(p)
	b.run(p)
	part := b.plan('1', plantest.Image{ID: "hello", Content: "edited"})
	part.LeftOut = []string{"python:1"}
	b.merge(part)
	r := b.run(part)
	if diff := cmp.Diff([]string{"hello", "python"}, ids(r.Document)); diff != "" || !r.Written {
		t.Error(diff, r.Written)
	}
}

func TestAFixedReferenceStandsInUntilThereIsAnOwnOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "vendor"})
	p.Indexes[0].Meta.Image = "registry.example.com/vendor:1"
	r := b.run(p)
	raw, err := r.Document.Encode()
	if err != nil || !strings.Contains(string(raw), `"digest": null`) || !strings.Contains(string(raw), `"image": "registry.example.com/vendor:1"`) {
		t.Errorf("%s, %v", raw, err)
	}
	b.merge(p)
	if i, _ := b.run(p).Document.Find("vendor"); i.Digest == "" || i.StaleSince != "" {
		t.Errorf("%+v", i)
	}
}

func TestASlowOldRunDoesNotOverwriteANewerOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	repo := gittest.New(t)
	old, newer := repo.Commit(map[string]string{"a": "1"}), repo.Commit(map[string]string{"a": "2"})
	repo.Git("checkout", "-q", "-b", "other", old)
	diverged := repo.Commit(map[string]string{"a": "3"})
	b.order = manifest.GitOrder(repo.Dir)
	run := func(commit, content string) (manifest.Result, error) {
		p := b.plan('1', plantest.Image{ID: "python", Content: content})
		p.To.Commit = commit
		b.merge(p)
		return manifest.Step{Registry: b.client, Store: b.store, Order: b.order, Now: b.now}.Run(t.Context(), p)
	}
	if r, err := run(newer, "new"); err != nil || !r.Written {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err := run(old, "old")
	if err != nil || r.Written || !strings.Contains(r.Note, "newer commit") || r.Document.Commit != newer {
		t.Errorf("an older run: %+v, %v", r, err)
	}
	if _, err := run(diverged, "other"); err == nil || !strings.Contains(err.Error(), "does not descend") {
		t.Errorf("a diverged run: %v", err)
	}
	if _, err := run(strings.Repeat("9", 40), "unknown"); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("an unknown commit: %v", err)
	}
	repo.Git("checkout", "-q", "main")
	if r, err := run(repo.Commit(map[string]string{"README": "x"}), "new"); err != nil || !r.Written {
		t.Errorf("a later commit with the same images must be remembered: %+v, %v", r, err)
	}
}

func TestOnlyTestingHasThisDocument(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "python"})
	p.Scope = model.ScopePR
	if _, err := (manifest.Step{Registry: b.client, Store: b.store}).Run(t.Context(), p); err == nil {
		t.Error("a request wrote the testing channel")
	}
}

// racing is a store in which another run is always faster the first time.
type racing struct {
	channel.Store
	first func()
}

func (r *racing) Write(ctx context.Context, name string, doc []byte, old string) error {
	if f := r.first; f != nil {
		r.first = nil
		f()
	}
	return r.Store.Write(ctx, name, doc, old)
}

func TestAConflictIsReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.plan('1', plantest.Image{ID: "python"})
	b.merge(p)
	inner := b.store
	b.store = &racing{Store: inner, first: func() {
		other := &manifest.Document{Version: 1, Source: "other", Images: []manifest.Image{{ID: "hello"}}}
		doc, err := other.Encode()
		if err != nil {
			t.Error(err)
		}
		if err := inner.Write(t.Context(), channel.Testing, doc, ""); err != nil {
			t.Error(err)
		}
	}}
	p.LeftOut = []string{"hello:1"}
	if diff := cmp.Diff([]string{"hello", "python"}, ids(b.run(p).Document)); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"images":[{"id":"a","digest":null,"platforms":{"linux/amd64":"x"}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := manifest.Decode(b)
		if err != nil {
			return
		}
		out, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Decode(out)
		if err != nil || !again.Same(d) {
			t.Errorf("%s came back as another document: %v", b, err)
		}
	})
}

func TestACommitIsNoOptionOfGit(t *testing.T) {
	t.Parallel()
	repo := gittest.New(t)
	commit := repo.Commit(map[string]string{"a": "1"})
	for _, planted := range []string{"--all", "-h", "HEAD", "main", "", commit[:12]} {
		if _, err := manifest.GitOrder(repo.Dir)(t.Context(), commit, planted); err == nil || !strings.Contains(err.Error(), "is not the id of a commit") {
			t.Errorf("%q in a document: %v", planted, err)
		}
	}
}
