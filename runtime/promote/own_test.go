package promote_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// lister is a scanner that lists what it scans, as its own.
type lister struct {
	*bench
	own  []promote.Evidence
	left string // a platform that it does not list
}

const ours = `{"bomFormat":"CycloneDX","serialNumber":"ours"}`

func (l *lister) scan(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
	for _, t := range targets {
		if t.ID.Platform.String() == l.left {
			continue
		}
		a := l.attach(t.Repo, t.Digest, cycloneDX, ours)
		l.own = append(l.own, promote.Evidence{Repo: t.Repo, Artifact: a, Receipt: listed(t.Digest, a)})
	}
	return found("")(ctx, targets)
}

// listed is the receipt of a list, as syft's would be.
func listed(digest, artifact model.Digest) model.Receipt {
	return model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(digest, "syft 1", "cyclonedx-json"), Status: model.ReceiptPassed,
		Digest: digest, Inputs: []model.Material{{Name: "artifact cyclonedx-json", Digest: artifact}},
	}
}

// TestOnlyOurOwnEvidenceComesToProd: where nobody knows who wrote the lists and
// scans that lie in testing they stay there, with their receipts, under whatever
// name they lie there.
func TestOnlyOurOwnEvidenceComesToProd(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"})
	l := &lister{bench: b}
	s.Scanner, s.Own = l.scan, func() []promote.Evidence { return slices.Clone(l.own) }
	testing, prod := b.server.Prefix("testing/python"), b.server.Prefix("prod/python")
	digest := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
	forged := listed(digest, b.attach(testing, digest, cycloneDX, `{"bomFormat":"CycloneDX","serialNumber":"theirs"}`))
	said := model.Scan{
		Image: "python", Platform: "linux/amd64", Digest: digest, Source: model.SourceLocal, Tool: "grype 1", Database: "2026-11-21T11:00:00Z",
		State: model.ScanFinished, Time: "2026-11-21T11:00:00Z", Findings: []model.Finding{},
	}
	plant := func() {
		if err := b.client.PutReceipt(t.Context(), testing, forged); err != nil {
			t.Fatal(err)
		}
		if err := (scan.Store{Registry: b.client}).Save(t.Context(), testing, said); err != nil {
			t.Fatal(err)
		}
	}
	plant()
	kept := b.attach(testing, digest, "application/vnd.example.note", "a note")
	for range 2 {
		r, err := s.Run(t.Context(), nil, nil)
		if err != nil || len(r.Verdicts) != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		plant() // after it was promoted, too
		found, err := b.client.Artifacts(t.Context(), prod, digest, "")
		if err != nil {
			t.Fatal(err)
		}
		note := false
		for _, f := range found {
			note = note || f.Digest == kept
			body, _, _, err := b.client.ReadArtifact(t.Context(), prod, f.Digest, 1<<20)
			if f.Type == scan.ArtifactType || f.Type == cycloneDX && string(body) != ours || err != nil {
				t.Errorf("prod has %s: %s, %v", f.Type, body, err)
			}
		}
		if !note {
			t.Error("what is no list and no scan stayed behind")
		}
		receipt, there, err := b.client.Receipt(t.Context(), prod, model.ReceiptTag(model.StepSBOM, forged.StepKey))
		if err != nil || !there || receipt.Inputs[0].Digest == forged.Inputs[0].Digest {
			t.Errorf("the receipt of the list in prod: %+v, %v, %v", receipt, there, err)
		}
		if scans, err := (scan.Store{Registry: b.client}).Newest(t.Context(), prod, digest); err != nil || len(scans) != 0 {
			t.Errorf("scans in prod: %+v, %v", scans, err)
		}
	}
}

