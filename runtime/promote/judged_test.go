package promote_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

const cycloneDX = "application/vnd.cyclonedx+json"

// today is when the tests promote.
var today = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// found is a scanner that has finished, and found something in one image.
func found(image string, findings ...model.Finding) promote.Scanner {
	return func(_ context.Context, targets []promote.Target) ([]model.Scan, error) {
		var out []model.Scan
		for _, t := range targets {
			s := model.Scan{
				Image: t.ID.Image, Tag: t.ID.Tag, Platform: t.ID.Platform.String(), Digest: t.Digest, Source: model.SourceLocal,
				Tool: "grype 1", Database: today.Add(-time.Hour).Format(time.RFC3339), State: model.ScanFinished,
				Time: today.Format(time.RFC3339), Findings: []model.Finding{},
			}
			if t.ID.Image == image {
				s.Findings = findings
			}
			out = append(out, s)
		}
		return out, nil
	}
}

// strict is a policy that asks for a finished scan by one source, in which
// nothing bad was found.
func strict() model.Policy {
	worst := []string{model.SeverityCritical, model.SeverityHigh}
	return model.Policy{
		Mode: model.EnforceBlock, Sources: []model.PolicySource{{Name: model.SourceLocal, Required: model.RequiredAlways}}, Basis: "effective",
		Fixable: worst, Unfixable: worst, Unknown: model.PolicyBlock, Always: model.PolicyAlways{KEV: true, Malicious: true},
		State: model.PolicyState{
			Failed: model.PolicyBlock, Unsupported: model.PolicyFallback, Missing: model.PolicyBlock, Timeout: model.PolicyBlock,
			Inactive: model.PolicyRescan, Unreported: model.PolicyWarn, MaxAge: 72 * time.Hour,
		},
	}
}

var high = model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/openssl@3.0.1", Fixed: "3.0.2", Severity: model.SeverityHigh}

// judging is a bench whose images have lists of packages, and a step that asks
// for everything.
func judging(t *testing.T, images ...plantest.Image) (*bench, promote.Step) {
	t.Helper()
	b := newBench(t, images...)
	b.lists()
	s := b.step()
	s.Policy, s.Scanner, s.Now = strict(), found(""), func() time.Time { return today }
	s.Actor, s.Job = "ann", "https://forge.example/run/1"
	return b, s
}

// lists gives every platform of the plan a list of its packages.
func (b *bench) lists() {
	b.Helper()
	for n := range b.plan.Entries {
		e := &b.plan.Entries[n]
		plantest.List(b, b.client, b.plan.Prefix+"/"+e.Repository, plantest.Build(b, b.client, b.plan, e))
	}
}

