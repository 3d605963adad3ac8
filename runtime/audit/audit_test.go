package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/attest/attesttest"
	"github.com/rootfsgen/rootfsgen/runtime/audit"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
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
			p := attesttest.Publish(t, s.Prefix("testing/app"))
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
		"linux/amd64: nobody has judged it", "linux/arm64: there is no list of its packages", "the index: there is no signed signature",
	} {
		if !strings.Contains(missing, want) {
			t.Errorf("missing:\n%s\nwithout %q", missing, want)
		}
	}
}