// TestEveryRulingCounts: what one policy allows another one may refuse, and both
// are written down.
func TestEveryRulingCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own, also promote.Scanner
		want      string
	}{
		"both pass":         {found(""), found(""), ""},
		"ours refuses":      {found("python", high), found(""), "python: linux/amd64: HIGH CVE-2026-1"},
		"theirs refuses":    {found(""), found("python", high), "python: linux/amd64: by the policy of main: HIGH CVE-2026-1"},
		"theirs has none":   {found(""), func(context.Context, []promote.Target) ([]model.Scan, error) { return nil, nil }, "python: linux/arm64: by the policy of main: "},
		"neither lets pass": {found("python", high), found("python", high), "python: linux/arm64: HIGH CVE-2026-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := judging(t, plantest.Image{ID: "python"})
			other := strict()
			other.Unknown = model.PolicyWarn
			s.Scanner, s.Also = c.own, []promote.Ruling{{Name: "the policy of main", Policy: other, Scanner: c.also}}
			r, err := s.Run(t.Context(), nil, nil)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				b.nothing()
				return
			}
			if err != nil || !r.Written || len(r.Verdicts) != 4 {
				t.Fatalf("%+v, %v", r, err)
			}
			digest := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
			verdicts := records[model.Verdict](b, b.server.Prefix("prod/python"), digest, verdictType)
			if len(verdicts) != 2 || verdicts[0].Policy == verdicts[1].Policy {
				t.Errorf("prod has the verdicts %+v", verdicts)
			}
		})
	}
}

// TestAMergedDocumentIsListedByUs: also what somebody has merged, and no
// promotion has judged, is listed and scanned anew.
func TestAMergedDocumentIsListedByUs(t *testing.T) {
	t.Parallel()
	m := newMerging(t)
	m.merge(m.offer())
	l := &lister{bench: m.bench, left: "linux/arm64"}
	m.s.Scanner, m.s.Own = l.scan, func() []promote.Evidence { return slices.Clone(l.own) }
	_, err := m.s.Finish(t.Context())
	unlisted(t, err)
	l.left = ""
	if r, err := m.s.Finish(t.Context()); err != nil || len(r.Promoted) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestWhatWeHaveNotListedIsRefused: a list in testing is none of ours.
func TestWhatWeHaveNotListedIsRefused(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"})
	l := &lister{bench: b, left: "linux/arm64"}
	s.Scanner, s.Own = l.scan, func() []promote.Evidence { return slices.Clone(l.own) }
	_, err := s.Run(t.Context(), nil, nil)
	unlisted(t, err)
	b.nothing()
}

// TestAListOfATwinIsNotOurs: two images may have the same bytes, and each has a
// list beside itself.
func TestAListOfATwinIsNotOurs(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"})
	l := &lister{bench: b}
	s.Scanner = l.scan
	s.Own = func() []promote.Evidence {
		twins := slices.Clone(l.own)
		for n := range twins {
			twins[n].Repo += "-twin"
		}
		return twins
	}
	_, err := s.Run(t.Context(), nil, nil)
	unlisted(t, err)
	b.nothing()
}

// unlisted demands that nobody could list a platform, which is nothing that the
// image lacks.
func unlisted(t *testing.T, err error) {
	t.Helper()
	refused, is := errors.AsType[*promote.Refused](err)
	if !is || refused.ExitCode() != 6 || !strings.Contains(err.Error(), "python: linux/arm64: it could not be listed, so there is no SBOM of it") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutListsIsSaid: where nothing is judged nothing is listed either, and
// the lists in testing are nobody's.
func TestWithoutListsIsSaid(t *testing.T) {
	t.Parallel()
	const note = "no list of packages came along: enforcement is off"
	says := func(r promote.Result, err error) bool {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, note) })
	}
	b, judged := judging(t, plantest.Image{ID: "python"})
	s := b.step()
	s.Own = func() []promote.Evidence { return nil }
	r, err := s.Run(t.Context(), nil, nil)
	if !says(r, err) {
		t.Errorf("it says %q", r.Notes)
	}
	digest := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
	if found, err := b.client.Artifacts(t.Context(), b.server.Prefix("prod/python"), digest, cycloneDX); err != nil || len(found) != 0 {
		t.Errorf("prod has lists: %v, %v", found, err)
	}
	s.Own = nil
	if r, err := s.Run(t.Context(), nil, nil); says(r, err) {
		t.Errorf("where lists are believed it says %q", r.Notes)
	}
	if r, err := judged.Run(t.Context(), nil, nil); says(r, err) {
		t.Errorf("where findings are judged it says %q", r.Notes)
	}
}

