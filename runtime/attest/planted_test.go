package attest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/attest/attesttest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// TestPlanted attests no document that lies beside an image without the
// receipt of the step that makes such documents.
func TestPlanted(t *testing.T) {
	t.Parallel()
	p := publish(t, registrytest.New(t))
	signer, judge := attesttest.Somebody(t)
	for _, platform := range p.Image.Platforms {
		planted := attesttest.Verdict(platform.Platform, platform.Digest, model.VerdictPass, at.Add(time.Hour))
		planted.Policy = model.DigestOf([]byte("none"))
		p.Artifact(t, platform.Digest, gate.VerdictType, planted, at.Add(time.Hour))
		p.Artifact(t, platform.Digest, "application/vnd.cyclonedx+json", map[string]any{"bomFormat": "CycloneDX", "serialNumber": "planted"}, at.Add(time.Hour))
		p.Artifact(t, platform.Digest, scan.ArtifactType, model.Scan{Digest: platform.Digest, Source: "planted", State: model.ScanFinished}, at.Add(time.Hour))
	}
	for _, a := range p.signAll(t, signer) {
		if a.Type != attest.TypeSignature {
			body, _, _, err := p.Client.ReadArtifact(t.Context(), p.Repo, a.Artifact, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			s, err := judge.Verify(body, a.Subject)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(s.Payload), "planted") || strings.Contains(string(s.Payload), model.DigestOf([]byte("none")).String()) {
				t.Errorf("it attests %s", s.Payload)
			}
		}
	}
}

// TestPlantedPasses plants verdicts that pass by the policy that did pass: of
// other scans, out of a file, of no version, and one that says two things. What
// is attested is what the gate's receipt names.
func TestPlantedPasses(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(v *model.Verdict) any{
		"of another scan": func(v *model.Verdict) any {
			v.Sources = []model.VerdictScan{{Source: model.SourceLocal, State: model.ScanFinished, Digest: model.DigestOf([]byte("kind"))}}
			return v
		},
		"out of a file": func(v *model.Verdict) any { v.Detached = true; return v },
		"of no version": func(v *model.Verdict) any { v.Version = 0; return v },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publish(t, registrytest.New(t))
			signer, judge := attesttest.Somebody(t)
			for _, platform := range p.Image.Platforms {
				planted := attesttest.Verdict(platform.Platform, platform.Digest, model.VerdictPass, at.Add(time.Hour))
				planted.Warnings = []string{"planted"}
				p.Artifact(t, platform.Digest, gate.VerdictType, plant(&planted), at.Add(time.Hour))
			}
			decisions := p.decisions(t, judge, p.signAll(t, signer))
			if len(decisions) != 4 {
				t.Errorf("%d decisions are attested", len(decisions))
			}
			for _, d := range decisions {
				if strings.Contains(d, "planted") {
					t.Errorf("it attests %s", d)
				}
			}
		})
	}
}

// TestNothingIsAttestedThatReadsTwoWays plants a verdict that refuses to one
// reader of JSON, and passes to another.
func TestNothingIsAttestedThatReadsTwoWays(t *testing.T) {
	t.Parallel()
	p := publish(t, registrytest.New(t))
	signer, judge := attesttest.Somebody(t)
	for _, platform := range p.Image.Platforms {
		planted := attesttest.Verdict(platform.Platform, platform.Digest, model.VerdictRefused, at.Add(time.Hour))
		body, err := json.Marshal(planted)
		if err != nil {
			t.Fatal(err)
		}
		twice := strings.Replace(string(body), `"outcome":"refused"`, `"outcome":"pass","Outcome":"refused"`, 1)
		p.Artifact(t, platform.Digest, gate.VerdictType, json.RawMessage(twice), at.Add(time.Hour))
	}
	decisions := p.decisions(t, judge, p.signAll(t, signer))
	for _, d := range decisions {
		if strings.Contains(d, `"outcome":"pass"`) {
			t.Errorf("it attests %s", d)
		}
	}
	if len(decisions) != 4 {
		t.Errorf("%d decisions are attested", len(decisions))
	}
}

// decisions are the signed statements of decisions among some attestations.
func (p published) decisions(t *testing.T, judge *sign.Judge, attached []attest.Attached) (out []string) {
	t.Helper()
	for _, a := range attached {
		if a.Type != attest.TypeDecision {
			continue
		}
		body, _, _, err := p.Client.ReadArtifact(t.Context(), p.Repo, a.Artifact, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		s, err := judge.Verify(body, a.Subject)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(s.Payload))
	}
	return out
}
