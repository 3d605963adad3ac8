package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

var (
	now    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	target = model.TargetID{Image: "python", Tag: "3.13", Platform: model.LinuxAMD64}
	digest = model.DigestOf([]byte("image"))
)

const dayLong = 24 * time.Hour

// strict is a policy such as the default: what the runtime is given, it does
// not read.
func strict() model.Policy {
	return model.Policy{
		Mode:    model.EnforceBlock,
		Sources: []model.PolicySource{{Name: model.SourceLocal, Required: model.RequiredAlways}},
		Basis:   "effective", Fixable: []string{model.SeverityCritical, model.SeverityHigh}, Unfixable: []string{model.SeverityCritical, model.SeverityHigh},
		Unknown: model.PolicyBlock,
		Always:  model.PolicyAlways{KEV: true, Malicious: true, Secrets: true, EPSS: 0.7},
		State: model.PolicyState{
			Failed: model.PolicyBlock, Unsupported: model.PolicyFallback, Missing: model.PolicyBlock, Timeout: model.PolicyBlock,
			Inactive: model.PolicyRescan, Unreported: model.PolicyWarn, MaxAge: 72 * time.Hour,
		},
		VEX:         model.PolicyVEX{Accept: []string{"openvex"}, Statuses: []string{model.VEXFixed, model.VEXNotAffected}, Justification: true, Authors: []string{"us"}},
		MaxLifetime: map[string]time.Duration{model.SeverityCritical: 14 * dayLong, model.SeverityHigh: 30 * dayLong, model.SeverityUnknown: 14 * dayLong},
		WarnBefore:  7 * dayLong, Unused: model.PolicyWarn,
	}
}

func at(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }

// scan is a finished one of an hour ago.
func scan(findings ...model.Finding) model.Scan {
	return model.Scan{
		Image: target.Image, Tag: target.Tag, Platform: target.Platform.String(), Digest: digest, Source: model.SourceLocal, Tool: "grype 0.121.2",
		Database: at(2 * time.Hour), State: model.ScanFinished, Time: at(time.Hour), Reports: []string{model.FindingMalicious, model.FindingSecret}, Findings: findings,
	}
}

func by(source string, s model.Scan) model.Scan {
	s.Source = source
	return s
}

// high blocks, low does not.
var (
	high = model.Finding{ID: "CVE-2026-1234", Aliases: []string{"GHSA-1"}, PURL: "pkg:deb/debian/openssl@3.0.1", Fixed: "3.0.2", Severity: model.SeverityHigh}
	low  = model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/zlib@1", Severity: model.SeverityLow}
)

func judge(p model.Policy, scans ...model.Scan) model.Verdict {
	return gate.Judge(p, now, target, digest, scans, gate.Where{})
}

