package promote_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestAMergeOfAnotherImageIsRefused: the entry of one image with the reference
// and the repository of another one.
func TestAMergeOfAnotherImageIsRefused(t *testing.T) {
	t.Parallel()
	b, s := judging(t, plantest.Image{ID: "python", Priority: 1}, plantest.Image{ID: "node"})
	doc := b.testing()
	node, _ := doc.Find("node")
	for n := range doc.Images {
		if doc.Images[n].ID == "python" {
			doc.Images[n] = node
			doc.Images[n].ID = "python"
		}
	}
	if _, err := s.Run(t.Context(), doc, []string{"python"}); err == nil || !strings.Contains(err.Error(), "python: its merge is that of node:1") {
		t.Errorf("got %v", err)
	}
	b.nothing()
}

// TestAnIndexWithMoreThanPlatformsIsRefused: what would be copied, and nobody
// has looked at.
func TestAnIndexWithMoreThanPlatformsIsRefused(t *testing.T) {
	t.Parallel()
	for name, media := range map[string]string{
		"a manifest without a platform": `"mediaType":"application/vnd.oci.image.manifest.v1+json"`,
		"an index in the index":         `"mediaType":"application/vnd.oci.image.index.v1+json","platform":{"os":"linux","architecture":"amd64"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, s := judging(t, plantest.Image{ID: "python"})
			repo, version := b.server.Prefix("testing/python"), "1-2026.11.21"
			raw, at, err := b.client.Manifest(t.Context(), repo, version)
			if err != nil {
				t.Fatal(err)
			}
			extra := plantest.Build(t, b.client, b.plan, &b.plan.Entries[0])
			changed := strings.Replace(string(raw), `"manifests":[`, `"manifests":[{`+media+`,"size":1,"digest":"`+extra.String()+`"},`, 1)
			if changed == string(raw) {
				t.Fatal("the index was not changed")
			}
			digest, err := b.client.PutManifest(t.Context(), repo, []byte(changed), at.MediaType, version)
			if err != nil {
				t.Fatal(err)
			}
			merge, there, err := b.client.Receipt(t.Context(), repo, model.ReceiptTag(model.StepMerge, model.MergeStepKey(b.plan.Indexes[0].Identity)))
			if err != nil || !there {
				t.Fatal(err)
			}
			merge.Digest = digest
			if err := b.client.PutReceipt(t.Context(), repo, merge); err != nil {
				t.Fatal(err)
			}
			doc := b.testing()
			doc.Images[0].Digest = manifest.Digest(digest)
			if _, err := s.Run(t.Context(), doc, nil); err == nil || !strings.Contains(err.Error(), "which is no platform's manifest") {
				t.Errorf("got %v", err)
			}
			b.nothing()
		})
	}
}

// TestARefusalIsNoAbsenceOfAWithdrawal: also where a refusal to read stands for
// a repository that is not there yet.
func TestARefusalIsNoAbsenceOfAWithdrawal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		b, s := judging(t, plantest.Image{ID: "python"})
		s.Registry = registry.New(registry.Options{Bootstrap: true, Attempts: 1})
		b.server.Fail(registrytest.Fault{Path: "/manifests/w-", Status: status})
		if r, err := s.Run(t.Context(), nil, nil); err == nil {
			t.Errorf("%d: %+v", status, r)
		}
		b.nothing()
	}
}
