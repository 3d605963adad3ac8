package attest_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/attest/attesttest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

var (
	at     = attesttest.At
	policy = attesttest.Policy
	origin = attest.Origin{Builder: "https://github.com/team/images/.github/workflows/rootfsgen-fleet.yml@refs/heads/main", Source: "https://github.com/team/images"}
)

func (p published) step(s *sign.Signer) attest.Step {
	return attest.Step{Registry: p.Client, Signer: s, Origin: origin, Now: func() time.Time { return at }}
}

func (p published) signAll(t *testing.T, s *sign.Signer) []attest.Attached {
	t.Helper()
	signed, err := p.step(s).Sign(t.Context(), p.Image)
	if err != nil {
		t.Fatal(err)
	}
	attested, err := p.step(s).Attest(t.Context(), p.Image)
	if err != nil {
		t.Fatal(err)
	}
	return append(signed, attested...)
}

// lacks is everything that is missing, of the index and of each platform.
func (p published) lacks(t *testing.T, q attest.Requirements) string {
	t.Helper()
	var all []string
	for _, d := range p.Image.Digests() {
		missing, err := attest.Gate{Registry: p.Client, Requirements: q}.Verify(t.Context(), p.Repo, d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, missing...)
	}
	return strings.Join(all, "\n")
}

func everything(j *sign.Judge) attest.Requirements {
	return attest.Requirements{Judge: j, Require: model.Requirables(), BuilderIDs: []string{"https://github.com/team/images/*"}, Policy: policy}
}

// published is an image whose statements are looked at.
type published struct{ attesttest.Published }

func publish(t *testing.T, s *registrytest.Server) published {
	t.Helper()
	return published{attesttest.Publish(t, s.Prefix("testing/app"))}
}

// TestAttested signs and attests an image, in registries that list what is
// about a digest and in those that do not; doing it again changes nothing.
func TestAttested(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*registrytest.Server{"referrers": registrytest.New(t), "fallback": registrytest.NewWithoutReferrers(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publish(t, s)
			signer, judge := attesttest.Somebody(t)
			if got := p.lacks(t, everything(judge)); strings.Count(got, "\n")+1 != 5*4 { // the index lacks each for both of its platforms
				t.Errorf("before anything is signed it lacks\n%s", got)
			}
			all := p.signAll(t, signer)
			kinds := map[string]int{}
			for _, a := range all {
				kinds[a.Type]++
				if !a.New {
					t.Errorf("%s of %s was there", a.Type, a.Subject)
				}
			}
			want := map[string]int{attest.TypeSignature: 3, attest.TypeProvenance: 3, attest.TypeCycloneDX: 4, attest.TypeScan: 4, attest.TypeDecision: 4}
			for kind, n := range want {
				if kinds[kind] != n {
					t.Errorf("%d of %s, want %d", kinds[kind], kind, n)
				}
			}
			if got := p.lacks(t, everything(judge)); got != "" {
				t.Errorf("it lacks\n%s", got)
			}
			if slices.ContainsFunc(p.signAll(t, signer), func(a attest.Attached) bool { return a.New }) {
				t.Error("signing again attached something")
			}
		})
	}
}

