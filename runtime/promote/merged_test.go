package promote_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// merging is a bench in which requests are merged, by hand, without a question.
type merging struct {
	*bench
	clock time.Time
	s     promote.Step
}

func newMerging(t *testing.T) *merging {
	t.Helper()
	m := &merging{clock: today}
	m.bench, m.s = judging(t, plantest.Image{ID: "python"})
	now := func() time.Time { m.clock = m.clock.Add(time.Second); return m.clock }
	m.store = &channel.File{Dir: m.store.String(), Now: now}
	m.s.Store, m.s.Now = m.store, now
	return m
}

// offer promotes by a request, and returns the document that it offers.
func (m *merging) offer() *manifest.Document {
	m.Helper()
	var offered []byte
	s := m.s
	s.Propose = func(_ context.Context, doc []byte, _ string) error { offered = doc; return nil }
	if _, err := s.Run(m.Context(), nil, nil); err != nil {
		m.Fatal(err)
	}
	d, err := manifest.Decode(offered)
	if err != nil {
		m.Fatal(err)
	}
	return d
}

// merge puts a document in prod's place.
func (m *merging) merge(d *manifest.Document) {
	m.Helper()
	if _, err := channel.Update(m.Context(), m.store, channel.Prod, func([]byte) ([]byte, error) { return d.Encode() }); err != nil {
		m.Fatal(err)
	}
}

func TestAMergedDocumentIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(m *merging, d *manifest.Document)
		code  int
		want  string
	}{
		"found since it was offered": {func(m *merging, _ *manifest.Document) { m.s.Scanner = found("python", high) }, 5, "python: linux/amd64: HIGH CVE-2026-1"},
		"not scanned": {func(m *merging, _ *manifest.Document) {
			m.s.Scanner = func(context.Context, []promote.Target) ([]model.Scan, error) { return nil, nil }
		}, 6, "python: linux/amd64: "},
		"not tested": {func(m *merging, d *manifest.Document) {
			tag := model.ReceiptTag(model.StepTest, model.TestStepKey(d.Images[0].Platforms["linux/arm64"], m.plan.Entries[1].TestsKey))
			m.server.Fail(registrytest.Fault{Path: "/prod/python/manifests/" + tag + "$", Status: http.StatusNotFound})
		}, 5, "python: linux/arm64: there is no receipt of a passed test"},
		"without a list of packages": {func(m *merging, _ *manifest.Document) {
			m.server.Fail(registrytest.Fault{Path: "/prod/python/referrers/", Status: http.StatusNotFound})
		}, 5, "there is no SBOM of it"},
		"signed by nobody": {func(m *merging, _ *manifest.Document) {
			m.s.Verifier = verifier(func(model.Digest) []string { return []string{"nobody we trust has signed it"} })
		}, 5, "nobody we trust has signed it"},
		"another digest":   {func(_ *merging, d *manifest.Document) { d.Images[0].Digest = manifest.Digest(model.DigestOf(nil)) }, 5, "its version 1-2026.11.21 stands for"},
		"another platform": {func(_ *merging, d *manifest.Document) { d.Images[0].Platforms["linux/arm64"] = model.DigestOf(nil) }, 5, "its platforms in the registry are"},
		"another registry": {func(_ *merging, d *manifest.Document) {
			d.Images[0].Image = "registry.example.com/prod/python:1-2026.11.21"
		}, 5, "is not one of ours"},
		"testing's copy": {func(m *merging, d *manifest.Document) {
			d.Images[0].Image = m.server.Prefix("testing/python:1-2026.11.21")
		}, 5, "is not one of ours"},
		"withdrawn since": {func(m *merging, d *manifest.Document) { m.takenBack(model.Digest(d.Images[0].Digest), "python") }, 5, "was withdrawn: a key leaked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMerging(t)
			d := m.offer()
			index := model.Digest(d.Images[0].Digest)
			c.spoil(m, d)
			m.merge(d)
			_, err := m.s.Finish(t.Context())
			m.server.Heal()
			refused, is := errors.AsType[*promote.Refused](err)
			if !is || refused.ExitCode() != c.code || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "no floating tag was moved") {
				t.Fatalf("got %v, want code %d and %q", err, c.code, c.want)
			}
			// Another withdrawal moves tags, too.
			if _, err := m.s.Settle(t.Context(), []model.Digest{model.DigestOf([]byte("another"))}); err != nil {
				t.Fatal(err)
			}
			if at, found, err := m.client.Resolve(t.Context(), m.server.Prefix("prod/python"), "latest"); err != nil || found {
				t.Errorf("latest is %v, %v", at, err)
			}
			if list := records[model.Promotion](m.bench, m.server.Prefix("prod/python"), index, model.PromotionArtifactType); len(list) != 0 {
				t.Errorf("it was recorded: %+v", list)
			}
		})
	}
}

