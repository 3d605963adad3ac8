package audit_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	"google.golang.org/grpc/codes"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/attest/attesttest"
	"github.com/rootfsgen/rootfsgen/runtime/audit"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

func later(d time.Duration) string { return attesttest.At.Add(d).Format(time.RFC3339) }

// TestLife signs, promotes and withdraws an image, and lets the registries tell
// all of it: one that lists what is about a digest, and one that does not.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*registrytest.Server{"referrers": registrytest.New(t), "fallback": registrytest.NewWithoutReferrers(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := attesttest.PublishAs(t, attesttest.Sealed(t), s.Prefix("testing/app"))
			signer, judge := attesttest.Somebody(t)
			stranger, _ := attesttest.Somebody(t)
			amd64 := p.Image.Platforms[0]
			refused := attesttest.Verdict(amd64.Platform, amd64.Digest, model.VerdictRefused, attesttest.At.Add(2*time.Hour))
			refused.Blocking = []model.Judged{{Finding: model.Finding{ID: "CVE-2026-1"}}}
			refused.Excepted = []model.Judged{{Finding: model.Finding{ID: "CVE-2026-2"}, Exception: "CVE-2026-2 until 2026-12-01"}}
			refused.Sources = []model.VerdictScan{{Source: "local", Database: "2026-11-20T00:00:00Z"}}
			p.Artifact(t, amd64.Digest, gate.VerdictType, refused, attesttest.At.Add(2*time.Hour))
			for n, by := range []*sign.Signer{signer, stranger} {
				at := attesttest.At.Add(time.Hour)
				step := attest.Step{Registry: p.Client, Signer: by, Origin: attest.Origin{Builder: "https://example.com/b"}, Now: func() time.Time { return at }}
				if _, err := step.Sign(t.Context(), p.Image); err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					if _, err := step.Attest(t.Context(), p.Image); err != nil {
						t.Fatal(err)
					}
				}
			}
			prod := s.Prefix("prod/app")
			if err := p.Client.Copy(t.Context(), p.Repo, prod, p.Image.Digest); err != nil {
				t.Fatal(err)
			}
			promoted := attesttest.Published{Client: p.Client, Repo: prod}
			promoted.Artifact(t, p.Image.Digest, model.PromotionArtifactType, model.Promotion{
				Version: 1, Digest: p.Image.Digest, Image: "app", From: p.Repo + ":1", To: prod + ":1", Time: later(3 * time.Hour), Actor: "ada", Run: "https://example.com/run/1",
			}, attesttest.At.Add(3*time.Hour))
			withdrawal := promoted.Artifact(t, amd64.Digest, model.WithdrawalArtifactType, model.Withdrawal{
				Version: 1, Digest: amd64.Digest, Because: amd64.Digest, Reason: "it leaks", Time: later(4 * time.Hour), Actor: "bo",
			}, attesttest.At.Add(4*time.Hour))
			if _, err := p.Client.TagOnce(t.Context(), prod, withdrawal, model.WithdrawalTag(amd64.Digest)); err != nil {
				t.Fatal(err)
			}
			life, err := audit.Read(t.Context(), p.Client, []string{p.Repo, prod}, p.Image.Digest, audit.Options{Judge: judge, Require: model.Requirables()})
			if err != nil {
				t.Fatal(err)
			}
			check(t, life)
		})
	}
}

func check(t *testing.T, life *audit.Life) {
	t.Helper()
	counts := map[string]int{}
	var all strings.Builder
	for n, e := range life.Events {
		counts[e.Kind]++
		all.WriteString(e.Time + " " + e.Kind + " " + e.Platform + " " + e.Says + "\n")
		if n > 0 && e.Time < life.Events[n-1].Time {
			t.Errorf("%s of %s comes after %s", e.Kind, e.Time, life.Events[n-1].Time)
		}
	}
	want := map[string]int{
		audit.KindBuild: 2, audit.KindTest: 2, audit.KindSBOM: 2, audit.KindScan: 2, audit.KindVerdict: 3, audit.KindMerge: 1,
		audit.KindSignature: 6, audit.KindAttestation: 15, audit.KindPromotion: 1, audit.KindWithdrawal: 1,
	}
	for kind, n := range want {
		if counts[kind] != n {
			t.Errorf("%d of %s, want %d", counts[kind], kind, n)
		}
	}
	for _, says := range []string{
		"built, generation 0, from debian:13@", "merged as 1-2026.11.21", "grype 0.121.2, database of 2026-11-21T09:00:00Z",
		"refused by the policy", "1 findings block", "excepted: CVE-2026-2 (CVE-2026-2 until 2026-12-01)", "local with a database of 2026-11-20T00:00:00Z",
		"signed by key ", "by nobody we trust", "attested: https://rootfsgen.dev/decision/v1", "by ada in https://example.com/run/1", "withdrawn, by bo: it leaks",
	} {
		if !strings.Contains(all.String(), says) {
			t.Errorf("nothing says %q", says)
		}
	}
	if t.Failed() {
		t.Log(all.String())
	}
	if last := life.Events[len(life.Events)-1]; last.Kind != audit.KindWithdrawal {
		t.Errorf("the last event is %s", last.Kind)
	}
	// The newest verdict was refused, and attested: a passing decision is what is missing.
	for _, e := range life.Events {
		if believed := e.Kind != audit.KindPromotion && e.Kind != audit.KindWithdrawal && !strings.Contains(e.Says, "by nobody we trust") && !strings.HasPrefix(e.Says, "refused"); e.Unverified == believed {
			t.Errorf("%s: unverified is %v: %s", e.Kind, e.Unverified, e.Says)
		}
	}
	if len(life.Missing) == 0 || slices.ContainsFunc(life.Missing, func(m string) bool { return !strings.Contains(m, "decision") }) {
		t.Errorf("missing: %q", life.Missing)
	}
}