func (b *bench) attach(repo string, subject model.Digest, kind, body string) model.Digest {
	b.Helper()
	d, err := b.client.PutArtifact(b.Context(), repo, registry.Artifact{Subject: subject, Type: kind, Body: []byte(body)})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// nothing demands that prod is as it never was.
func (b *bench) nothing() {
	b.Helper()
	if doc, _, err := b.store.Read(b.Context(), channel.Prod); err != nil || doc != nil {
		b.Errorf("it wrote %s, %v", doc, err)
	}
	for _, i := range b.plan.Indexes {
		if tags, err := b.client.Tags(b.Context(), b.server.Prefix("prod/"+i.Repository)); err != nil || len(tags) != 0 {
			b.Errorf("it copied %v, %v", tags, err)
		}
	}
}

// records are the artifacts of a type about a digest, decoded.
func records[T any](b *bench, repo string, subject model.Digest, kind string) (out []T) {
	b.Helper()
	list, err := b.client.Artifacts(b.Context(), repo, subject, kind)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range list {
		body, about, _, err := b.client.ReadArtifact(b.Context(), repo, f.Digest, 1<<20)
		if err != nil || about != subject {
			b.Fatalf("%s is about %s, %v", f.Digest, about, err)
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			b.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

const verdictType = "application/vnd.rootfsgen.verdict.v1+json"

func TestTodaysFindingsDecide(t *testing.T) {
	t.Parallel()
	state := func(state string) promote.Scanner {
		return func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
			scans, err := found("")(ctx, targets)
			scans[1].State = state
			return scans, err
		}
	}
	for name, c := range map[string]struct {
		scanner promote.Scanner
		code    int // of the refusal; 0 for none
		want    string
		mode    string // of the policy; empty blocks
	}{
		"nothing found":     {found(""), 0, "", ""},
		"a high finding":    {found("python", high), 5, "python: linux/amd64: HIGH CVE-2026-1 in pkg:deb/debian/openssl@3.0.1, fixed in 3.0.2", ""},
		"no scan":           {func(context.Context, []promote.Target) ([]model.Scan, error) { return nil, nil }, 6, "python: linux/amd64: ", ""},
		"a running scan":    {state(model.ScanRunning), 6, "linux/arm64: ", ""},
		"a failed scan":     {state(model.ScanFailed), 6, "linux/arm64: ", ""},
		"an unsupported":    {state(model.ScanUnsupported), 6, "linux/arm64: ", ""},
		"scan of yesterday": {state(model.ScanStale), 6, "linux/arm64: ", ""},
		"another digest's": {func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
			scans, err := found("")(ctx, targets)
			scans[0].Digest = model.DigestOf(nil)
			return scans, err
		}, 6, "linux/amd64: ", ""},
		"a high finding that is warned of": {found("python", high), 5, "python: linux/arm64: HIGH CVE-2026-1", model.EnforceWarn},
		"no scan, which is warned of":      {func(context.Context, []promote.Target) ([]model.Scan, error) { return nil, nil }, 6, "python: linux/arm64: ", model.EnforceWarn},
		"nothing found, nothing to warn":   {found(""), 0, "", model.EnforceWarn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := judging(t, plantest.Image{ID: "python"})
			s.Scanner, s.Policy.Mode = c.scanner, cmp.Or(c.mode, s.Policy.Mode)
			r, err := s.Run(t.Context(), nil, nil)
			var refused *promote.Refused
			switch {
			case c.code == 0 && (err != nil || !r.Written):
				t.Fatalf("%+v, %v", r, err)
			case c.code == 0:
				return
			case !errors.As(err, &refused) || refused.ExitCode() != c.code || !strings.Contains(err.Error(), c.want):
				t.Fatalf("got %v (%T), want code %d and %q", err, err, c.code, c.want)
			}
			b.nothing()
			// Also what was refused is told by the registry alone.
			var outcomes []string
			for _, e := range b.plan.Entries {
				for _, v := range records[model.Verdict](b, b.plan.Prefix+"/python", plantest.Build(t, b.client, b.plan, &e), verdictType) {
					outcomes = append(outcomes, v.Outcome)
				}
			}
			if len(outcomes) != 2 || !slices.ContainsFunc(outcomes, func(o string) bool { return o != model.VerdictPass }) {
				t.Errorf("verdicts %v", outcomes)
			}
		})
	}
}

func TestAPolicyThatIsOffIsSaid(t *testing.T) {
	t.Parallel()
	b := newBench(t, plantest.Image{ID: "python"})
	r, err := b.step().Run(t.Context(), nil, nil)
	if err != nil || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "nothing was judged") }) {
		t.Errorf("%v, %v", r.Notes, err)
	}
	s := b.step()
	s.Policy = model.Policy{}
	if _, err := s.Run(t.Context(), nil, nil); err == nil {
		t.Error("without a policy and a scanner it was promoted")
	}
}

