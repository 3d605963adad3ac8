package promote_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/withdraw"
)

// takenBack withdraws a digest in both registries.
func (b *bench) takenBack(digest model.Digest, images ...string) {
	b.Helper()
	s := withdraw.Step{Store: b.store, Reason: "a key leaked"}
	for _, repo := range images {
		for _, scope := range []string{"testing/", "prod/"} {
			s.Places = append(s.Places, withdraw.Place{Registry: b.client, Repo: b.server.Prefix(scope + repo)})
		}
	}
	if _, err := s.Run(b.Context(), digest); err != nil {
		b.Fatal(err)
	}
}

// between is a store that calls before ahead of the n-th write, counted from
// 1, of prod's document.
type between struct {
	channel.Store
	n      int
	before func()
}

func (s *between) Write(ctx context.Context, name string, doc []byte, old string) error {
	if name == channel.Prod {
		if s.n--; s.n == 0 {
			s.before()
		}
	}
	return s.Store.Write(ctx, name, doc, old)
}

// refusedAsWithdrawn demands a refusal that tells of the withdrawal, and that
// prod has nothing of an image by now: no entry, no floating tag, no way back.
func (b *bench) refusedAsWithdrawn(s promote.Step, err error, id string) {
	b.Helper()
	refused, is := errors.AsType[*promote.Refused](err)
	if !is || refused.ExitCode() != 5 || !strings.Contains(err.Error(), "was withdrawn: a key leaked") {
		b.Fatalf("got %v", err)
	}
	if doc, _, err := b.store.Read(b.Context(), channel.Prod); err != nil {
		b.Fatal(err)
	} else if doc != nil {
		if e, there := b.prod().Find(id); there {
			b.Errorf("prod has %+v", e)
		}
	}
	versions, err := b.store.Versions(b.Context(), channel.Prod)
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range versions {
		if r, restored, err := s.Rollback(b.Context(), promote.Choice{Version: v.ID}, nil); err == nil {
			if e, there := r.Document.Find(id); there {
				b.Errorf("a rollback to %s brought back %+v, %+v", v.ID, e, restored)
			}
		}
	}
}

// TestAWithdrawalDuringAPromotionStands withdraws while the images are scanned,
// between two attempts of the store's write, and after the last question before
// the write.
func TestAWithdrawalDuringAPromotionStands(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]func(b *bench, s *promote.Step, withdraw func()){
		"while the scanner looks": func(_ *bench, s *promote.Step, withdraw func()) {
			s.Scanner = func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
				withdraw()
				return found("")(ctx, targets)
			}
		},
		"between two attempts to write": func(b *bench, s *promote.Step, withdraw func()) {
			s.Store = &between{Store: b.store, n: 1, before: func() {
				if _, err := b.step().Run(b.Context(), nil, []string{"hello"}); err != nil {
					b.Fatal(err)
				}
				withdraw()
			}}
		},
		"after the last question": func(b *bench, s *promote.Step, withdraw func()) {
			s.Store = &between{Store: b.store, n: 1, before: withdraw}
		},
	} {
		for _, platform := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b, s := judging(t, plantest.Image{ID: "python"}, plantest.Image{ID: "hello"})
				python, _ := b.testing().Find("python")
				digest := model.Digest(python.Digest)
				if platform {
					digest = python.Platforms["linux/arm64"]
				}
				when(b, &s, func() { b.takenBack(digest, "python", "hello") })
				_, err := s.Run(t.Context(), nil, []string{"python"})
				s.Store = b.store
				b.refusedAsWithdrawn(s, err, "python")
				if at, found, err := b.client.Resolve(t.Context(), b.server.Prefix("prod/python"), "latest"); err != nil || found && name != "after the last question" {
					t.Errorf("latest is %v, %v", at, err)
				}
			})
		}
	}
}

// TestAWithdrawalDuringARollbackStands withdraws what is to come back just
// before the document is replaced.
func TestAWithdrawalDuringARollbackStands(t *testing.T) {
	t.Parallel()
	for name, attempts := range map[string]bool{"between two attempts": true, "after the last question": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPast(t)
			first := p.release(fleetOf("one")...)
			second := p.release(fleetOf("two")...)
			python, _ := first.Find("python")
			s := p.step()
			s.Store = &between{Store: p.store, n: 1, before: func() {
				if attempts {
					if _, _, err := p.step().Rollback(t.Context(), promote.Choice{}, []string{"aside"}); err != nil {
						t.Fatal(err)
					}
				}
				p.takenBack(model.Digest(python.Digest), "python", "app")
			}}
			_, _, err := s.Rollback(t.Context(), promote.Choice{Version: "1"}, []string{"python"})
			if refused, is := errors.AsType[*promote.Refused](err); !is || refused.Of == promote.Promoting || !strings.Contains(err.Error(), "python: "+model.Digest(python.Digest).Short()+" was withdrawn") {
				t.Fatalf("got %v", err)
			}
			if e, _ := p.prod().Find("python"); e.Digest == python.Digest {
				t.Error("it came back")
			}
			p.floats("base", "latest", digestsOf(second)["base"])
			at, _, err := p.client.Resolve(t.Context(), p.server.Prefix("prod/python"), "latest")
			if err != nil || at.Digest == model.Digest(python.Digest) {
				t.Errorf("latest is at what was withdrawn: %v", err)
			}
		})
	}
}

// TestWhatIsBuiltOnAWithdrawnImageIsRefused builds an image on a base after
// the base was withdrawn: the withdrawal has marked nothing of it.
func TestWhatIsBuiltOnAWithdrawnImageIsRefused(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "base"}, plantest.Image{ID: "app", Parents: []string{"base"}})
	s.Fleet = &model.Fleet{Images: []model.Image{{ID: "app", Tag: plantest.Version, ImageName: "app"}, {ID: "base", Tag: plantest.Version, ImageName: "base"}}}
	base, _ := b.testing().Find("base")
	b.takenBack(base.Platforms["linux/arm64"], "base")
	b.onParents()
	_, err := s.Run(t.Context(), nil, []string{"app"})
	if _, is := errors.AsType[*promote.Refused](err); !is || !strings.Contains(err.Error(), "app: "+base.Platforms["linux/arm64"].Short()+", which it is built on, was withdrawn: a key leaked") {
		t.Errorf("got %v", err)
	}
	b.nothing()
}

// TestTagsGoBackToNothingThatWasWithdrawnBefore withdraws the newest version
// after the one before it.
func TestTagsGoBackToNothingThatWasWithdrawnBefore(t *testing.T) {
	t.Parallel()
	p := newPast(t)
	first := digestsOf(p.release(fleetOf("one")...))
	second := digestsOf(p.release(fleetOf("two")...))
	third := digestsOf(p.release(fleetOf("three")...))
	for _, digest := range []manifest.Digest{second["aside"], third["aside"]} {
		p.takenBack(model.Digest(digest), "aside")
		if left, err := p.step().Settle(t.Context(), []model.Digest{model.Digest(digest)}); err != nil || len(left) != 0 {
			t.Errorf("%v, %v", left, err)
		}
	}
	p.floats("aside", "latest", first["aside"])
}
