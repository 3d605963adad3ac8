package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestSecretsThatNobodyLooksFor: where the policy stops them it is said, or
// nobody can say, by scanState.unreported; what was found is refused anyhow.
func TestSecretsThatNobodyLooksFor(t *testing.T) {
	t.Parallel()
	silent := func(findings ...model.Finding) model.Scan {
		s := scan(findings...)
		s.Reports = nil
		return s
	}
	failed := by(model.SourceArtifactAnalysis, scan())
	failed.State = model.ScanFailed
	secret := model.Finding{ID: "KEY", Kind: model.FindingSecret, Path: "/root/.ssh/id_rsa", Severity: model.SeverityLow}
	asked := []model.PolicySource{{Name: model.SourceLocal, Required: model.RequiredAlways}, {Name: model.SourceArtifactAnalysis, Required: model.RequiredNever}}
	for _, c := range []struct {
		name    string
		scans   []model.Scan
		sources []model.PolicySource
		secrets bool
		warn    string // outcome with unreported: warn
		block   string // with unreported: block
		said    bool
	}{
		{"the source looks", []model.Scan{scan()}, asked, true, model.VerdictPass, model.VerdictPass, false},
		{"another one looks", []model.Scan{silent(), by(model.SourceArtifactAnalysis, scan())}, asked, true, model.VerdictPass, model.VerdictPass, false},
		{"nobody looks", []model.Scan{silent()}, asked, true, model.VerdictPass, model.VerdictIncomplete, true},
		{"who looks has failed", []model.Scan{silent(), failed}, asked, true, model.VerdictPass, model.VerdictIncomplete, true},
		{"who looks is no source of the policy", []model.Scan{silent(), by("stranger", scan())}, asked, true, model.VerdictPass, model.VerdictIncomplete, true},
		{"nobody looks, and something blocks", []model.Scan{silent(high)}, asked, true, model.VerdictRefused, model.VerdictRefused, true},
		{"nobody says that it looks, and there is one", []model.Scan{silent(secret)}, asked, true, model.VerdictRefused, model.VerdictRefused, true},
		{"nobody cares", []model.Scan{silent()}, asked, false, model.VerdictPass, model.VerdictPass, false},
	} {
		for unreported, want := range map[string]string{model.PolicyWarn: c.warn, model.PolicyBlock: c.block, "": c.block} {
			p := strict()
			p.Sources, p.Always.Secrets, p.State.Unreported = c.sources, c.secrets, unreported
			v := gate.Judge(p, now, target, digest, c.scans, gate.Where{})
			said := strings.Join(append(slices.Clone(v.Warnings), v.Unfinished...), "; ")
			if v.Outcome != want || strings.Contains(said, "secrets: no source that has finished looks for them") != c.said {
				t.Errorf("%s, unreported: %q: %s, want %s; it says %q", c.name, unreported, v.Outcome, want, said)
			}
		}
	}
}