// TestRules judges one finding each.
func TestRules(t *testing.T) {
	t.Parallel()
	f := func(change func(*model.Finding)) model.Finding {
		out := high
		out.Severity, out.Fixed = model.SeverityMedium, ""
		change(&out)
		return out
	}
	for _, c := range []struct {
		name   string
		f      model.Finding
		policy func(*model.Policy)
		rule   string // empty: it passes
	}{
		{"critical", f(func(f *model.Finding) { f.Severity = model.SeverityCritical }), nil, gate.RuleUnfixable},
		{"critical, mended", f(func(f *model.Finding) { f.Severity, f.Fixed = model.SeverityCritical, "2" }), nil, gate.RuleFixable},
		{"high", f(func(f *model.Finding) { f.Severity = model.SeverityHigh }), nil, gate.RuleUnfixable},
		{"high, that may be there unmended", f(func(f *model.Finding) { f.Severity = model.SeverityHigh }), func(p *model.Policy) { p.Unfixable = p.Unfixable[:1] }, ""},
		{"medium", f(func(*model.Finding) {}), nil, ""},
		{"negligible", f(func(f *model.Finding) { f.Severity = model.SeverityNegligible }), nil, ""},
		{"unknown", f(func(f *model.Finding) { f.Severity = model.SeverityUnknown }), nil, gate.RuleUnknown},
		{"no severity", f(func(f *model.Finding) { f.Severity = "" }), nil, gate.RuleUnknown},
		{"not a severity", f(func(f *model.Finding) { f.Severity = "low" }), nil, gate.RuleUnknown},
		{"unknown, warned", f(func(f *model.Finding) { f.Severity = model.SeverityUnknown }), func(p *model.Policy) { p.Unknown = model.PolicyWarn }, ""},
		{"unknown, allowed", f(func(f *model.Finding) { f.Severity = model.SeverityUnknown }), func(p *model.Policy) { p.Unknown = model.PolicyAllow }, ""},
		{"unknown, of a policy that says nothing", f(func(f *model.Finding) { f.Severity = model.SeverityUnknown }), func(p *model.Policy) { p.Unknown = "" }, gate.RuleUnknown},
		{"exploited", f(func(f *model.Finding) { f.KEV = true }), nil, gate.RuleKEV},
		{"exploited, allowed", f(func(f *model.Finding) { f.KEV = true }), func(p *model.Policy) { p.Always.KEV = false }, ""},
		{"soon exploited", f(func(f *model.Finding) { f.EPSS = 0.7 }), nil, gate.RuleEPSS},
		{"less soon", f(func(f *model.Finding) { f.EPSS = 0.69 }), nil, ""},
		{"epss does not count", f(func(f *model.Finding) { f.EPSS = 1 }), func(p *model.Policy) { p.Always.EPSS = 0 }, ""},
		{"malicious", f(func(f *model.Finding) { f.Kind, f.Severity = model.FindingMalicious, model.SeverityLow }), nil, gate.RuleMalicious},
		{"secret", f(func(f *model.Finding) { f.Kind, f.Severity = model.FindingSecret, model.SeverityLow }), nil, gate.RuleSecret},
		{"secret by its severity", f(func(f *model.Finding) { f.Kind, f.Severity = model.FindingSecret, model.SeverityHigh }), func(p *model.Policy) { p.Always.Secrets = false }, gate.RuleUnfixable},
		{"unknown kind", f(func(f *model.Finding) { f.Kind, f.Severity = "licence", model.SeverityLow }), nil, gate.RuleKind},
		{"by the provider", f(func(f *model.Finding) { f.Provider = model.SeverityHigh }), func(p *model.Policy) { p.Basis = "provider" }, gate.RuleUnfixable},
		{"no provider", f(func(f *model.Finding) { f.Severity = model.SeverityHigh }), func(p *model.Policy) { p.Basis = "provider" }, gate.RuleUnfixable},
		{"the provider says less", f(func(f *model.Finding) { f.Severity, f.Provider = model.SeverityHigh, model.SeverityLow }), func(p *model.Policy) { p.Basis = "provider" }, ""},
		{"by its score", f(func(f *model.Finding) { f.CVSS = 7 }), func(p *model.Policy) { p.Basis = "cvss" }, gate.RuleUnfixable},
		{"a lower score", f(func(f *model.Finding) { f.CVSS = 6.9 }), func(p *model.Policy) { p.Basis = "cvss" }, ""},
		{"the worst", f(func(f *model.Finding) { f.CVSS, f.Provider = 9.1, model.SeverityLow }), func(p *model.Policy) { p.Basis = "max" }, gate.RuleUnfixable},
		{"the worst of what is known", f(func(f *model.Finding) { f.Severity, f.Provider = model.SeverityUnknown, model.SeverityLow }), func(p *model.Policy) { p.Basis = "max" }, ""},
		{"nothing is known", f(func(f *model.Finding) { f.Severity = model.SeverityUnknown }), func(p *model.Policy) { p.Basis = "max" }, gate.RuleUnknown},
	} {
		p := strict()
		if c.policy != nil {
			c.policy(&p)
		}
		v := judge(p, scan(c.f))
		got := ""
		if len(v.Blocking) > 0 {
			got = v.Blocking[0].Rule
		}
		if want := map[bool]string{true: model.VerdictPass, false: model.VerdictRefused}[c.rule == ""]; got != c.rule || v.Outcome != want {
			t.Errorf("%s: %s by %q, want %s by %q", c.name, v.Outcome, got, want, c.rule)
		}
		if c.name == "unknown, warned" && (len(v.Warnings) != 1 || !strings.Contains(v.Warnings[0], "nobody says how severe it is")) {
			t.Errorf("%s: %q", c.name, v.Warnings)
		}
	}
}

