package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// The drawn names are few, so that findings, exceptions and scans meet.
var (
	drawnIDs   = []string{"CVE-1", "CVE-2", "GHSA-1"}
	drawnPURLs = []string{"pkg:deb/debian/a@1", "pkg:deb/debian/a@2", "pkg:npm/b@1", ""}
	drawnTimes = []string{at(0), at(time.Hour), at(71 * time.Hour), at(80 * time.Hour), at(-time.Hour), ""}
)

func drawFinding(t *rapid.T) model.Finding {
	return model.Finding{
		ID: rapid.SampledFrom(drawnIDs).Draw(t, "id"), PURL: rapid.SampledFrom(drawnPURLs).Draw(t, "purl"),
		Aliases:  rapid.SliceOfN(rapid.SampledFrom(drawnIDs), 0, 1).Draw(t, "aliases"),
		Kind:     rapid.SampledFrom([]string{"", "", "", model.FindingMalicious, model.FindingSecret, "other"}).Draw(t, "kind"),
		Severity: rapid.SampledFrom(append(model.Severities(), "")).Draw(t, "severity"),
		Provider: rapid.SampledFrom(append(model.Severities(), "")).Draw(t, "provider"),
		Fixed:    rapid.SampledFrom([]string{"", "3"}).Draw(t, "fixed"),
		CVSS:     rapid.SampledFrom([]float64{0, 5, 9.8}).Draw(t, "cvss"), KEV: rapid.IntRange(0, 5).Draw(t, "kev") == 0,
		EPSS: rapid.SampledFrom([]float64{0, 0, 0.9}).Draw(t, "epss"),
		VEX:  rapid.SampledFrom([]string{"", "", model.VEXNotAffected, model.VEXFixed, model.VEXAffected}).Draw(t, "vex"), VEXFormat: "openvex",
		VEXAuthor: rapid.SampledFrom([]string{"us", "them"}).Draw(t, "author"), VEXReason: rapid.SampledFrom([]string{"", "inline"}).Draw(t, "reason"),
	}
}

func drawScan(t *rapid.T) model.Scan {
	s := scan(rapid.SliceOfN(rapid.Custom(drawFinding), 0, 4).Draw(t, "findings")...)
	s.Source = rapid.SampledFrom([]string{model.SourceLocal, model.SourceArtifactAnalysis, "other"}).Draw(t, "source")
	s.State = rapid.SampledFrom(append(model.ScanStates(), model.ScanFinished, model.ScanFinished, model.ScanFinished)).Draw(t, "state")
	s.Time, s.Database = rapid.SampledFrom(drawnTimes).Draw(t, "time"), rapid.SampledFrom(drawnTimes).Draw(t, "database")
	if rapid.IntRange(0, 9).Draw(t, "another") == 0 {
		s.Digest = model.DigestOf(nil)
	}
	return s
}

func drawException(t *rapid.T) model.Exception {
	x := allowed()
	x.ID, x.PURL = rapid.SampledFrom(drawnIDs).Draw(t, "id"), rapid.SampledFrom([]string{"pkg:deb/debian/a", "pkg:deb/debian/a@1", "pkg:npm/b"}).Draw(t, "purl")
	x.Expires = rapid.SampledFrom([]string{"2026-11-20", "2026-11-21", "2026-11-22", "2026-12-30"}).Draw(t, "expires")
	x.Reason = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "why")
	return x
}

func drawPolicy(t *rapid.T) model.Policy {
	all := policies(model.SourceArtifactAnalysis, model.SourceLocal)
	p := all[rapid.IntRange(0, len(all)-1).Draw(t, "policy")]
	p.Basis = rapid.SampledFrom([]string{"effective", "provider", "cvss", "max"}).Draw(t, "basis")
	p.Unknown = rapid.SampledFrom([]string{model.PolicyBlock, model.PolicyWarn, model.PolicyAllow}).Draw(t, "unknown")
	p.Fixable, p.Unfixable = model.Severities()[:rapid.IntRange(0, 5).Draw(t, "fixable")], model.Severities()[:rapid.IntRange(0, 5).Draw(t, "unfixable")]
	p.Always.KEV, p.Always.Malicious = rapid.Bool().Draw(t, "kev"), rapid.Bool().Draw(t, "malicious")
	p.Exceptions = rapid.SliceOfN(rapid.Custom(drawException), 0, 4).Draw(t, "exceptions")
	return p
}

