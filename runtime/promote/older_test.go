package promote_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// story is a bench whose plans are of commits of a real repository.
type story struct {
	*bench
	repo    *gittest.Repo
	commits []string
	sources []*manifest.Document // what testing held at each
}

// newStory publishes a fleet of two images at three commits.
func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{bench: newBench(t), repo: gittest.New(t)}
	for _, content := range []string{"one", "two", "three"} {
		commit := s.repo.Commit(map[string]string{"content": content})
		s.plan = plantest.Plan(s.server.Prefix("testing"), '1', plantest.Image{ID: "python", Content: content}, plantest.Image{ID: "hello", Content: content})
		s.plan.To.Commit = commit
		plantest.All(s, s.client, s.plan)
		s.mergeAndList()
		s.commits, s.sources = append(s.commits, commit), append(s.sources, s.testing())
	}
	return s
}

func (s *story) step() promote.Step {
	p := s.bench.step()
	p.Order = manifest.GitOrder(s.repo.Dir)
	return p
}

// promote promotes what testing held at a commit.
func (s *story) promote(commit int, images ...string) error {
	_, err := s.step().Run(s.Context(), s.sources[commit], images)
	return err
}

// holds demands the digests of python and hello as of some commits.
func (s *story) holds(python, hello int) {
	s.Helper()
	for id, at := range map[string]int{"python": python, "hello": hello} {
		want, _ := s.sources[at].Find(id)
		if got, _ := s.prod().Find(id); got.Digest != want.Digest {
			s.Errorf("prod's %s is %s, want that of commit %d", id, got.Image, at)
		}
	}
}

func (s *story) superseded(err error, holder int) {
	s.Helper()
	if newer, is := errors.AsType[*manifest.Superseded](err); !is || newer.Holder != s.commits[holder] {
		s.Errorf("got %v, want that commit %d is there", err, holder)
	}
}

// TestAnOlderPromotionDoesNotReplaceANewerOne promotes plans of a repository's
// commits, as a whole and in part, in the wrong order.
func TestAnOlderPromotionDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	for _, whole := range []int{0, 2} {
		if err := s.promote(whole); err != nil {
			t.Fatal(err)
		}
	}
	s.superseded(s.promote(1), 2)
	s.superseded(s.promote(1, "python"), 2)
	s.holds(2, 2)
	if err := s.promote(2, "python"); err != nil {
		t.Error(err)
	}
	// The user may say so: --replace compares nothing.
	p := s.step()
	p.Order = nil
	if _, err := p.Run(t.Context(), s.sources[0], []string{"python"}); err != nil {
		t.Fatal(err)
	}
	s.holds(0, 2)
	// Then it is of that commit, and the next one may follow.
	if err := s.promote(1, "python"); err != nil {
		t.Fatal(err)
	}
	s.holds(1, 2)
}

// TestAChosenImageIsOfItsOwnCommit promotes single images beyond the commit of
// the whole document.
func TestAChosenImageIsOfItsOwnCommit(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	for _, c := range []struct {
		commit int
		images []string
	}{{0, nil}, {2, []string{"python"}}} {
		if err := s.promote(c.commit, c.images...); err != nil {
			t.Fatal(err)
		}
	}
	s.superseded(s.promote(1, "python"), 2)
	s.superseded(s.promote(1), 2) // python would be lost
	if err := s.promote(1, "hello"); err != nil {
		t.Fatal(err)
	}
	s.holds(2, 1)
	if d := s.prod(); d.Commit != s.commits[0] {
		t.Errorf("the document is of %s", d.Commit)
	}
	// What is brought back is not for older plans to replace, either.
	if _, _, err := s.step().Rollback(t.Context(), promote.Choice{}, []string{"python"}); err != nil {
		t.Fatal(err)
	}
	s.holds(0, 1)
	s.superseded(s.promote(1, "python"), 2)
	if err := s.promote(2); err != nil {
		t.Fatal(err)
	}
	s.holds(2, 2)
	for _, i := range s.prod().Images {
		if i.Commit != "" {
			t.Errorf("%s has a commit of its own after a whole promotion", i.ID)
		}
	}
}

// TestAnOlderPromotionThatEndsLastChangesNothing lets a newer promotion pass an
// older one, of all or of one image, while that one is at its scans.
func TestAnOlderPromotionThatEndsLastChangesNothing(t *testing.T) {
	t.Parallel()
	for name, images := range map[string][]string{"all": nil, "one": {"python"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			if err := s.promote(0); err != nil {
				t.Fatal(err)
			}
			slow := s.step()
			slow.Policy, slow.Now = strict(), func() time.Time { return today }
			slow.Scanner = func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
				if err := s.promote(2, images...); err != nil {
					t.Error(err)
				}
				return found("")(ctx, targets)
			}
			s.listsOf(s.sources[1])
			_, err := slow.Run(t.Context(), s.sources[1], images)
			s.superseded(err, 2)
			if images == nil {
				s.holds(2, 2)
			} else {
				s.holds(2, 0)
			}
		})
	}
}

// listsOf gives every platform of a document's images a list of its packages.
func (b *bench) listsOf(d *manifest.Document) {
	b.Helper()
	for _, i := range d.Images {
		for _, digest := range i.Platforms {
			plantest.List(b, b.client, b.server.Prefix("testing/"+i.Repository), digest)
		}
	}
}