func TestVEX(t *testing.T) {
	t.Parallel()
	good := high
	good.VEX, good.VEXFormat, good.VEXAuthor, good.VEXReason = model.VEXNotAffected, "openvex", "us", "vulnerable_code_not_in_execute_path"
	for _, c := range []struct {
		name   string
		change func(*model.Finding, *model.Policy)
		counts bool
	}{
		{"ours", func(*model.Finding, *model.Policy) {}, true},
		{"fixed needs no justification", func(f *model.Finding, _ *model.Policy) { f.VEX, f.VEXReason = model.VEXFixed, "" }, true},
		{"exploited", func(f *model.Finding, _ *model.Policy) { f.KEV = true }, true},
		{"a stranger's", func(f *model.Finding, _ *model.Policy) { f.VEXAuthor = "them" }, false},
		{"nobody's", func(f *model.Finding, _ *model.Policy) { f.VEXAuthor = "" }, false},
		{"nobody is trusted", func(_ *model.Finding, p *model.Policy) { p.VEX.Authors = nil }, false},
		{"without a justification", func(f *model.Finding, _ *model.Policy) { f.VEXReason = " " }, false},
		{"none is wanted", func(f *model.Finding, p *model.Policy) { f.VEXReason, p.VEX.Justification = "", false }, true},
		{"another format", func(f *model.Finding, _ *model.Policy) { f.VEXFormat = "csaf" }, false},
		{"no format", func(f *model.Finding, _ *model.Policy) { f.VEXFormat = "" }, false},
		{"affected", func(f *model.Finding, p *model.Policy) {
			f.VEX, p.VEX.Statuses = model.VEXAffected, []string{model.VEXAffected}
		}, false},
		{"under investigation", func(f *model.Finding, _ *model.Policy) { f.VEX = model.VEXUnderInvestigation }, false},
		{"a status that does not count", func(_ *model.Finding, p *model.Policy) { p.VEX.Statuses = []string{model.VEXFixed} }, false},
		{"malicious", func(f *model.Finding, _ *model.Policy) { f.Kind = model.FindingMalicious }, false},
		{"a secret", func(f *model.Finding, p *model.Policy) { f.Kind, p.Always.Secrets = model.FindingSecret, false }, false},
	} {
		f, p := good, strict()
		c.change(&f, &p)
		v := judge(p, scan(f))
		if (v.Outcome == model.VerdictPass) != c.counts {
			t.Errorf("%s: %s", c.name, v.Outcome)
		}
		if c.counts && (len(v.Excepted) != 1 || v.Excepted[0].Rule != gate.RuleVEX) {
			t.Errorf("%s: %+v", c.name, v.Excepted)
		}
	}
}

func TestTheNewestScanOfASourceCounts(t *testing.T) {
	t.Parallel()
	older, newer := scan(high), scan()
	older.Time, newer.Time = at(3*time.Hour), at(time.Hour)
	if v := judge(strict(), older, newer); v.Outcome != model.VerdictPass || len(v.Sources) != 1 {
		t.Errorf("%+v", v)
	}
	older.Findings, newer.Findings = nil, []model.Finding{high}
	if v := judge(strict(), newer, older); v.Outcome != model.VerdictRefused {
		t.Errorf("%+v", v)
	}
	newer.State = model.ScanFailed
	if v := judge(strict(), older, newer); v.Outcome != model.VerdictIncomplete {
		t.Errorf("an older scan speaks for what failed: %+v", v)
	}
	newer.State, newer.Time = model.ScanFinished, older.Time
	if v := judge(strict(), older, newer); v.Outcome != model.VerdictRefused || len(v.Sources) != 2 {
		t.Errorf("of two that are as new, one hides the other: %+v", v)
	}
	other := scan(high)
	other.Digest = model.DigestOf([]byte("another image"))
	v := judge(strict(), other)
	if v.Outcome != model.VerdictIncomplete || len(v.Blocking) > 0 || !strings.Contains(strings.Join(v.Warnings, " "), "another digest") {
		t.Errorf("a scan of another digest: %+v", v)
	}
}