func TestWhatSpeaksForAnImageComesAlong(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"})
	amd := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
	repo, prod := b.plan.Prefix+"/python", b.server.Prefix("prod/python")
	signature := b.attach(repo, amd, "application/vnd.dev.sigstore.bundle.v0.3+json", `{"signed":true}`)
	r, err := s.Run(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]int{}
	list, err := b.client.Artifacts(t.Context(), prod, amd, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		there[f.Type]++
	}
	for _, kind := range []string{cycloneDX, verdictType, registry.ReceiptArtifactType} {
		if there[kind] == 0 {
			t.Errorf("prod has no %s: %v", kind, there)
		}
	}
	if !slices.ContainsFunc(list, func(f registry.Found) bool { return f.Digest == signature }) {
		t.Error("the signature is not what it was, byte by byte")
	}
	for _, e := range b.plan.Entries {
		if _, found, err := b.client.Receipt(t.Context(), prod, model.ReceiptTag(model.StepBuild, model.BuildStepKey(e.Key, 0))); err != nil || !found {
			t.Errorf("the receipt of the build of %s: %v, %v", e.ID(), found, err)
		}
	}
	index := model.Digest(r.Document.Images[0].Digest)
	promotions := records[model.Promotion](b, prod, index, model.PromotionArtifactType)
	if len(promotions) != 1 {
		t.Fatalf("%+v", promotions)
	}
	p := promotions[0]
	if p.Digest != index || p.Image != "python" || p.From != repo+":1-2026.11.21" || p.To != prod+":1-2026.11.21" || p.Commit != b.plan.To.Commit ||
		p.Time != "2026-11-21T12:00:00Z" || p.Actor != "ann" || p.Run != "https://forge.example/run/1" || len(p.Verdicts) != 2 || p.Verdicts[0].Outcome != model.VerdictPass || !p.Verdicts[0].Artifact.Valid() {
		t.Errorf("%+v", p)
	}
	if len(p.Tests) != 2 {
		t.Fatalf("tests %+v", p.Tests)
	}
	for n, tested := range p.Tests {
		e := &b.plan.Entries[n]
		at, found, err := b.client.Resolve(t.Context(), prod, tested.Receipt)
		if err != nil || !found || tested.Artifact != at.Digest || tested.Digest != r.Document.Images[0].Platforms[tested.Platform] || tested.Platform != e.Platform.String() ||
			tested.Receipt != model.ReceiptTag(model.StepTest, model.TestStepKey(tested.Digest, e.TestsKey)) || tested.Run != plantest.TestJob {
			t.Errorf("%+v, found %v at %s, %v", tested, found, at.Digest, err)
		}
	}
	// Signatures that come later come along with the next promotion.
	later := b.attach(repo, amd, "application/vnd.dev.sigstore.bundle.v0.3+json", `{"signed":"later"}`)
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if list, err = b.client.Artifacts(t.Context(), prod, amd, ""); err != nil || !slices.ContainsFunc(list, func(f registry.Found) bool { return f.Digest == later }) {
		t.Errorf("what was signed later stayed behind: %v", err)
	}
	if n := len(records[model.Promotion](b, prod, index, model.PromotionArtifactType)); n != 1 {
		t.Errorf("promoted once, recorded %d times", n)
	}
}

// verifier says what is missing of every digest.
type verifier func(digest model.Digest) []string

func (v verifier) Verify(_ context.Context, _ string, digest model.Digest) ([]string, error) {
	return v(digest), nil
}

func TestWhatSpeaksForAnotherImageIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(b *bench, s *promote.Step)
		want  string
	}{
		"no SBOM": {func(b *bench, _ *promote.Step) {
			b.server.Fail(registrytest.Fault{Path: "/testing/python/referrers/", Status: http.StatusNotFound})
		}, "python: linux/amd64: there is no SBOM of it"},
		"SBOM that nobody speaks for": {func(b *bench, _ *promote.Step) {
			b.hide(plantest.ListReceipt(plantest.Build(b, b.client, b.plan, &b.plan.Entries[0])))
		}, "python: linux/amd64: there is no SBOM of it"},
		"SBOM of somebody else beside a receipt": {func(b *bench, _ *promote.Step) {
			repo, arm := b.plan.Prefix+"/python", plantest.Build(b, b.client, b.plan, &b.plan.Entries[1])
			r := listed(arm, model.DigestOf([]byte("the list that the builder made, which is gone")))
			if err := b.client.PutReceipt(b.Context(), repo, r); err != nil {
				b.Fatal(err)
			}
		}, "python: linux/arm64: there is no SBOM of it"},
		"SBOM for another digest": {func(b *bench, _ *promote.Step) {
			// The registry lists, under arm64, what was written about amd64.
			b.swapped()
		}, "there is no SBOM of it"},
		"tampered receipt": {func(b *bench, _ *promote.Step) {
			tag := model.ReceiptTag(model.StepTest, model.TestStepKey(plantest.Build(b, b.client, b.plan, &b.plan.Entries[1]), b.plan.Entries[1].TestsKey))
			raw, d, err := b.client.Manifest(b.Context(), b.plan.Prefix+"/python", tag)
			if err == nil {
				forged := []byte(strings.Replace(string(raw), `"data":"`, `"data":"AA`, 1))
				_, err = b.client.PutManifest(b.Context(), b.plan.Prefix+"/python", forged, d.MediaType, tag)
			}
			if err != nil {
				b.Fatal(err)
			}
		}, "receipt"},
		"receipt for another digest": {func(b *bench, _ *promote.Step) {
			e := &b.plan.Entries[1]
			key := model.TestStepKey(plantest.Build(b, b.client, b.plan, e), e.TestsKey)
			other := plantest.Receipt(e, model.StepTest, key, plantest.Build(b, b.client, b.plan, &b.plan.Entries[0]))
			if err := b.client.PutReceipt(b.Context(), b.plan.Prefix+"/python", other); err != nil {
				b.Fatal(err)
			}
		}, "python: linux/arm64: there is no receipt of a passed test"},
		"nobody signed": {func(_ *bench, s *promote.Step) {
			s.Verifier = verifier(func(model.Digest) []string { return []string{"nobody we trust has signed it"} })
		}, "python: the index: nobody we trust has signed it"},
		"attestation for another digest": {func(b *bench, s *promote.Step) {
			arm := plantest.Build(b, b.client, b.plan, &b.plan.Entries[1])
			s.Verifier = verifier(func(d model.Digest) []string {
				if d == arm {
					return []string{"its provenance is about " + model.DigestOf(nil).Short()}
				}
				return nil
			})
		}, "python: linux/arm64: its provenance is about"},
		"withdrawn": {func(b *bench, _ *promote.Step) {
			repo, arm := b.plan.Prefix+"/python", plantest.Build(b, b.client, b.plan, &b.plan.Entries[1])
			d := b.attach(repo, arm, model.WithdrawalArtifactType, `{"version":1,"reason":"a key leaked"}`)
			if err := b.client.MoveTag(b.Context(), repo, d, model.WithdrawalTag(arm)); err != nil {
				b.Fatal(err)
			}
		}, "was withdrawn: a key leaked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := judging(t, plantest.Image{ID: "python"})
			c.spoil(b, &s)
			_, err := s.Run(t.Context(), nil, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			b.server.Heal()
			b.server.Answer(nil)
			b.nothing()
		})
	}
}