// TestBareImage names everything that an image lacks which was only pushed.
func TestBareImage(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := attesttest.Publish(t, s.Prefix("testing/app"))
	bare := s.Prefix("bare/app")
	if err := p.Client.Copy(t.Context(), p.Repo, bare, p.Image.Digest); err != nil {
		t.Fatal(err)
	}
	_, judge := attesttest.Somebody(t)
	life, err := audit.Read(t.Context(), registry.New(registry.Options{}), []string{bare}, p.Image.Digest, audit.Options{Judge: judge, Require: model.Requirables()})
	if err != nil {
		t.Fatal(err)
	}
	if len(life.Events) > 0 {
		t.Errorf("it tells of %+v", life.Events)
	}
	missing := strings.Join(life.Missing, "\n")
	for _, want := range []string{
		"the index: there is no receipt of its merge", "linux/arm64: there is no receipt of its build", "linux/amd64: there is no finished scan",
		"linux/amd64: nobody who is trusted has judged it", "linux/arm64: there is no list of its packages", "the index: there is no signed signature",
	} {
		if !strings.Contains(missing, want) {
			t.Errorf("missing:\n%s\nwithout %q", missing, want)
		}
	}
}

// TestVerdictsThatNobodySpeaksFor lays a verdict beside an image that no gate has
// seen, and a record of a promotion that names it: both are told of as
// unverified, and stand for no judgement.
func TestVerdictsThatNobodySpeaksFor(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := attesttest.PublishAs(t, attesttest.Sealed(t), s.Prefix("testing/app"))
	bare := s.Prefix("bare/app")
	if err := p.Client.Copy(t.Context(), p.Repo, bare, p.Image.Digest); err != nil {
		t.Fatal(err)
	}
	amd64 := p.Image.Platforms[0]
	stranger := registry.New(registry.Options{})
	planted := attesttest.Published{Client: stranger, Repo: bare}
	verdict := planted.Artifact(t, amd64.Digest, gate.VerdictType, attesttest.Verdict(amd64.Platform, amd64.Digest, model.VerdictPass, attesttest.At), attesttest.At)
	told := func(c *registry.Client, repo string) (unspoken, unverified int, missing string) {
		t.Helper()
		life, err := audit.Read(t.Context(), c, []string{repo}, p.Image.Digest, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range life.Events {
			if e.Kind == audit.KindVerdict && strings.Contains(e.Says, "no receipt speaks for it") {
				unspoken++
			}
			if e.Kind == audit.KindVerdict && e.Unverified {
				unverified++
			}
			if e.Kind == audit.KindPromotion && !e.Unverified {
				t.Errorf("the record of a promotion is believed: %+v", e)
			}
		}
		return unspoken, unverified, strings.Join(life.Missing, "\n")
	}
	const unjudged = "linux/amd64: nobody who is trusted has judged it"
	if n, doubted, missing := told(p.Client, bare); n != 1 || doubted != 1 || !strings.Contains(missing, unjudged) {
		t.Errorf("a planted pass: %d unspoken, %d unverified, missing:\n%s", n, doubted, missing)
	}
	if n, doubted, missing := told(p.Client, p.Repo); n != 0 || doubted != 0 || missing != "" {
		t.Errorf("the gate's own: %d unspoken, %d unverified, missing:\n%s", n, doubted, missing)
	}
	if n, doubted, missing := told(stranger, p.Repo); n != 0 || doubted != 2 || !strings.Contains(missing, unjudged) {
		t.Errorf("the gate's own, where nobody is trusted: %d unspoken, %d unverified, missing:\n%s", n, doubted, missing)
	}
	planted.Artifact(t, p.Image.Digest, model.PromotionArtifactType, model.Promotion{
		Version: 1, Digest: p.Image.Digest, Image: "app", To: bare + ":1", Time: later(time.Hour),
		Verdicts: []model.PromotionVerdict{{Platform: "linux/amd64", Digest: amd64.Digest, Outcome: model.VerdictPass, Artifact: verdict}},
	}, attesttest.At)
	planted.Receipt(t, model.Receipt{
		Step: model.StepGate, StepKey: model.GateStepKey(amd64.Digest, attesttest.Policy), Platform: "linux/amd64", Digest: amd64.Digest,
		Inputs: []model.Material{{Name: "policy", Digest: attesttest.Policy}},
	})
	for name, c := range map[string]*registry.Client{"of the builders": p.Client, "who trusts nobody": stranger} {
		if _, doubted, missing := told(c, bare); doubted != 1 || !strings.Contains(missing, unjudged) {
			t.Errorf("one that a planted record and receipt name, by somebody %s: %d unverified, missing:\n%s", name, doubted, missing)
		}
	}
}

// TestWhatIsUnverified tells of each event whether somebody who is trusted has
// signed it, or the receipt that speaks for it; a list and a scan that no such
// receipt names stand for none.
func TestWhatIsUnverified(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := attesttest.PublishAs(t, attesttest.Sealed(t), s.Prefix("testing/app"))
	unverified := func(c *registry.Client, repo string) (kinds []string, missing string) {
		t.Helper()
		life, err := audit.Read(t.Context(), c, []string{repo}, p.Image.Digest, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range life.Events {
			if e.Unverified && !slices.Contains(kinds, e.Kind) {
				kinds = append(kinds, e.Kind)
			}
		}
		slices.Sort(kinds)
		return kinds, strings.Join(life.Missing, "\n")
	}
	if kinds, _ := unverified(p.Client, p.Repo); len(kinds) > 0 {
		t.Errorf("unverified by those who are trusted: %v", kinds)
	}
	want := []string{audit.KindBuild, audit.KindMerge, audit.KindSBOM, audit.KindScan, audit.KindTest, audit.KindVerdict}
	if kinds, _ := unverified(registry.New(registry.Options{}), p.Repo); !slices.Equal(kinds, want) {
		t.Errorf("unverified where nobody is trusted: %v, want %v", kinds, want)
	}
	unsigned := attesttest.Publish(t, s.Prefix("planted/app"))
	life, err := audit.Read(t.Context(), p.Client, []string{unsigned.Repo}, unsigned.Image.Digest, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	missing := strings.Join(life.Missing, "\n")
	for _, lack := range []string{"there is no list of its packages", "there is no finished scan", "nobody who is trusted has judged it", "there is no receipt of its build"} {
		if !strings.Contains(missing, "linux/amd64: "+lack) {
			t.Errorf("missing:\n%s\nwithout %q", missing, lack)
		}
	}
}

// TestAttachments tells of what Artifact Registry alone knows to be about an
// image, and of nothing twice.
func TestAttachments(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := attesttest.Publish(t, s.Prefix("testing/app"))
	const place, image = "projects/team/locations/europe/repositories/images", "europe-docker.pkg.dev/team/images/app"
	google := gcptest.NewRegistry(t)
	of := place + "/packages/app/versions/"
	amd64 := p.Image.Platforms[0].Digest
	lists, err := p.Client.Artifacts(t.Context(), p.Repo, amd64, "application/vnd.cyclonedx+json")
	if err != nil || len(lists) != 1 {
		t.Fatal(lists, err)
	}
	google.PutAttachment(&pb.Attachment{Name: place + "/attachments/ours", Target: of + amd64.String(), Type: "application/vnd.cyclonedx+json", OciVersionName: of + lists[0].Digest.String()})
	google.PutAttachment(&pb.Attachment{
		Name: place + "/attachments/theirs", Target: of + amd64.String(), Type: "application/vnd.spdx+json", AttachmentNamespace: "artifactanalysis.googleapis.com",
		OciVersionName: of + model.DigestOf(nil).String(),
	})
	client, err := artifactregistry.New(artifactregistry.Options{API: googleapi.Options{Endpoint: google.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	o := audit.Options{Attachments: func(ctx context.Context, _ string, d model.Digest) ([]artifactregistry.Attachment, error) {
		return client.Attachments(ctx, image, d)
	}}
	life, err := audit.Read(t.Context(), p.Client, []string{p.Repo}, p.Image.Digest, o)
	if err != nil {
		t.Fatal(err)
	}
	var says []string
	for _, e := range life.Events {
		if e.Kind == audit.KindAttachment {
			says = append(says, e.Platform+" "+e.Says)
		}
	}
	if want := []string{"linux/amd64 attached, by artifactanalysis.googleapis.com: application/vnd.spdx+json (theirs)"}; !slices.Equal(says, want) {
		t.Errorf("it tells of %q, want %q", says, want)
	}
	google.Fail(gcptest.Fault{Method: "ListAttachments", Code: codes.PermissionDenied, Message: "no"})
	if _, err := audit.Read(t.Context(), p.Client, []string{p.Repo}, p.Image.Digest, o); err == nil {
		t.Error("a list that cannot be read is none")
	}
}
