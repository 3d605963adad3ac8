package signed

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/scan/local"
)

// forged is a list of one harmless package, as syft writes it.
const forged = `{"artifacts":[{"id":"harmless","name":"harmless","version":"1","type":"deb","locations":[{"path":"/var/lib/dpkg/status"}],
"licenses":[],"language":"","cpes":[],"purl":"pkg:deb/debian/harmless@1"}],"artifactRelationships":[],"descriptor":{"name":"syft","version":"1.57.0"},
"distro":{"id":"debian","versionID":"12","versionCodename":"bookworm"},"source":{"id":"x","name":"x","version":"x","type":"image","metadata":{}},
"schema":{"version":"16.1.0","url":"https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-16.1.0.json"}}`

// planted lays beside an image what says that nothing is wrong with it, with
// the receipts that make it count: a list and a scan with the database dir.
func planted(t *testing.T, c *registry.Client, repo string, digest model.Digest, db string) {
	t.Helper()
	program := sbom.NewProgram(filepath.Join(enginetest.Bin(t), "syft"))
	tool, err := program.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{sbom.Syft, sbom.CycloneDX} {
		body := map[string]string{sbom.Syft: forged, sbom.CycloneDX: `{"bomFormat":"CycloneDX","components":[{"type":"library","name":"harmless","purl":"pkg:deb/debian/harmless@1"}]}`}[format]
		list, err := c.PutArtifact(t.Context(), repo, registry.Artifact{Subject: digest, Type: sbom.MediaType(format), Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		err = c.PutReceipt(t.Context(), repo, model.Receipt{
			Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(digest, tool, format), Status: model.ReceiptPassed, Digest: digest,
			Inputs: []model.Material{{Name: "artifact " + format, Digest: list}, {Name: "sbom " + format, Digest: model.DigestOf([]byte(body))}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// What a scanner says that has believed the list.
	s := local.New(local.Options{Grype: filepath.Join(enginetest.Bin(t), "grype"), DB: db, SBOM: sbom.Step{Registry: c, Program: program}})
	said, err := s.Scan(t.Context(), repo, model.TargetID{Image: filepath.Base(repo), Tag: "latest", Platform: model.LinuxAMD64}, digest)
	if err != nil || said.State != model.ScanFinished || len(said.Findings) != 0 {
		t.Fatalf("the trap is open: %+v, %v", said, err)
	}
	if err := (scan.Store{Registry: c}).Save(t.Context(), repo, said); err != nil {
		t.Fatal(err)
	}
}

// platforms are the digests of the platforms that testing lists, by image.
func (b *bench) platforms() map[string]model.Digest {
	b.t.Helper()
	var d struct {
		Images []struct {
			ID        string                  `json:"id"`
			Platforms map[string]model.Digest `json:"platforms"`
		} `json:"images"`
	}
	text, err := os.ReadFile(filepath.Join(b.Dir, ".cache", "channels", "manifest.testing.json"))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	digests := map[string]model.Digest{}
	for _, i := range d.Images {
		digests[i.ID] = i.Platforms["linux/amd64"]
	}
	return digests
}

// TestPlantedEvidence lets somebody who may write to the testing registry lay
// lists and scans there that say nothing is wrong. Where nobody signs receipts
// a promotion believes none: it looks into the bytes, and what it says of them
// is all that comes to prod.
func TestPlantedEvidence(t *testing.T) {
	b := newBench(t, scanned(), map[string]string{"rootfsgen.yaml": "version: 1\n", "images/app/image.yaml": "arch: [amd64]\n"})
	b.known("low")
	b.run(0, "rootfsrun", "run")
	digests := b.platforms()
	if len(digests) != 2 {
		t.Fatalf("testing has %v", digests)
	}
	c := registry.New(registry.Options{})
	plant := func() {
		db := strings.TrimPrefix(b.env[len(b.env)-1], "ROOTFSRUN_SCAN_DB=")
		for image, d := range digests {
			planted(t, c, b.prefix+"/"+image, d, db)
		}
	}
	b.known("critical")
	plant()
	if errs := b.promote(5); !strings.Contains(errs, "base: linux/amd64: CRITICAL CVE-2026-0001 in pkg:deb/debian/openssl@3.0.1-1") {
		t.Errorf("a promotion that somebody lies to says\n%s", errs)
	}
	if prod := b.prod(); prod != "" {
		t.Fatalf("prod is written\n%s", prod)
	}
	b.known("low")
	plant()
	b.promote(0)
	b.truth(c, digests)
	plant()
	b.promote(0)
	b.truth(c, digests)

	// Later scanners know more, and prod is asked by what the promotion wrote.
	b.known("critical")
	for image, d := range digests {
		s := local.New(local.Options{
			Grype: filepath.Join(enginetest.Bin(t), "grype"), DB: strings.TrimPrefix(b.env[len(b.env)-1], "ROOTFSRUN_SCAN_DB="), MaxAge: time.Hour,
			SBOM: sbom.Step{Registry: c, Program: sbom.NewProgram(filepath.Join(enginetest.Bin(t), "syft")), ReadOnly: true},
		})
		said, err := s.Scan(t.Context(), b.prefix+"-prod/"+image, model.TargetID{Image: image, Platform: model.LinuxAMD64}, d)
		if err != nil || len(said.Findings) != 1 {
			t.Errorf("a scan of prod's %s: %+v, %v", image, said, err)
		}
	}
}

// truth wants every list of prod to be of the bytes, and one scan.
func (b *bench) truth(c *registry.Client, digests map[string]model.Digest) {
	b.t.Helper()
	for image, d := range digests {
		repo := b.prefix + "-prod/" + image
		kinds := map[string]int{}
		found, err := c.Artifacts(b.t.Context(), repo, d, "")
		if err != nil {
			b.t.Fatal(err)
		}
		for _, f := range found {
			kinds[f.Type]++
			if f.Type == registry.ReceiptArtifactType {
				continue
			}
			body, _, _, err := c.ReadArtifact(b.t.Context(), repo, f.Digest, sbom.MaxDocument)
			if err != nil {
				b.t.Fatal(err)
			}
			if strings.Contains(string(body), "harmless") {
				b.t.Errorf("prod has of %s what was planted in testing: %s", image, f.Type)
			}
		}
		if kinds[sbom.MediaType(sbom.CycloneDX)] != 1 || kinds[sbom.MediaType(sbom.Syft)] != 1 || kinds[scan.ArtifactType] != 1 {
			b.t.Errorf("prod has of %s: %v", image, kinds)
		}
		if scans, err := (scan.Store{Registry: c}).Newest(b.t.Context(), repo, d); err != nil || len(scans) != 1 || len(scans[0].Findings) != 1 {
			b.t.Errorf("prod says of %s: %+v, %v", image, scans, err)
		}
	}
}