// TestRefusals is what does not let an image pass, each alone.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// attach is what is attached of an image that is signed with signer.
		attach func(t *testing.T, p published, signer *sign.Signer)
		q      func(*attest.Requirements)
		want   []string // all of it
	}{
		"a signature without attestations": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				if _, err := p.step(s).Sign(t.Context(), p.Image); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"no signed provenance", "no signed SBOM", "no signed vulnerability scan", "no signed decision"},
		},
		"only an attestation of the wrong type": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, d, "https://example.com/other/v1", map[string]string{"outcome": "pass"})
				}
			},
			want: []string{"no signed signature", "no signed provenance", "no signed SBOM", "no signed vulnerability scan", "no signed decision"},
		},
		"an attestation for another digest": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, model.DigestOf([]byte("elsewhere")), attest.TypeDecision, attesttest.Verdict(model.LinuxAMD64, d, model.VerdictPass, at))
				}
			},
			q:    only(model.RequireDecision),
			want: []string{"decision is signed by nobody we trust"},
		},
		"a decision about another digest": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, d, attest.TypeDecision, attesttest.Verdict(model.LinuxAMD64, model.DigestOf([]byte("elsewhere")), model.VerdictPass, at))
				}
			},
			q:    only(model.RequireDecision),
			want: []string{"it is about "},
		},
		"attestations by nobody we trust": {
			attach: func(t *testing.T, p published, _ *sign.Signer) {
				stranger, _ := attesttest.Somebody(t)
				p.signAll(t, stranger)
			},
			want: []string{
				"signature is signed by nobody we trust", "provenance is signed by nobody we trust", "SBOM is signed by nobody we trust",
				"scan is signed by nobody we trust", "decision is signed by nobody we trust",
			},
		},
		"a refused decision": {
			attach: decisions(func(p model.Platform, d model.Digest) []model.Verdict {
				return []model.Verdict{attesttest.Verdict(p, d, model.VerdictRefused, at)}
			}),
			q:    only(model.RequireDecision),
			want: []string{`its outcome is "refused"`},
		},
		"an incomplete decision": {
			attach: decisions(func(p model.Platform, d model.Digest) []model.Verdict {
				return []model.Verdict{attesttest.Verdict(p, d, model.VerdictIncomplete, at)}
			}),
			q:    only(model.RequireDecision),
			want: []string{`its outcome is "incomplete"`},
		},
		"a decision that a later one has overtaken": {
			attach: decisions(func(p model.Platform, d model.Digest) []model.Verdict {
				return []model.Verdict{attesttest.Verdict(p, d, model.VerdictPass, at), attesttest.Verdict(p, d, model.VerdictRefused, at.Add(time.Hour))}
			}),
			q:    only(model.RequireDecision),
			want: []string{`its outcome is "refused"`},
		},
		"a decision by another policy": {
			attach: func(t *testing.T, p published, s *sign.Signer) { p.signAll(t, s) },
			q: func(q *attest.Requirements) {
				q.Require, q.Policy = []string{model.RequireDecision}, model.DigestOf([]byte("stricter"))
			},
			want: []string{"it is by the policy"},
		},
		"a decision about one of the platforms": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				first := p.Image.Platforms[0]
				for _, d := range p.Image.Digests()[:2] {
					p.attach(t, s, d, d, attest.TypeDecision, attesttest.Verdict(first.Platform, first.Digest, model.VerdictPass, at))
				}
			},
			q:    only(model.RequireDecision),
			want: []string{"no signed decision (of the platform", "no signed decision"},
		},
		"a scan that has not finished": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, d, attest.TypeScan, attest.Scanned{Scanner: attest.Scanner{Version: "grype"}})
				}
			},
			q:    only(model.RequireScan),
			want: []string{"the scan has not finished"},
		},
		"a scan that failed": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					result, err := json.Marshal(model.Scan{Digest: d, State: model.ScanFailed})
					if err != nil {
						t.Fatal(err)
					}
					p.attach(t, s, d, d, attest.TypeScan, attest.Scanned{Scanner: attest.Scanner{Result: result}, Metadata: attest.ScanTimes{Finished: at.Format(time.RFC3339)}})
				}
			},
			q:    only(model.RequireScan),
			want: []string{`the scan is "failed"`},
		},
		"provenance of another builder": {
			attach: func(t *testing.T, p published, s *sign.Signer) { p.signAll(t, s) },
			q: func(q *attest.Requirements) {
				q.Require, q.BuilderIDs = []string{model.RequireProvenance}, []string{"https://github.com/other/*"}
			},
			want: []string{"is not one of trust.builder_ids"},
		},
		"provenance without materials": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, d, attest.TypeProvenance, attest.Provenance{Run: attest.RunDetails{Builder: attest.Builder{ID: origin.Builder}}})
				}
			},
			q:    only(model.RequireProvenance),
			want: []string{"names nothing that the image was made from"},
		},
		"an SBOM that is none": {
			attach: func(t *testing.T, p published, s *sign.Signer) {
				for _, d := range p.Image.Digests() {
					p.attach(t, s, d, d, attest.TypeCycloneDX, map[string]string{})
				}
			},
			q:    only(model.RequireSBOM),
			want: []string{"it is no list of packages"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publish(t, registrytest.New(t))
			signer, judge := attesttest.Somebody(t)
			q := everything(judge)
			if c.q != nil {
				c.q(&q)
			}
			c.attach(t, p, signer)
			got := p.lacks(t, q)
			if got == "" {
				t.Fatal("nothing is missing")
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks\n%s\nwithout %q", got, want)
				}
			}
		})
	}
}

