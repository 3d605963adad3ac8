package sbom_test

import (
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// TestVouched: a list counts by the receipt that names it and its digest, under
// the program that the list says has written it, and if it speaks of no other
// image.
func TestVouched(t *testing.T) {
	t.Parallel()
	c, repo := registry.New(registry.Options{}), registrytest.New(t).Prefix("testing/app")
	push := func() model.Digest {
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.PushImage(t.Context(), repo, img)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	digest, other := push(), push()
	cyclone := func(tool string, of model.Digest) string {
		return fmt.Sprintf(`{"bomFormat":"CycloneDX","metadata":{"component":{"version":%q},"tools":{"components":[{"name":"syft","version":%q}]}}}`, of, tool)
	}
	for _, tc := range []struct {
		name, tool   string // the tool that the receipt lies under; empty for no receipt
		format, body string
		about        model.Digest // what the receipt is about
		artifact     model.Digest // that the receipt names; empty is the list
		want         bool
	}{
		{"ours", "syft 1.0", sbom.CycloneDX, cyclone("1.0", digest), digest, "", true},
		{"of no image that it names", "syft 1.1", sbom.CycloneDX, cyclone("1.1", ""), digest, "", true},
		{"syft's own", "syft 1.2", sbom.Syft, `{"artifacts":[],"descriptor":{"name":"syft","version":"1.2"},"source":{"version":"` + digest.String() + `"}}`, digest, "", true},
		{"SPDX", "syft 1.3", sbom.SPDX, `{"spdxVersion":"SPDX-2.3","creationInfo":{"creators":["Tool: syft-1.3"]}}`, digest, "", true},
		{"of another image", "syft 1.4", sbom.CycloneDX, cyclone("1.4", other), digest, "", false},
		{"by nobody", "", sbom.CycloneDX, `{"bomFormat":"CycloneDX"}`, digest, "", false},
		{"no document", "", sbom.CycloneDX, `[`, digest, "", false},
		{"with another's receipt", "syft 1.5", sbom.CycloneDX, cyclone("1.5", digest), digest, other, false},
		{"with a receipt of another image", "syft 1.6", sbom.CycloneDX, cyclone("1.6", digest), other, "", false},
		{"of no form that is known", "syft 1.7", "", cyclone("1.7", digest), digest, "", false},
	} {
		list := registry.Found{Type: sbom.MediaType(tc.format), Digest: model.DigestOf([]byte(tc.name))}
		named := tc.artifact
		if named == "" {
			named = list.Digest
		}
		if tc.tool != "" {
			err := c.PutReceipt(t.Context(), repo, model.Receipt{
				Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(digest, tc.tool, tc.format), Status: model.ReceiptPassed,
				Digest: tc.about, Inputs: []model.Material{{Name: "artifact " + tc.format, Digest: named}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, ok, err := sbom.Vouched(t.Context(), c, repo, digest, list, []byte(tc.body)); err != nil || ok != tc.want {
			t.Errorf("a list %s: %v, %v", tc.name, ok, err)
		}
	}
}
