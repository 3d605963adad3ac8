package promote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(channeltest.RacerVariable); spec != "" {
		if err := race(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(victimTesting) != "" {
		if err := victim(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	enginetest.Main(m)
}

func client() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
}

// bench is a registry with a testing channel.
type bench struct {
	*testing.T
	server *registrytest.Server
	client *registry.Client
	store  channel.Store
	plan   *model.Plan
}

// newBench publishes some images and writes the testing channel.
func newBench(t *testing.T, images ...plantest.Image) *bench {
	t.Helper()
	b := &bench{T: t, server: registrytest.New(t), client: client(), store: &channel.File{Dir: t.TempDir()}}
	if len(images) > 0 {
		b.publish('1', images...)
	}
	return b
}

func (b *bench) publish(commit byte, images ...plantest.Image) {
	b.Helper()
	b.plan = plantest.Plan(b.server.Prefix("testing"), commit, images...)
	plantest.All(b, b.client, b.plan)
	b.mergeAndList()
}

func (b *bench) mergeAndList() {
	b.Helper()
	for n := range b.plan.Indexes {
		if _, err := (index.Step{Registry: b.client}).Run(b.Context(), b.plan, &b.plan.Indexes[n]); err != nil && !strings.HasPrefix(err.Error(), "skipped") {
			b.Fatal(err)
		}
	}
	if _, err := (manifest.Step{Registry: b.client, Store: b.store}).Run(b.Context(), b.plan); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) step() promote.Step {
	return promote.Step{
		Registry: b.client, Store: b.store, Testing: b.server.Prefix("testing"), Prod: b.server.Prefix("prod"),
		Policy: model.Policy{Mode: model.EnforceOff},
	}
}

func (b *bench) prod() *manifest.Document {
	b.Helper()
	doc, _, err := b.store.Read(b.Context(), channel.Prod)
	if err != nil || doc == nil {
		b.Fatalf("%s, %v", doc, err)
	}
	d, err := manifest.Decode(doc)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func TestPromotionCopiesByDigest(t *testing.T) {
	t.Parallel()
	b := newBench(t, plantest.Image{ID: "python", Priority: 1}, plantest.Image{ID: "hello"})
	r, err := b.step().Run(t.Context(), nil, nil)
	if err != nil || !r.Written || len(r.Promoted) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	d := b.prod()
	for _, i := range d.Images {
		repo := b.server.Prefix("prod/" + i.ID)
		if i.Image != repo+":1-2026.11.21" {
			t.Errorf("prod names %s", i.Image)
		}
		at, found, err := b.client.Resolve(t.Context(), repo, "1-2026.11.21")
		if err != nil || !found || at.Digest != model.Digest(i.Digest) {
			t.Errorf("%s is %v, %v", i.Image, at, err)
		}
		for platform, digest := range i.Platforms {
			if _, err := b.client.Config(t.Context(), repo, digest); err != nil {
				t.Errorf("%s %s: %v", i.ID, platform, err)
			}
		}
	}
	// The receipts came along: prod can be promoted from, or audited, alone.
	for n := range b.plan.Indexes {
		here := *b.plan
		here.Prefix = b.server.Prefix("prod")
		if _, merged, err := index.Merged(t.Context(), b.client, &here, &here.Indexes[n]); err != nil || !merged {
			t.Errorf("%s does not count as merged in prod: %v", here.Indexes[n].Image, err)
		}
	}
	b.server.Forget()
	again, err := b.step().Run(t.Context(), nil, nil)
	if err != nil || again.Written {
		t.Errorf("again: %+v, %v", again, err)
	}
	for _, r := range b.server.Requests() {
		if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "HEAD ") {
			t.Errorf("again it wrote: %s", r)
		}
	}
}

func TestWithoutAProdRegistryImagesStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, plantest.Image{ID: "python"})
	s := b.step()
	s.Prod = ""
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if i := b.prod().Images[0]; i.Image != b.server.Prefix("testing/python:1-2026.11.21") {
		t.Errorf("prod names %s", i.Image)
	}
}

