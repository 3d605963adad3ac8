package promote_test

import (
	"context"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// TestMergingARequestIsThePromotion offers the document on a branch; nothing of
// prod changes before it is merged, and all that the new document names is there
// when it is.
func TestMergingARequestIsThePromotion(t *testing.T) {
	t.Parallel()
	work, origin := channeltest.Clone(t)
	store := channeltest.Place{Spec: "git", Dir: work.Dir}.Open(t)
	branch, _ := store.(*channel.Git)
	b, s := judging(t, plantest.Image{ID: "python"})
	b.store, s.Store = store, store
	if _, err := (manifest.Step{Registry: b.client, Store: store}).Run(t.Context(), b.plan); err != nil {
		t.Fatal(err)
	}
	offered := 0
	s.Propose = func(ctx context.Context, doc []byte, old string) error {
		offered++
		_, err := branch.Propose(ctx, channel.Prod, doc, old, "rootfsgen/promote")
		return err
	}
	for range 2 {
		r, err := s.Run(t.Context(), nil, nil)
		if err != nil || !r.Written {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if doc, _, err := store.Read(t.Context(), channel.Prod); err != nil || doc != nil || offered != 2 {
		t.Fatalf("it was promoted: %s, %v; offered %d times", doc, err, offered)
	}
	if _, found, err := b.client.Resolve(t.Context(), b.server.Prefix("prod/python"), "latest"); err != nil || found {
		t.Errorf("a floating tag has moved: %v, %v", found, err)
	}

	at := gittest.At(t, origin)
	at.Git("update-ref", "refs/heads/rootfsgen/channels", at.Git("rev-parse", "rootfsgen/promote"))
	d := b.prod()
	b.whole(d, "merged")
	for range 2 {
		if _, err := s.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.settled(d.Images[0])
	p := records[model.Promotion](b, b.server.Prefix("prod/python"), model.Digest(d.Images[0].Digest), model.PromotionArtifactType)[0]
	if p.Actor != "ann" || len(p.Verdicts) != 2 || p.Verdicts[0].Outcome != model.VerdictPass || len(p.Tests) != 2 || p.Tests[0].Artifact == "" {
		t.Errorf("%+v", p)
	}
	if r, err := s.Run(t.Context(), nil, nil); err != nil || r.Written || offered != 2 {
		t.Errorf("there was something to offer: %+v, %v", r, err)
	}
}