// TestAgeDoesNotPardon: what a scan found does not go away because the scan
// grows old.
func TestAgeDoesNotPardon(t *testing.T) {
	t.Parallel()
	p := strict()
	p.Sources = []model.PolicySource{{Name: model.SourceArtifactAnalysis, Required: model.RequiredAlways}, {Name: model.SourceLocal, Required: model.RequiredUnsupported}}
	old := scan(high)
	old.Time = at(30 * dayLong)
	if v := judge(p, by(model.SourceArtifactAnalysis, scan()), old); v.Outcome != model.VerdictRefused {
		t.Errorf("%+v", v)
	}
	old.Findings = nil
	if v := judge(p, by(model.SourceArtifactAnalysis, scan()), old); v.Outcome != model.VerdictPass {
		t.Errorf("an old scan that nobody needs: %+v", v)
	}
}

func TestAnotherToolAndStrangers(t *testing.T) {
	t.Parallel()
	p := strict()
	p.Sources[0].Tool = "trivy"
	if v := judge(p, scan()); v.Outcome != model.VerdictIncomplete || !strings.Contains(v.Unfinished[0], "grype 0.121.2, and the policy asks for trivy") {
		t.Errorf("%+v", v)
	}
	s := scan()
	s.Tool = "Trivy 0.70"
	if v := judge(p, s); v.Outcome != model.VerdictPass {
		t.Errorf("%+v", v)
	}
	if v := judge(strict(), by("snyk", scan())); v.Outcome != model.VerdictIncomplete {
		t.Errorf("a stranger speaks for an image: %+v", v)
	}
	if v := judge(strict(), scan(), by("snyk", scan(high))); v.Outcome != model.VerdictRefused {
		t.Errorf("what a stranger found does not count: %+v", v)
	}
	failed := by("snyk", scan())
	failed.State = model.ScanFailed
	if v := judge(strict(), scan(), failed); v.Outcome != model.VerdictIncomplete {
		t.Errorf("a stranger's failure: %+v", v)
	}
}

func TestIfFixedAndCounts(t *testing.T) {
	t.Parallel()
	worse := model.Finding{ID: "CVE-2026-9", PURL: "pkg:deb/debian/bash@5", Severity: model.SeverityCritical}
	v := judge(strict(), scan(low, high))
	if v.IfFixed != model.VerdictPass {
		t.Errorf("everything is mended: %q", v.IfFixed)
	}
	v = judge(strict(), scan(low, high, worse))
	if v.IfFixed != model.VerdictRefused {
		t.Errorf("one cannot be mended: %q", v.IfFixed)
	}
	if d := cmp.Diff(map[string]int{"LOW": 1, "HIGH": 1, "CRITICAL": 1}, v.Counts); d != "" {
		t.Error(d)
	}
	if v.Blocking[0].Finding.ID != worse.ID || v.Blocking[1].Finding.ID != high.ID {
		t.Errorf("not the worst first: %+v", v.Blocking)
	}
	p := strict()
	p.Sources = append(p.Sources, model.PolicySource{Name: model.SourceArtifactAnalysis, Required: model.RequiredAlways})
	if v = judge(p, scan(high)); v.Outcome != model.VerdictRefused || v.IfFixed != model.VerdictIncomplete {
		t.Errorf("%s, mended %s", v.Outcome, v.IfFixed)
	}
	// Two sources that found the same count it once, by the worse of their severities.
	milder := high
	milder.Severity = model.SeverityLow
	if v = judge(strict(), scan(milder), by("snyk", scan(high))); len(v.Blocking) != 1 || v.Counts["HIGH"] != 1 || v.Counts["LOW"] != 0 {
		t.Errorf("%+v", v)
	}
}
