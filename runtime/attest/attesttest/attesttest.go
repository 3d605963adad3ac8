// Package attesttest publishes images as the steps of a pipeline do, for tests
// of what is signed and told of them.
package attesttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/keytest"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	scans "github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// At is when all of it was done.
var At = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// Policy is the digest of the policy that the verdicts are by.
var Policy = model.DigestOf([]byte("policy"))

// Published is an image with everything that the steps before signing leave.
type Published struct {
	Client *registry.Client
	Repo   string
	Image  *attest.Image
}

// Somebody is a signer, and a judge who trusts it and nobody else.
func Somebody(t testing.TB) (*sign.Signer, *sign.Judge) {
	t.Helper()
	private, public := keytest.New(t)
	o := sign.Options{Dir: t.TempDir(), Env: func(string) string { return private }}
	if err := os.WriteFile(filepath.Join(o.Dir, "key.pub"), []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := sign.Open(t.Context(), model.Signing{Key: "env:KEY"}, o)
	if err != nil {
		t.Fatal(err)
	}
	judge, err := sign.Trusting(t.Context(), []model.Signer{{Key: "key.pub"}}, "", o)
	if err != nil {
		t.Fatal(err)
	}
	return signer, judge
}

// Sealed is a client that signs its receipts, and believes no others.
func Sealed(t testing.TB) *registry.Client {
	t.Helper()
	signer, judge := Somebody(t)
	return registry.New(registry.Options{
		SignReceipt: signer.Sign,
		TrustReceipt: func(_ context.Context, bundle, statement []byte, digest model.Digest) error {
			signed, err := judge.Verify(bundle, digest)
			if err == nil && !bytes.Equal(signed.Payload, statement) {
				err = errors.New("something else was signed")
			}
			return err
		},
	})
}

// Publish makes an image "app:1" for two platforms in a repository; nobody signs
// its receipts.
func Publish(t testing.TB, repo string) Published {
	t.Helper()
	return PublishAs(t, registry.New(registry.Options{}), repo)
}

// PublishAs is Publish, by a client.
func PublishAs(t testing.TB, c *registry.Client, repo string) Published {
	t.Helper()
	p := Published{Client: c, Repo: repo}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var parts []model.IndexPart
	digests := map[model.Platform]model.Digest{}
	for _, platform := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Client.PushImage(t.Context(), p.Repo, img)
		if err != nil {
			t.Fatal(err)
		}
		key := model.DigestOf([]byte("key " + platform.String()))
		parts = append(parts, model.IndexPart{Platform: platform, Key: key})
		digests[platform] = d
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: platform.OS, Architecture: platform.Arch}, Annotations: map[string]string{"dev.rootfsgen.key": key.String()},
		}})
	}
	identity := model.IndexIdentity("app:1", parts)
	annotated, ok := mutate.Annotations(index, map[string]string{"dev.rootfsgen.key": identity.String(), "org.opencontainers.image.revision": strings.Repeat("ab", 20)}).(v1.ImageIndex)
	if !ok {
		t.Fatal("no index")
	}
	d, err := p.Client.PushIndex(t.Context(), p.Repo, annotated)
	if err != nil {
		t.Fatal(err)
	}
	merge := model.Receipt{Step: model.StepMerge, StepKey: model.MergeStepKey(identity), Key: identity, Digest: d, VersionTag: "1-2026.11.21"}
	for _, part := range parts {
		digest := digests[part.Platform]
		p.built(t, part, digest)
		p.known(t, part.Platform, digest, model.VerdictPass, At)
		merge.Inputs = append(merge.Inputs, model.MergeInputs(part.Platform, digest, model.BuildStepKey(part.Key, 0), model.TestStepKey(digest, Policy))...)
	}
	p.Receipt(t, merge)
	if p.Image, err = attest.Read(t.Context(), p.Client, p.Repo, d); err != nil {
		t.Fatal(err)
	}
	return p
}

// Receipt writes a receipt of the image.
func (p Published) Receipt(t testing.TB, r model.Receipt) {
	t.Helper()
	r.Version, r.Status, r.Image, r.Tag, r.UpdatedAt = model.ReceiptVersion, model.ReceiptPassed, "app", "1", At.Format(time.RFC3339)
	if err := p.Client.PutReceipt(t.Context(), p.Repo, r); err != nil {
		t.Fatal(err)
	}
}

func (p Published) built(t testing.TB, part model.IndexPart, digest model.Digest) {
	t.Helper()
	p.Receipt(t, model.Receipt{
		Step: model.StepBuild, StepKey: model.BuildStepKey(part.Key, 0), Platform: part.Platform.String(), Key: part.Key, Digest: digest,
		Inputs: []model.Material{{Name: "debian:13", Digest: model.DigestOf([]byte("debian"))}},
	})
	p.Receipt(t, model.Receipt{Step: model.StepTest, StepKey: model.TestStepKey(digest, Policy), Platform: part.Platform.String(), Key: part.Key, Digest: digest})
}

// Artifact attaches a document to a digest.
func (p Published) Artifact(t testing.TB, digest model.Digest, kind string, document any, when time.Time) model.Digest {
	t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Client.PutArtifact(t.Context(), p.Repo, registry.Artifact{
		Subject: digest, Type: kind, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: when.Format(time.RFC3339)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// known is what sbom, scan and gate leave about a platform.
func (p Published) known(t testing.TB, platform model.Platform, digest model.Digest, outcome string, when time.Time) {
	t.Helper()
	list := p.Artifact(t, digest, "application/vnd.cyclonedx+json", map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6",
		"metadata": map[string]any{"tools": map[string]any{"components": []any{map[string]string{"name": "syft", "version": "1.57.0"}}}},
	}, when)
	p.Receipt(t, model.Receipt{
		Step: model.StepSBOM, StepKey: model.SBOMStepKey(digest, "syft 1.57.0", "cyclonedx-json"), Platform: platform.String(), Digest: digest,
		Inputs: []model.Material{{Name: "artifact cyclonedx-json", Digest: list}},
	})
	scan := model.Scan{
		Image: "app", Tag: "1", Platform: platform.String(), Digest: digest, Source: model.SourceLocal, Tool: "grype 0.121.2",
		Database: At.Format(time.RFC3339), State: model.ScanFinished, Time: when.Format(time.RFC3339), Findings: []model.Finding{},
	}
	found := p.Artifact(t, digest, scans.ArtifactType, scan, when)
	p.Receipt(t, model.Receipt{
		Step: model.StepScan, StepKey: model.ScanStepKey(digest, scan.Source, scan.Tool, scan.Database), Platform: platform.String(), Digest: digest,
		Inputs: []model.Material{{Name: "scan local", Digest: found}},
	})
	p.Artifact(t, digest, gate.VerdictType, Verdict(platform, digest, outcome, when), when)
	if outcome == model.VerdictPass {
		p.Receipt(t, model.Receipt{
			Step: model.StepGate, StepKey: model.GateStepKey(digest, Policy), Platform: platform.String(), Digest: digest,
			Inputs: []model.Material{{Name: "policy", Digest: Policy}},
		})
	}
}

// Verdict is by Policy.
func Verdict(platform model.Platform, digest model.Digest, outcome string, when time.Time) model.Verdict {
	return model.Verdict{
		Version: model.VerdictVersion, Image: "app", Tag: "1", Platform: platform.String(), Digest: digest, Outcome: outcome, Policy: Policy,
		Mode: model.EnforceBlock, Sources: []model.VerdictScan{}, Blocking: []model.Judged{}, Counts: map[string]int{}, Time: when.Format(time.RFC3339),
	}
}
