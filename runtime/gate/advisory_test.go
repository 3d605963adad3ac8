package gate_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestExceptionsOfAnAdvisory: an advisory may stand for several vulnerabilities,
// and an exception for one of them allows it no more than that one.
func TestExceptionsOfAnAdvisory(t *testing.T) {
	t.Parallel()
	advisory := model.Finding{
		ID: "ELSA-2026-1", Aliases: []string{"CVE-2026-1", "CVE-2026-2"}, PURL: "pkg:rpm/oracle/openssl@3", Fixed: "4", Severity: model.SeverityHigh,
	}
	single := advisory
	single.Aliases = []string{"CVE-2026-1", "GHSA-1"}
	strange := advisory
	strange.Aliases = []string{"GHSA-1", "GHSA-2"}
	for name, c := range map[string]struct {
		f     model.Finding
		ids   []string
		holds bool
	}{
		"one of two":         {advisory, []string{"CVE-2026-1"}, false},
		"the other":          {advisory, []string{"cve-2026-2"}, false},
		"both":               {advisory, []string{"CVE-2026-1", "cve-2026-2"}, true},
		"one of them twice":  {advisory, []string{"CVE-2026-1", "CVE-2026-1"}, false},
		"the advisory":       {advisory, []string{"elsa-2026-1"}, true},
		"the only one":       {single, []string{"CVE-2026-1"}, true},
		"its other name":     {single, []string{"GHSA-1"}, true},
		"one of two of ours": {strange, []string{"GHSA-1"}, false},
	} {
		p := strict()
		for _, id := range c.ids {
			x := allowed()
			x.ID, x.PURL = id, "pkg:rpm/oracle/openssl"
			p.Exceptions = append(p.Exceptions, x)
		}
		v := judge(p, scan(c.f))
		if (v.Outcome == model.VerdictPass) != c.holds {
			t.Errorf("%s: %s", name, v.Outcome)
		}
		if c.holds && (len(v.Excepted) != 1 || v.Excepted[0].Rule != gate.RuleException) {
			t.Errorf("%s: %+v", name, v.Excepted)
		}
		if told := strings.Join(v.Warnings, "\n"); !c.holds && !strings.Contains(told, "does not let ELSA-2026-1 be there, which is ") {
			t.Errorf("%s: %q", name, told)
		}
	}
	// Each of several must hold by itself.
	p := strict()
	for n, id := range []string{"CVE-2026-1", "CVE-2026-2"} {
		x := allowed()
		x.ID, x.PURL = id, "pkg:rpm/oracle/openssl"
		if n == 1 {
			x.Expires = "2026-11-20"
		}
		p.Exceptions = append(p.Exceptions, x)
	}
	if v := judge(p, scan(advisory)); v.Outcome != model.VerdictRefused {
		t.Errorf("with one that has ended: %s", v.Outcome)
	}
}

// TestUnknownIsWhatNobodySays: what a policy lets be there because nobody says
// how severe it is, is not what somebody calls severe.
func TestUnknownIsWhatNobodySays(t *testing.T) {
	t.Parallel()
	f := func(provider string, score float64) model.Finding {
		return model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/a@1", Fixed: "2", Severity: model.SeverityUnknown, Provider: provider, CVSS: score}
	}
	for name, c := range map[string]struct {
		f            model.Finding
		allow, block string // outcomes
	}{
		"nobody":         {f("", 0), model.VerdictPass, model.VerdictRefused},
		"the provider":   {f(model.SeverityCritical, 0), model.VerdictRefused, model.VerdictRefused},
		"the score":      {f("", 9.8), model.VerdictRefused, model.VerdictRefused},
		"both, mildly":   {f(model.SeverityLow, 2), model.VerdictPass, model.VerdictRefused},
		"one, severely":  {f(model.SeverityLow, 9), model.VerdictRefused, model.VerdictRefused},
		"a strange word": {f("SEVERE", 0), model.VerdictPass, model.VerdictRefused},
	} {
		for unknown, want := range map[string]string{model.PolicyAllow: c.allow, model.PolicyWarn: c.allow, model.PolicyBlock: c.block} {
			for _, basis := range []string{"effective", "provider", "cvss", "max"} {
				p := strict()
				p.Unknown, p.Basis = unknown, basis
				if basis != "effective" && unknown == model.PolicyBlock && name != "nobody" && name != "a strange word" {
					continue // somebody says so
				}
				if v := judge(p, scan(c.f)); v.Outcome != want && (basis != "provider" || name != "one, severely") {
					t.Errorf("%s, unknown: %s, basis: %s: %s", name, unknown, basis, v.Outcome)
				}
			}
		}
	}
}