// TestAVerdictIsWrittenOnce: a promotion by two rulings writes down of each what
// the last verdict by the same one does not say already.
func TestAVerdictIsWrittenOnce(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"})
	digest := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
	clock := today
	s.Now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	other := strict()
	other.Unknown = model.PolicyWarn
	said := 0
	for _, theirs := range []promote.Ruling{{Name: "another policy", Policy: other}, {Name: "the same policy, with other statements", Policy: strict()}} {
		for n, c := range []struct {
			scanner promote.Scanner
			more    int
		}{{found(""), 2}, {found(""), 0}, {found("python", high), 1}, {found("python", high), 0}, {found(""), 1}, {found(""), 0}} {
			theirs.Scanner = c.scanner
			s.Also = []promote.Ruling{theirs}
			if said == 0 {
				c.more = 2
			} else if n == 0 {
				c.more = 1 // ours has said so
			}
			said += c.more
			_, err := s.Run(t.Context(), nil, nil)
			if _, refused := errors.AsType[*promote.Refused](err); err != nil && !refused {
				t.Fatal(err)
			}
			if verdicts := records[model.Verdict](b, b.server.Prefix("testing/python"), digest, verdictType); len(verdicts) != said {
				t.Errorf("%s: after promotion %d there are %d verdicts, want %d", theirs.Name, n+1, len(verdicts), said)
				said = len(verdicts)
			}
		}
	}
}

// pretended is a syft that lists nothing, in no time.
const pretended = `#!/bin/sh
[ "$1" = --version ] && echo syft 1.0.0
for a; do
  case $a in
    cyclonedx-json=*) echo '{"bomFormat":"CycloneDX"}' > "${a#*=}" ;;
    syft-json=*) echo '{"artifacts":[],"descriptor":{"name":"syft","version":"1.0.0"}}' > "${a#*=}" ;;
  esac
done
`

// listing is a scanner that lists and keeps scans as the program does where
// nobody signs receipts.
func (b *bench) listing() (promote.Scanner, func() []promote.Evidence) {
	b.Helper()
	program := filepath.Join(b.TempDir(), "syft")
	if err := os.WriteFile(program, []byte(pretended), 0o755); err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	var own []promote.Evidence
	keep := func(repo string, artifact model.Digest, r model.Receipt) {
		mu.Lock()
		defer mu.Unlock()
		own = append(own, promote.Evidence{Repo: repo, Artifact: artifact, Receipt: r})
	}
	in := func(repo string) string { return strings.Replace(repo, "/testing/", "/prod/", 1) }
	lists := sbom.Step{
		Registry: b.client, Program: sbom.NewProgram(program), In: in, Along: []string{sbom.CycloneDX}, Now: func() time.Time { return today },
		Kept: func(of sbom.Subject, d sbom.Document) { keep(of.Repo, d.Artifact, d.Receipt) },
	}
	store := scan.Store{Registry: b.client, In: in, Kept: keep}
	scanner := func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
		scans, err := found("")(ctx, targets)
		for n, t := range targets {
			r := scan.Request{Repo: t.Repo, Target: t.ID, Digest: t.Digest}
			if _, kept, err := store.Load(ctx, r, scans[n].Source, scans[n].Tool, scans[n].Database); err != nil {
				return nil, err
			} else if _, err := lists.Documents(ctx, sbom.Subject{Repo: t.Repo, Target: t.ID, Digest: t.Digest}, []string{map[bool]string{true: sbom.CycloneDX, false: sbom.Syft}[kept]}); err != nil {
				return nil, err
			}
			if err := store.Save(ctx, t.Repo, scans[n]); err != nil {
				return nil, err
			}
		}
		return scans, err
	}
	return scanner, func() []promote.Evidence {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(own)
	}
}

// TestTheRequestsOfOurOwnEvidenceCounted: what a promotion asks of the registry
// that lists and scans everything by itself; and again, when prod has it.
func TestTheRequestsOfOurOwnEvidenceCounted(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"}, plantest.Image{ID: "hello"})
	counts := map[bool]int{}
	for _, again := range []bool{false, true} {
		s.Scanner, s.Own = b.listing()
		b.server.Forget()
		if _, err := s.Run(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		counts[again] = len(b.server.Requests()) / 2
	}
	t.Logf("of an image with two platforms: %d requests, %d when nothing is new", counts[false], counts[true])
	if counts[false] > requestsOwnFirst || counts[true] > requestsOwnAgain {
		t.Errorf("an image cost %d requests, and %d when nothing was new; docs/guide/channels.md says %d and %d", counts[false], counts[true], requestsOwnFirst, requestsOwnAgain)
	}
}

// What docs/guide/channels.md says.
const (
	requestsOwnFirst = 240
	requestsOwnAgain = 108
)