func only(requirement string) func(*attest.Requirements) {
	return func(q *attest.Requirements) { q.Require = []string{requirement} }
}

// decisions attaches verdicts to the index and to each platform.
func decisions(of func(model.Platform, model.Digest) []model.Verdict) func(*testing.T, published, *sign.Signer) {
	return func(t *testing.T, p published, s *sign.Signer) {
		t.Helper()
		for _, platform := range p.Image.Platforms {
			for _, v := range of(platform.Platform, platform.Digest) {
				p.attach(t, s, platform.Digest, platform.Digest, attest.TypeDecision, v)
				p.attach(t, s, p.Image.Digest, p.Image.Digest, attest.TypeDecision, v)
			}
		}
	}
}

// attach lays a statement about a digest beside another one.
func (p published) attach(t *testing.T, s *sign.Signer, beside, about model.Digest, kind string, predicate any) {
	t.Helper()
	statement, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": kind, "predicate": predicate,
		"subject": []any{map[string]any{"name": p.Repo, "digest": map[string]string{"sha256": about.Hex()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := s.Sign(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Client.PutArtifact(t.Context(), p.Repo, registry.Artifact{
		Subject: beside, Type: sign.BundleType, Body: bundle, Annotations: map[string]string{"dev.sigstore.bundle.predicateType": kind},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestUnproven attests nothing of an image whose build nobody has recorded.
func TestUnproven(t *testing.T) {
	t.Parallel()
	p := publish(t, registrytest.New(t))
	signer, _ := attesttest.Somebody(t)
	image := *p.Image
	image.Platforms = slices.Clone(image.Platforms)
	image.Platforms[1].Build = model.Receipt{}
	_, err := p.step(signer).Attest(context.WithoutCancel(t.Context()), &image)
	if err == nil || !strings.Contains(err.Error(), "the build for linux/arm64") {
		t.Errorf("attesting ends with %v", err)
	}
}

// TestLists reads from each form of a list which program has written it.
func TestLists(t *testing.T) {
	t.Parallel()
	p := attesttest.Publish(t, registrytest.New(t).Prefix("testing/app"))
	signer, _ := attesttest.Somebody(t)
	amd64 := p.Image.Platforms[0]
	for format, c := range map[string]struct {
		kind string
		body any
	}{
		"spdx-json": {"application/spdx+json", map[string]any{"spdxVersion": "SPDX-2.3", "creationInfo": map[string]any{"creators": []string{"Organization: Anchore, Inc", "Tool: syft-1.57.0"}}}},
		"syft-json": {"application/vnd.syft+json", map[string]any{"artifacts": []any{}, "descriptor": map[string]string{"name": "syft", "version": "1.57.0"}}},
	} {
		list := p.Artifact(t, amd64.Digest, c.kind, c.body, at)
		p.Receipt(t, model.Receipt{
			Step: model.StepSBOM, StepKey: model.SBOMStepKey(amd64.Digest, "syft 1.57.0", format), Platform: amd64.Platform.String(), Digest: amd64.Digest,
			Inputs: []model.Material{{Name: "artifact " + format, Digest: list}},
		})
	}
	attached, err := attest.Step{Registry: p.Client, Signer: signer, Origin: origin, Now: func() time.Time { return at }}.Attest(t.Context(), p.Image)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, a := range attached {
		if a.Subject == amd64.Digest {
			kinds[a.Type]++
		}
	}
	if kinds[attest.TypeCycloneDX] != 1 || kinds[attest.TypeSPDX] != 1 || kinds[attest.TypeSyft] != 0 {
		t.Errorf("attested: %v", kinds)
	}
}