// TestWhatHasARecordIsNotJudgedAgain finishes a promotion twice: the second
// time nobody is asked. What was edited, or has come back, is judged again.
func TestWhatHasARecordIsNotJudgedAgain(t *testing.T) {
	t.Parallel()
	m := newMerging(t)
	first := m.offer()
	m.merge(first)
	if _, err := m.s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.settled(first.Images[0])
	strict := m.s
	strict.Scanner = found("python", high)
	if _, err := strict.Finish(t.Context()); err != nil {
		t.Errorf("what was promoted was judged again: %v", err)
	}

	m.publish('1', plantest.Image{ID: "python", Content: "new"})
	m.lists()
	second := m.offer()
	m.merge(second)
	if _, err := m.s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.settled(second.Images[0])
	m.merge(first)
	if _, err := strict.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "HIGH CVE-2026-1") {
		t.Errorf("the old one came back unjudged: %v", err)
	}
	m.merge(second)
	second.Images[0].Platforms["linux/arm64"] = model.DigestOf(nil)
	m.merge(second)
	if _, err := m.s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "its platforms in the registry are") {
		t.Errorf("an entry was edited: %v", err)
	}
}

// TestARollbackBringsNothingBackThatWasNeverPromoted: a version of prod's
// document that was merged and then refused is not one that prod ever was.
func TestARollbackBringsNothingBackThatWasNeverPromoted(t *testing.T) {
	t.Parallel()
	m := newMerging(t)
	refused := m.offer()
	m.merge(refused)
	strict := m.s
	strict.Scanner = found("python", high)
	if _, err := strict.Finish(t.Context()); err == nil {
		t.Fatal("it was not refused")
	}
	m.publish('1', plantest.Image{ID: "python", Content: "mended"})
	m.lists()
	mended := m.offer()
	m.merge(mended)
	if _, err := m.s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := m.s.Rollback(t.Context(), promote.Choice{}, nil)
	if _, is := errors.AsType[*promote.Refused](err); !is || !strings.Contains(err.Error(), "it was never promoted") {
		t.Errorf("got %v", err)
	}
	m.settled(mended.Images[0])
}

// TestADocumentThatChangesWhileItIsJudgedIsJudgedAgain merges a second time
// while the scanner looks.
func TestADocumentThatChangesWhileItIsJudgedIsJudgedAgain(t *testing.T) {
	t.Parallel()
	m := newMerging(t)
	d := m.offer()
	m.merge(d)
	scans := 0
	m.s.Scanner = func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
		if scans++; scans == 1 {
			d.Images[0].Platforms["linux/arm64"] = model.DigestOf(nil)
			m.merge(d)
		}
		return found("")(ctx, targets)
	}
	if _, err := m.s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "its platforms in the registry are") {
		t.Errorf("got %v", err)
	}
}

// TestAMarkInTestingTakesNothingFromProd plants the mark of a withdrawal where
// only testing lies, of what prod has.
func TestAMarkInTestingTakesNothingFromProd(t *testing.T) {
	t.Parallel()
	m := newMerging(t)
	d := m.offer()
	m.merge(d)
	if _, err := m.s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	index := model.Digest(d.Images[0].Digest)
	m.plantMark("testing/python", index)
	if _, err := m.s.Finish(t.Context()); err != nil {
		t.Errorf("a mark in testing: %v", err)
	}
	if _, found, err := m.client.Resolve(t.Context(), m.server.Prefix("prod/python"), model.WithdrawalTag(index)); err != nil || found {
		t.Errorf("prod was marked: %v, %v", found, err)
	}
	m.plantMark("prod/python", index)
	if _, err := m.s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "was withdrawn: planted") {
		t.Errorf("a mark in prod: %v", err)
	}
}

// plantMark marks a digest in one repository, as only a withdrawal should.
func (b *bench) plantMark(repo string, digest model.Digest) {
	b.Helper()
	repo = b.server.Prefix(repo)
	mark := b.attach(repo, digest, model.WithdrawalArtifactType, `{"version":1,"reason":"planted"}`)
	if err := b.client.MoveTag(b.Context(), repo, mark, model.WithdrawalTag(digest)); err != nil {
		b.Fatal(err)
	}
}
