package gc_test

import (
	"context"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// telling is a registry that lists what has no tag, and tells since when all is
// there, as Artifact Registry does.
type telling struct {
	gc.Tagged
	untagged []model.Digest
	uploaded time.Time
}

func (s *telling) List(ctx context.Context, repo string) ([]gc.Stored, error) {
	all, err := s.Tagged.List(ctx, repo)
	if err != nil {
		return nil, err
	}
	for _, d := range s.untagged {
		if _, found, err := s.Registry.Resolve(ctx, repo, d.String()); err != nil {
			return nil, err
		} else if found {
			all = append(all, gc.Stored{Digest: d})
		}
	}
	for n := range all {
		all[n].Uploaded = s.uploaded
	}
	return all, nil
}

// TestWhatHasNoTag: documents about what counts stay, those about what is gone
// go, and an image without a mark of ours is somebody else's.
func TestWhatHasNoTag(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	p, q := f.plan('1', base("gone")), f.plan('2', base("kept"))
	q.Indexes[0].Version = "1-2026.11.22"
	f.publish(p)
	f.publish(q)
	f.announce(q)
	img, err := mutate.Config(mutate.MediaType(empty.Image, types.OCIManifestSchema1), v1.Config{User: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := f.client.PushImage(t.Context(), f.repo("base"), img)
	if err != nil {
		t.Fatal(err)
	}
	kept, gone := f.attach("base", q.Indexes[0].Version+"-linux-amd64"), f.attach("base", p.Indexes[0].Version+"-linux-amd64")
	d, _, err := f.client.Resolve(t.Context(), f.repo("base"), kept.String())
	if err != nil {
		t.Fatal(err)
	}
	about, err := f.client.PutArtifact(t.Context(), f.repo("base"), registry.Artifact{Subject: d.Digest, Type: "application/vnd.dev.sigstore.bundle.v0.3+json", Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	f.now = f.now.Add(30 * 24 * time.Hour)
	storage := &telling{Tagged: gc.Tagged{Registry: f.client}, untagged: []model.Digest{foreign, kept, gone, about}, uploaded: f.now.Add(-time.Hour)}
	s := f.step(24 * time.Hour)
	s.Storage = storage
	if items, _ := f.run(s, gc.Request{Delete: true}).Count(); items != 0 {
		t.Errorf("%d of what was uploaded an hour ago", items)
	}
	storage.uploaded = f.now.Add(-25 * time.Hour)
	if items, deleted := f.run(s, gc.Request{Delete: true}).Count(); items == 0 || deleted != items {
		t.Errorf("deleted %d of %d", deleted, items)
	}
	f.whole("base", q.Indexes[0].Version)
	for digest, want := range map[model.Digest]bool{foreign: true, kept: true, about: true, gone: false} {
		if _, found, err := f.client.Resolve(t.Context(), f.repo("base"), digest.String()); err != nil || found != want {
			t.Errorf("%s: %v, %v", digest, found, err)
		}
	}
}
