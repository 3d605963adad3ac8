package gate_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestAnImageWithoutPackages: nobody can say what is in it, which only an
// exception that names it allows, for a while, of a scan of today. The line to
// write is said.
func TestAnImageWithoutPackages(t *testing.T) {
	t.Parallel()
	const line = `exceptions: {list: [{id: NO-PACKAGES, purl: "pkg:oci/python", images: [python], reason: WHY, owner: WHO, approvedBy: ANOTHER, created: 2026-11-21, expires: 2026-12-05}]}`
	one := model.Exception{ID: "NO-PACKAGES", PURL: "pkg:oci/python", Images: []string{"python"}, Reason: "one static program", Owner: "a", ApprovedBy: "b", Created: "2026-11-20", Expires: "2026-11-30"}
	with := func(change func(*model.Exception)) []model.Exception {
		x := one
		change(&x)
		return []model.Exception{x}
	}
	same := func(*model.Scan) {}
	for _, c := range []struct {
		name       string
		scan       func(*model.Scan)
		exceptions []model.Exception
		more       []model.Scan
		want       string
		hint       bool
	}{
		{"no exception", same, nil, nil, model.VerdictIncomplete, true},
		{"an exception", same, with(func(*model.Exception) {}), nil, model.VerdictPass, false},
		{"that has ended", same, with(func(x *model.Exception) { x.Expires = "2026-11-20" }), nil, model.VerdictIncomplete, true},
		{"that is too long", same, with(func(x *model.Exception) { x.Expires = "2027-11-20" }), nil, model.VerdictIncomplete, true},
		{"that its owner approved", same, with(func(x *model.Exception) { x.ApprovedBy = "a" }), nil, model.VerdictIncomplete, true},
		{"for another image", same, with(func(x *model.Exception) { x.Images = []string{"hello"} }), nil, model.VerdictIncomplete, true},
		{"for another name", same, with(func(x *model.Exception) { x.PURL = "pkg:oci/hello" }), nil, model.VerdictIncomplete, true},
		{"for a finding", same, with(func(x *model.Exception) { x.ID = "CVE-2026-1" }), nil, model.VerdictIncomplete, true},
		{"an old scan", func(s *model.Scan) { s.Time = at(30 * dayLong) }, with(func(*model.Exception) {}), nil, model.VerdictIncomplete, false},
		{"what cannot be looked up", func(s *model.Scan) { s.Empty = false }, with(func(*model.Exception) {}), nil, model.VerdictIncomplete, false},
		{"a scan that failed", func(s *model.Scan) { s.State = model.ScanFailed }, with(func(*model.Exception) {}), nil, model.VerdictIncomplete, false},
		{"something was found after all", same, with(func(*model.Exception) {}), []model.Scan{by("other", scan(high))}, model.VerdictRefused, false},
		{"findings beside", func(s *model.Scan) { s.Findings = []model.Finding{high} }, with(func(*model.Exception) {}), nil, model.VerdictIncomplete, false},
	} {
		s := scan()
		s.State, s.Empty, s.Detail = model.ScanUnsupported, true, "no packages were found in it"
		c.scan(&s)
		p := strict()
		p.Exceptions = c.exceptions
		v := gate.Judge(p, now, target, digest, append([]model.Scan{s}, c.more...), gate.Where{})
		if v.Outcome != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, v.Outcome, c.want, v)
		}
		if said := strings.Contains(strings.Join(v.Unfinished, "; "), line); said != c.hint {
			t.Errorf("%s: the line is said: %v: %q", c.name, said, v.Unfinished)
		}
		if v.Outcome == model.VerdictPass && (len(v.Excepted) != 1 || v.Excepted[0].Exception == "") {
			t.Errorf("%s: the exception is not named: %+v", c.name, v.Excepted)
		}
	}
}