// swapped makes the registry list for one platform what is about the other.
func (b *bench) swapped() {
	amd, arm := plantest.Build(b, b.client, b.plan, &b.plan.Entries[0]), plantest.Build(b, b.client, b.plan, &b.plan.Entries[1])
	b.server.Answer(func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/referrers/"+arm.String()) {
			r.URL.Path = strings.Replace(r.URL.Path, arm.String(), amd.String(), 1)
		}
	})
}

// TestARegistryThatIsCutInTheMiddleOfACopyLeavesTheOldDocument cuts the
// connection at each of the copy's writes in turn.
func TestARegistryThatIsCutInTheMiddleOfACopyLeavesTheOldDocument(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python", Platforms: []model.Platform{model.LinuxAMD64}})
	for after := 0; ; after++ {
		b.server.Fail(registrytest.Fault{Method: "P(OST|UT)", Path: "^/v2/prod/", After: after, Cut: true})
		_, err := s.Run(t.Context(), nil, nil)
		b.server.Heal()
		doc, _, readErr := b.store.Read(t.Context(), channel.Prod)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if doc != nil {
			if after < 10 {
				t.Errorf("it was written after %d requests", after)
			}
			break
		}
		if err == nil {
			t.Fatalf("cut after %d writes, it says that it is promoted", after)
		}
	}
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	here := *b.plan
	here.Prefix = b.server.Prefix("prod")
	if d := b.prod(); len(d.Images) != 1 {
		t.Errorf("%+v", d)
	}
	if n := len(records[model.Promotion](b, here.Prefix+"/python", model.Digest(b.prod().Images[0].Digest), model.PromotionArtifactType)); n != 1 {
		t.Errorf("%d records", n)
	}
}

// TestTheBlobsAreMountedAndTheRequestsCounted copies within one registry: no
// blob is sent but what was written now, and each image costs so many requests.
func TestTheBlobsAreMountedAndTheRequestsCounted(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python"}, plantest.Image{ID: "hello"})
	b.server.Forget()
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range b.server.Requests() {
		method, path, _ := strings.Cut(r, " ")
		what := "manifests"
		for _, w := range []string{"blobs/uploads", "blobs", "referrers", "tags"} {
			if strings.Contains(path, "/"+w) {
				what = w
				break
			}
		}
		kinds[fmt.Sprintf("%s %s", method, what)]++
	}
	first := len(b.server.Requests())
	if kinds["GET blobs"] > 4*2 { // the lists of packages, and nothing of the images
		t.Errorf("blobs were read: %v", kinds)
	}
	b.server.Forget()
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	again := len(b.server.Requests())
	t.Logf("of an image with two platforms: %d requests, %d when nothing is new; %v for two", first/2, again/2, kinds)
	if first/2 > requestsFirst || again/2 > requestsAgain {
		t.Errorf("an image cost %d requests, and %d when nothing was new; docs/guide/channels.md says %d and %d", first/2, again/2, requestsFirst, requestsAgain)
	}
}

// What docs/guide/channels.md says.
const (
	requestsFirst = 152
	requestsAgain = 80
)
