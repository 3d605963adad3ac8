package gate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// allowed is an exception for high that holds.
func allowed() model.Exception {
	return model.Exception{
		ID: high.ID, PURL: "pkg:deb/debian/openssl", Reason: "it cannot be reached", Owner: "@a", ApprovedBy: "@b", Created: "2026-11-10", Expires: "2026-11-30",
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		change  func(*model.Exception, *model.Finding)
		holds   bool
		warning string
	}{
		{"it holds", func(*model.Exception, *model.Finding) {}, true, ""},
		{"by an alias", func(x *model.Exception, _ *model.Finding) { x.ID = "ghsa-1" }, true, ""},
		{"for this version", func(x *model.Exception, _ *model.Finding) { x.PURL += "@3.0.1" }, true, ""},
		{"exploited", func(_ *model.Exception, f *model.Finding) { f.KEV = true }, true, ""},
		{"soon exploited", func(_ *model.Exception, f *model.Finding) { f.EPSS = 0.9 }, true, ""},
		{"for this image", func(x *model.Exception, _ *model.Finding) { x.Images = []string{"base-*", "py*"} }, true, ""},
		{"for this tag", func(x *model.Exception, _ *model.Finding) { x.Images = []string{"python:3.1*"} }, true, ""},
		{"for this platform", func(x *model.Exception, _ *model.Finding) { x.Platforms = []string{"linux/amd64"} }, true, ""},
		{"its last day", func(x *model.Exception, _ *model.Finding) { x.Expires = "2026-11-21" }, true, "ends on 2026-11-21, today"},
		{"its last day but one", func(x *model.Exception, _ *model.Finding) { x.Expires = "2026-11-22" }, true, "ends on 2026-11-22, in 1 day"},
		{"its first day", func(x *model.Exception, _ *model.Finding) { x.Created = "2026-11-21" }, true, ""},
		{"as long as may be", func(x *model.Exception, _ *model.Finding) { x.Created, x.Expires = "2026-11-01", "2026-12-01" }, true, ""},

		{"expired", func(x *model.Exception, _ *model.Finding) { x.Expires = "2026-11-20" }, false, "ended on 2026-11-20"},
		{"not begun", func(x *model.Exception, _ *model.Finding) { x.Created = "2026-11-22" }, false, "begins on 2026-11-22"},
		{"too long", func(x *model.Exception, _ *model.Finding) { x.Created, x.Expires = "2026-11-01", "2026-12-02" }, false, "it is for 31 days, and one of a HIGH finding may be for 30 days"},
		{"too long for critical", func(_ *model.Exception, f *model.Finding) { f.Severity = model.SeverityCritical }, false, "one of a CRITICAL finding may be for 14 days"},
		{"approved by its owner", func(x *model.Exception, _ *model.Finding) { x.ApprovedBy = "A" }, false, "nobody but its owner approved it"},
		{"approved by nobody", func(x *model.Exception, _ *model.Finding) { x.ApprovedBy = "" }, false, "nobody but its owner approved it"},
		{"another id", func(x *model.Exception, _ *model.Finding) { x.ID = "CVE-2026-123" }, false, ""},
		{"another package", func(x *model.Exception, _ *model.Finding) { x.PURL = "pkg:deb/debian/openssl-dev" }, false, ""},
		{"another version", func(x *model.Exception, _ *model.Finding) { x.PURL += "@3.0.0" }, false, ""},
		{"another image", func(x *model.Exception, _ *model.Finding) { x.Images = []string{"base-*", "pytho", "python/*"} }, false, ""},
		{"another tag", func(x *model.Exception, _ *model.Finding) { x.Images = []string{"python:3.12"} }, false, ""},
		{"another platform", func(x *model.Exception, _ *model.Finding) { x.Platforms = []string{"linux/arm64"} }, false, ""},
		{"no day", func(x *model.Exception, _ *model.Finding) { x.Expires = "" }, false, ""},
		{"a finding without a package", func(_ *model.Exception, f *model.Finding) { f.PURL = "" }, false, ""},
		{"malicious", func(_ *model.Exception, f *model.Finding) { f.Kind = model.FindingMalicious }, false, ""},
		{"secret", func(_ *model.Exception, f *model.Finding) { f.Kind = model.FindingSecret }, false, ""},
	} {
		x, f, p := allowed(), high, strict()
		c.change(&x, &f)
		p.Exceptions = []model.Exception{x}
		v := judge(p, scan(f))
		if (v.Outcome == model.VerdictPass) != c.holds {
			t.Errorf("%s: %s", c.name, v.Outcome)
		}
		if warned := strings.Join(v.Warnings, "\n"); !strings.Contains(warned, c.warning) || c.warning == "" && warned != "" {
			t.Errorf("%s: warned of %q, want %q", c.name, warned, c.warning)
		}
		if c.holds && (len(v.Excepted) != 1 || v.Excepted[0].Rule != gate.RuleException || v.Excepted[0].Exception != x.ID+" until "+x.Expires) {
			t.Errorf("%s: %+v", c.name, v.Excepted)
		}
	}
}

func TestUnusedAndExpiring(t *testing.T) {
	t.Parallel()
	x := func(id, expires string, images ...string) model.Exception {
		e := allowed()
		e.ID, e.Expires, e.Images = id, expires, images
		return e
	}
	p := strict()
	p.Exceptions = []model.Exception{
		x(high.ID, "2026-11-28"), x("CVE-2026-2", "2026-11-20"), x("CVE-2026-3", "2026-11-21", "python"), x("CVE-2026-4", "2026-11-30", "hello"), x("CVE-2026-5", "2026-11-29", "nothing"),
	}
	ids := func(list []model.Exception) string {
		var out []string
		for _, e := range list {
			out = append(out, e.ID)
		}
		return strings.Join(out, " ")
	}
	verdict := judge(p, scan(high))
	hello := model.TargetID{Image: "hello", Tag: "1", Platform: model.LinuxARM64}
	if got := ids(gate.Unused(p, []model.Verdict{verdict}, []model.TargetID{hello})); got != "CVE-2026-3 CVE-2026-5" {
		t.Errorf("hello was not judged: %s", got)
	}
	if got := ids(gate.Unused(p, []model.Verdict{verdict}, nil)); got != "CVE-2026-2 CVE-2026-3 CVE-2026-4 CVE-2026-5" {
		t.Errorf("everything was judged: %s", got)
	}
	if got := ids(gate.Unused(p, []model.Verdict{judge(p)}, nil)); got != "CVE-2026-4 CVE-2026-5" {
		t.Errorf("nobody knows what is in it: %s", got)
	}
	var soon []string
	for _, e := range gate.Expiring(p, now) {
		soon = append(soon, fmt.Sprintf("%s %d", e.ID, e.Days))
	}
	if d := cmp.Diff([]string{"CVE-2026-2 -1", "CVE-2026-3 0"}, soon); d != "" {
		t.Error(d)
	}
}
