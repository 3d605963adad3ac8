package gate_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	scans "github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/scan/local"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// TestRealFindingsAreJudged lets the real scanner look into an image in the
// real registry, with a real database: what it finds is refused, with an
// exception it passes and leaves its receipt, and when the database has grown
// old nobody can say any more.
func TestRealFindingsAreJudged(t *testing.T) {
	t.Parallel()
	client := registry.New(registry.Options{})
	plan := plantest.Plan(enginetest.Services(t).Registry+"/gate", '1', plantest.Image{ID: "python", Platforms: []model.Platform{model.LinuxAMD64}})
	entry := &plan.Entries[0]
	repo := plan.Prefix + "/python"
	digest, err := client.PushImage(t.Context(), repo, enginetest.Image(t, enginetest.Debian12(map[string]string{"bash": "5.2", "openssl": "3.0.1-1"})))
	if err == nil {
		_, err = client.TagOnce(t.Context(), repo, digest, model.ContentTag(entry.Key, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	db, _ := enginetest.ScanDB(t, time.Now(), enginetest.Vulnerability{
		ID: "CVE-2026-1234", Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.2", Fixed: "3.0.2", Severity: "high",
	})
	bin := enginetest.Bin(t)
	scanner := local.New(local.Options{
		Grype: filepath.Join(bin, "grype"), DB: db, MaxAge: 72 * time.Hour,
		SBOM: sbom.Step{Registry: client, Program: sbom.NewProgram(filepath.Join(bin, "syft"))},
	})
	found, err := scanner.Scan(t.Context(), repo, entry.ID(), digest)
	if err != nil || found.State != model.ScanFinished {
		t.Fatalf("%+v, %v", found, err)
	}
	doc, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: []model.Scan{found}})
	if err != nil {
		t.Fatal(err)
	}
	if _, list := gate.ReadScans("findings.json", doc); len(list) > 0 {
		t.Errorf("what the scanner says cannot be read: %v", list)
	}
	if err := (scans.Store{Registry: client}).Save(t.Context(), repo, found); err != nil {
		t.Fatal(err)
	}

	s := gate.Step{Registry: client, Policy: strict()}
	receipt := func() bool {
		_, found, err := client.Receipt(t.Context(), repo, model.ReceiptTag(model.StepGate, model.GateStepKey(digest, s.Policy.Digest())))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if _, err := s.Run(t.Context(), plan, entry); code(err) != 5 || !strings.Contains(err.Error(), "CVE-2026-1234; it would pass if the fixed versions were taken") || receipt() {
		t.Errorf("refused: %v, a receipt: %v", err, receipt())
	}
	x := allowed()
	x.Created, x.Expires = time.Now().UTC().Format(time.DateOnly), time.Now().UTC().Add(10*dayLong).Format(time.DateOnly)
	s.Policy.Exceptions = []model.Exception{x}
	if _, err := s.Run(t.Context(), plan, entry); err != nil || !receipt() {
		t.Errorf("with an exception: %v, a receipt: %v", err, receipt())
	}
	s.Now = func() time.Time { return time.Now().Add(80 * time.Hour) }
	if _, err := s.Run(t.Context(), plan, entry); code(err) != 6 {
		t.Errorf("80 hours later: %v", err)
	}
	all, err := client.Artifacts(t.Context(), repo, digest, gate.VerdictType)
	if err != nil || len(all) != 3 {
		t.Errorf("%d verdicts, %v", len(all), err)
	}
}