// rank is how near an outcome is to a pass.
func rank(v model.Verdict) int {
	return slices.Index([]string{model.VerdictPass, model.VerdictIncomplete, model.VerdictRefused}, v.Outcome)
}

// TestLaws: what is added never makes a verdict better, what allows never makes
// it worse, and the order of everything does not matter.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, scans := drawPolicy(t), rapid.SliceOfN(rapid.Custom(drawScan), 0, 4).Draw(t, "scans")
		where := gate.Where{GAR: rapid.Bool().Draw(t, "gar")}
		v := gate.Judge(p, now, target, digest, scans, where)
		passes := v.Outcome == model.VerdictPass

		if len(scans) > 0 {
			more := slices.Clone(scans)
			n := rapid.IntRange(0, len(more)-1).Draw(t, "one")
			more[n].Findings = append(slices.Clone(more[n].Findings), drawFinding(t))
			if w := gate.Judge(p, now, target, digest, more, where); rank(w) < rank(v) {
				t.Fatalf("a finding made %s of %s", w.Outcome, v.Outcome)
			}
		}
		if len(p.Exceptions) > 0 {
			fewer := p
			n := rapid.IntRange(0, len(p.Exceptions)-1).Draw(t, "exception")
			fewer.Exceptions = slices.Delete(slices.Clone(p.Exceptions), n, n+1)
			if w := gate.Judge(fewer, now, target, digest, scans, where); rank(w) < rank(v) {
				t.Fatalf("an exception less made %s of %s", w.Outcome, v.Outcome)
			}
		}
		strictest := p
		strictest.Always = model.PolicyAlways{KEV: true, Malicious: true, Secrets: true, EPSS: 0.1}
		strictest.Unknown, strictest.Fixable, strictest.Unfixable, strictest.VEX.Authors = model.PolicyBlock, model.Severities(), model.Severities(), nil
		strictest.Exceptions = nil
		if w := gate.Judge(strictest, now, target, digest, scans, where); w.Outcome == model.VerdictPass && !passes {
			t.Fatalf("a stricter policy lets it pass")
		}

		mixed, order := slices.Clone(scans), p
		mixed = rapid.Permutation(mixed).Draw(t, "scans' order")
		for i := range mixed {
			mixed[i].Findings = rapid.Permutation(mixed[i].Findings).Draw(t, "findings' order")
		}
		order.Exceptions = rapid.Permutation(p.Exceptions).Draw(t, "exceptions' order")
		w := gate.Judge(order, now, target, digest, mixed, where)
		for _, both := range []*model.Verdict{&v, &w} { // the documents differ, what is said of them does not
			both.Policy = ""
			for i := range both.Sources {
				both.Sources[i].Digest = ""
			}
			slices.SortFunc(both.Sources, func(a, b model.VerdictScan) int { return strings.Compare(text(a), text(b)) })
		}
		if d := cmp.Diff(v, w); d != "" {
			t.Fatalf("the order matters:\n%s", d)
		}

		if passes {
			named := []string{model.SourceArtifactAnalysis, model.SourceLocal}
			if !slices.ContainsFunc(v.Sources, func(s model.VerdictScan) bool {
				return s.State == model.ScanFinished && slices.Contains(named, s.Source)
			}) {
				t.Fatalf("nobody has scanned it, and it passes: %+v", v)
			}
			if len(v.Blocking) > 0 || len(v.Unfinished) > 0 {
				t.Fatalf("it passes in spite of %+v %q", v.Blocking, v.Unfinished)
			}
		}
	})
}

// text is a source for sorting.
func text(s model.VerdictScan) string { return s.Source + s.Tool + s.State + s.Time + s.Database }