func TestWhatIsNotProvenIsRefused(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		spoil func(b *bench, d *manifest.Document)
		want  string
	}{
		{"another digest", func(_ *bench, d *manifest.Document) { d.Images[0].Digest = manifest.Digest(model.DigestOf(nil)) }, "python: its version 1-2026.11.21 stands for"},
		{"no such version", func(_ *bench, d *manifest.Document) {
			d.Images[0].VersionTag, d.Images[0].Image = "9", strings.Replace(d.Images[0].Image, "1-2026.11.21", "9", 1)
		}, "python: its version 9 is not in the registry"},
		{"another registry", func(_ *bench, d *manifest.Document) { d.Images[0].Image = "evil.example/testing/python:1-2026.11.21" }, "is not one of ours"},
		{"another repository", func(_ *bench, d *manifest.Document) { d.Images[0].Repository = "hello" }, "is not one of ours"},
		{"other platforms", func(_ *bench, d *manifest.Document) { delete(d.Images[0].Platforms, "linux/arm64") }, "python: its platforms in the registry are [linux/amd64 linux/arm64]"},
		{"no test", func(b *bench, d *manifest.Document) {
			b.hide(model.ReceiptTag(model.StepTest, model.TestStepKey(d.Images[0].Platforms["linux/arm64"], b.plan.Entries[1].TestsKey)))
		}, "python: linux/arm64: there is no receipt of a passed test"},
		{"no build", func(b *bench, _ *manifest.Document) {
			b.hide(model.ReceiptTag(model.StepBuild, model.BuildStepKey(b.plan.Entries[0].Key, 0)))
		}, "python: linux/amd64: there is no receipt of a passed build"},
		{"no merge", func(b *bench, _ *manifest.Document) {
			b.hide(model.ReceiptTag(model.StepMerge, model.MergeStepKey(b.plan.Indexes[0].Identity)))
		}, "python: there is no receipt of its merge"},
		{"taken in prod", func(b *bench, _ *manifest.Document) {
			other := b.plan.Entries[0]
			p := *b.plan
			p.Prefix = b.server.Prefix("prod")
			if err := b.client.MoveTag(b.Context(), p.Prefix+"/python", plantest.Build(b, b.client, &p, &other), "1-2026.11.21"); err != nil {
				b.Fatal(err)
			}
		}, "python: prod has another image under 1-2026.11.21"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, plantest.Image{ID: "python", Priority: 1}, plantest.Image{ID: "hello"})
			doc, _, err := b.store.Read(t.Context(), channel.Testing)
			if err != nil {
				t.Fatal(err)
			}
			d, err := manifest.Decode(doc)
			if err != nil {
				t.Fatal(err)
			}
			tc.spoil(b, d)
			_, err = b.step().Run(t.Context(), d, nil)
			var refused *promote.Refused
			if !errors.As(err, &refused) || refused.ExitCode() != 5 || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "hello:") {
				t.Errorf("hello is fine: %v", err)
			}
			if doc, _, err := b.store.Read(t.Context(), channel.Prod); err != nil || doc != nil {
				t.Errorf("it wrote %s, %v", doc, err)
			}
			if tags, err := b.client.Tags(t.Context(), b.server.Prefix("prod/hello")); err != nil || len(tags) != 0 {
				t.Errorf("it copied %v, %v", tags, err)
			}
		})
	}
}

// hide makes a tag of the python repository vanish.
func (b *bench) hide(tag string) {
	b.server.Fail(registrytest.Fault{Path: "/testing/python/manifests/" + tag + "$", Status: http.StatusNotFound})
}

func TestSomeImagesAndRetiredOnes(t *testing.T) {
	t.Parallel()
	python, hello, gone := plantest.Image{ID: "python", Priority: 2}, plantest.Image{ID: "hello", Priority: 1}, plantest.Image{ID: "gone"}
	b := newBench(t, python, hello, gone)
	if _, err := b.step().Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	old := b.prod()
	python.Content, hello.Content = "new", "new"
	b.publish('2', python, hello)
	r, err := b.step().Run(t.Context(), nil, []string{"hello"})
	if err != nil || len(r.Promoted) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	d := b.prod()
	if len(d.Images) != 3 || d.Commit != old.Commit {
		t.Errorf("after a part: %+v", d)
	}
	if diff := cmp.Diff(old.Images[0], d.Images[0]); diff != "" {
		t.Error("python changed: " + diff)
	}
	if d.Images[1].Image != b.server.Prefix("prod/hello:1-2026.11.21.1") {
		t.Errorf("hello is %s", d.Images[1].Image)
	}
	if _, err := b.step().Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if d = b.prod(); len(d.Images) != 2 || d.Commit != b.plan.To.Commit {
		t.Errorf("after the whole: %+v", d)
	}
	if _, err := b.step().Run(t.Context(), nil, []string{"gone", "hello"}); err == nil || !strings.Contains(err.Error(), "gone: it is not in the testing channel") {
		t.Errorf("got %v", err)
	}
}
