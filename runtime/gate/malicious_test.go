package gate_test

import (
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestAMaliciousPackageIsKnownByItsID: scanners name malware as they name a
// vulnerability, and an exception must not allow it.
func TestAMaliciousPackageIsKnownByItsID(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	digest := model.DigestOf([]byte("image"))
	target := model.TargetID{Image: "web", Platform: model.LinuxAMD64}
	p := strict()
	p.Exceptions = []model.Exception{{
		ID: "MAL-2026-1", PURL: "pkg:npm/evil", Reason: "none", Owner: "@a", ApprovedBy: "@b", Created: "2026-11-20", Expires: "2026-11-24",
	}}
	for _, f := range []model.Finding{
		{ID: "MAL-2026-1", PURL: "pkg:npm/evil@1", Severity: model.SeverityHigh},
		{ID: "GHSA-1", Aliases: []string{"MAL-2026-1"}, PURL: "pkg:npm/evil@1", Severity: model.SeverityLow},
	} {
		v := gate.Judge(p, at, target, digest, []model.Scan{{
			Image: "web", Platform: "linux/amd64", Digest: digest, Source: model.SourceLocal, Tool: "grype 1", State: model.ScanFinished,
			Time: at.Format(time.RFC3339), Database: at.Format(time.RFC3339), Findings: []model.Finding{f},
		}}, gate.Where{})
		if v.Outcome != model.VerdictRefused {
			t.Errorf("%s: %s", f.ID, v.Outcome)
		}
	}
}
