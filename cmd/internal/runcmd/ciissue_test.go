package runcmd

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestWhatAnIssueSays: only a report in which something was judged, and all of
// it passes, has nothing to say, which closes the issue.
func TestWhatAnIssueSays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	verdict := model.Verdict{Image: "python", Platform: "linux/amd64", Outcome: model.VerdictPass, Digest: model.DigestOf(nil)}
	refused := verdict
	refused.Outcome = model.VerdictRefused
	x := model.Exception{ID: "CVE-2026-1", PURL: "pkg:deb/debian/a", Owner: "@a", ApprovedBy: "@b", Created: "2026-11-20", Expires: "2027-11-20"}
	const tomorrow = "2026-11-22"
	const ends = "### Exceptions that end soon, or have ended\n\n- CVE-2026-1 in pkg:deb/debian/a, of \\@a: until " + tomorrow
	for name, c := range map[string]struct {
		unused   string
		verdicts []model.Verdict
		title    string
		want     string
		expires  string // the exception, if not in a year
	}{
		"all passes":               {model.PolicyWarn, []model.Verdict{verdict}, endingTitle, "", ""},
		"something does not":       {model.PolicyWarn, []model.Verdict{verdict, refused}, rescanTitle, "prod runs what would not be promoted", ""},
		"nothing was judged":       {model.PolicyWarn, nil, rescanTitle, "Nothing was judged", ""},
		"an exception is too much": {model.PolicyBlock, []model.Verdict{verdict}, rescanTitle, "CVE-2026-1 in pkg:deb/debian/a, of \\@a", ""},
		"one ends tomorrow":        {model.PolicyWarn, []model.Verdict{verdict}, endingTitle, ends, tomorrow},
		"one ends, something else": {model.PolicyWarn, []model.Verdict{refused}, rescanTitle, ends, tomorrow},
	} {
		p, x := policy.Default(), x
		x.Expires = cmp.Or(c.expires, x.Expires)
		p.Unused, p.Exceptions = c.unused, []model.Exception{x}
		written, err := json.Marshal(gate.NewReport(p, at, c.verdicts, nil))
		if err != nil {
			t.Fatal(err)
		}
		var r gate.Report
		if err := json.Unmarshal(written, &r); err != nil {
			t.Fatal(err)
		}
		if title, body := issueOf(&r); title != c.title || !strings.Contains(body, c.want) || (c.want == "") != (body == "") {
			t.Errorf("%s: %s: %q", name, title, body)
		}
	}
}
