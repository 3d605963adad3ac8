package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestKindsThatNobodyLooksFor: where the policy stops a kind of finding it is
// said, or nobody can say, by scanState.unreported; what was found is refused
// anyhow, and who looks for one kind does not speak for the other.
func TestKindsThatNobodyLooksFor(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name, other string
		said        string
		policy      func(*model.PolicyAlways, bool)
	}{
		{model.FindingSecret, model.FindingMalicious, "secrets: no source that has finished looks for them", func(p *model.PolicyAlways, stops bool) { p.Secrets = stops }},
		{model.FindingMalicious, model.FindingSecret, "malicious packages: no source that has finished looks for them", func(p *model.PolicyAlways, stops bool) { p.Malicious = stops }},
	} {
		silent := func(findings ...model.Finding) model.Scan {
			s := scan(findings...)
			s.Reports = []string{kind.other}
			return s
		}
		failed := by(model.SourceArtifactAnalysis, scan())
		failed.State = model.ScanFailed
		found := model.Finding{ID: "X", Kind: kind.name, PURL: "pkg:npm/x@1", Path: "/root/.ssh/id_rsa", Severity: model.SeverityLow}
		asked := []model.PolicySource{{Name: model.SourceLocal, Required: model.RequiredAlways}, {Name: model.SourceArtifactAnalysis, Required: model.RequiredNever}}
		for _, c := range []struct {
			name  string
			scans []model.Scan
			stops bool
			warn  string // outcome with unreported: warn
			block string // with unreported: block
			said  bool
		}{
			{"the source looks", []model.Scan{scan()}, true, model.VerdictPass, model.VerdictPass, false},
			{"another one looks", []model.Scan{silent(), by(model.SourceArtifactAnalysis, scan())}, true, model.VerdictPass, model.VerdictPass, false},
			{"nobody looks", []model.Scan{silent()}, true, model.VerdictPass, model.VerdictIncomplete, true},
			{"who looks has failed", []model.Scan{silent(), failed}, true, model.VerdictPass, model.VerdictIncomplete, true},
			{"who looks is no source of the policy", []model.Scan{silent(), by("stranger", scan())}, true, model.VerdictPass, model.VerdictIncomplete, true},
			{"nobody looks, and something blocks", []model.Scan{silent(high)}, true, model.VerdictRefused, model.VerdictRefused, true},
			{"nobody says that it looks, and there is one", []model.Scan{silent(found)}, true, model.VerdictRefused, model.VerdictRefused, true},
			{"nobody cares", []model.Scan{silent()}, false, model.VerdictPass, model.VerdictPass, false},
		} {
			for unreported, want := range map[string]string{model.PolicyWarn: c.warn, model.PolicyBlock: c.block, "": c.block} {
				p := strict()
				p.Sources, p.State.Unreported = asked, unreported
				kind.policy(&p.Always, c.stops)
				v := gate.Judge(p, now, target, digest, c.scans, gate.Where{})
				said := strings.Join(append(slices.Clone(v.Warnings), v.Unfinished...), "; ")
				if v.Outcome != want || strings.Contains(said, kind.said) != c.said || strings.Count(said, "looks for them") > 1 {
					t.Errorf("%s, %s, unreported: %q: %s, want %s; it says %q", kind.name, c.name, unreported, v.Outcome, want, said)
				}
			}
		}
	}
}
