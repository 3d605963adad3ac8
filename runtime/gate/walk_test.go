package gate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// spoil makes a scan one that does not speak; speaks is what is left of it.
type spoil struct {
	name   string
	change func(*model.Scan)
	speaks bool
	state  string // what the verdict says that it is
	silent string // kinds that its source does not look for
	empty  bool   // an exception may let it speak, where it found nothing
}

// looks tells whether it speaks for a kind of finding.
func (sp spoil) looks(kind string) bool { return sp.speaks && !strings.Contains(sp.silent, kind) }

// under is the spoil by a policy, of a scan with findings or without.
func (sp spoil) under(p model.Policy, found bool) spoil {
	if sp.empty && !found && len(p.Exceptions) > 0 {
		sp.speaks, sp.state = true, model.ScanFinished
	}
	return sp
}

// spoils are all states, all kinds of time, and a scan that is not there.
func spoils() []spoil {
	plain := func(name string, change func(*model.Scan), speaks bool, state string) spoil {
		return spoil{name: name, change: change, speaks: speaks, state: state}
	}
	nothing := func(s *model.Scan) { s.State, s.Empty = model.ScanUnsupported, true }
	const neither = model.FindingMalicious + " " + model.FindingSecret
	only := func(kinds ...string) func(*model.Scan) { return func(s *model.Scan) { s.Reports = kinds } }
	out := []spoil{
		plain("fresh", func(*model.Scan) {}, true, model.ScanFinished),
		plain("without a database", func(s *model.Scan) { s.Database = "" }, true, model.ScanFinished),
		plain("just fresh", func(s *model.Scan) { s.Time, s.Database = at(72*time.Hour), at(72*time.Hour) }, true, model.ScanFinished),
		plain("clocks differ a little", func(s *model.Scan) { s.Time = at(-4 * time.Minute) }, true, model.ScanFinished),
		plain("old", func(s *model.Scan) { s.Time = at(72*time.Hour + time.Second) }, false, model.ScanStale),
		plain("old database", func(s *model.Scan) { s.Database = at(72*time.Hour + time.Second) }, false, model.ScanStale),
		plain("from the future", func(s *model.Scan) { s.Time = at(-6 * time.Minute) }, false, model.ScanStale),
		plain("database from the future", func(s *model.Scan) { s.Database = at(-6 * time.Minute) }, false, model.ScanStale),
		plain("without a time", func(s *model.Scan) { s.Time = "" }, false, model.ScanStale),
		plain("unreadable time", func(s *model.Scan) { s.Time = "yesterday" }, false, model.ScanStale),
		plain("unreadable database", func(s *model.Scan) { s.Database = "v6" }, false, model.ScanStale),
		plain("another digest", func(s *model.Scan) { s.Digest = model.DigestOf(nil) }, false, ""),
		plain("unknown state", func(s *model.Scan) { s.State = "FINISHED" }, false, model.ScanFailed),
		plain("no state", func(s *model.Scan) { s.State = "" }, false, model.ScanFailed),
		{name: "looks for no secrets", change: only(model.FindingMalicious), speaks: true, state: model.ScanFinished, silent: model.FindingSecret},
		{name: "looks for nothing malicious", change: only(model.FindingSecret), speaks: true, state: model.ScanFinished, silent: model.FindingMalicious},
		{name: "looks for neither", change: only(), speaks: true, state: model.ScanFinished, silent: neither},
		{name: "without packages", change: nothing, state: model.ScanUnsupported, empty: true},
		{name: "without packages, looks for neither", change: func(s *model.Scan) { nothing(s); s.Reports = nil }, state: model.ScanUnsupported, empty: true, silent: neither},
	}
	for _, state := range model.ScanStates() {
		if state != model.ScanFinished {
			out = append(out, plain(state, func(s *model.Scan) { s.State, s.Detail = state, "said" }, false, state))
		}
	}
	return out
}

// choices are what a policy can say of each state of a source, and of what it
// did not look for or find; the first is the strictest.
var choices = []struct {
	values []string
	set    func(*model.Policy, string)
}{
	{[]string{model.PolicyBlock, model.PolicyFallback}, func(p *model.Policy, v string) { p.State.Failed = v }},
	{[]string{model.PolicyBlock, model.PolicyFallback}, func(p *model.Policy, v string) { p.State.Unsupported = v }},
	{[]string{model.PolicyBlock, model.PolicyFallback}, func(p *model.Policy, v string) { p.State.Missing = v }},
	{[]string{model.PolicyBlock, model.PolicyFallback}, func(p *model.Policy, v string) { p.State.Timeout = v }},
	{[]string{model.PolicyBlock, model.PolicyFallback, model.PolicyRescan}, func(p *model.Policy, v string) { p.State.Inactive = v }},
	{[]string{model.PolicyBlock, model.PolicyWarn}, func(p *model.Policy, v string) { p.State.Unreported = v }},
	{[]string{"", model.FindingNoPackages}, func(p *model.Policy, id string) { // an image without packages is allowed
		if id != "" {
			p.Exceptions = []model.Exception{{
				ID: id, PURL: "pkg:oci/" + target.Image, Images: []string{target.Image}, Reason: "one static program", Owner: "a", ApprovedBy: "b",
				Created: now.Add(-dayLong).Format(time.DateOnly), Expires: now.Add(9 * dayLong).Format(time.DateOnly),
			}}
		}
	}},
}

// policies are all that a policy can say of when a source must have spoken, and
// of the choices: every combination where there is one source, and where there
// are two each choice alone, none, and all of their second values.
func policies(sources ...string) []model.Policy {
	required := []string{model.RequiredAlways, model.RequiredGAR, model.RequiredUnsupported, model.RequiredNever}
	combinations, said := 1, 1
	for range sources {
		combinations *= len(required)
	}
	for _, c := range choices {
		said *= len(c.values)
	}
	var out []model.Policy
	for at := range said {
		lax, p := 0, strict()
		rest := at
		for _, c := range choices {
			n := rest % len(c.values)
			rest /= len(c.values)
			lax += min(n, 1)
			c.set(&p, c.values[n])
		}
		if len(sources) > 1 && lax > 1 && lax < len(choices) {
			continue
		}
		p.Mode = []string{model.EnforceBlock, model.EnforceWarn, model.EnforceOff}[at%3]
		for n := range combinations {
			p.Sources = nil
			for _, s := range sources {
				p.Sources = append(p.Sources, model.PolicySource{Name: s, Required: required[n%len(required)]})
				n /= len(required)
			}
			out = append(out, p)
		}
	}
	return out
}

// TestOnlyFinishedFreshAndNothingBlockingPasses walks every state of the only
// source, every policy, and what the scan found.
func TestOnlyFinishedFreshAndNothingBlockingPasses(t *testing.T) {
	t.Parallel()
	walked := 0
	for _, p := range policies(model.SourceLocal) {
		for _, sp := range spoils() {
			for _, findings := range [][]model.Finding{nil, {low}, {high}, {low, high}} {
				for _, gar := range []bool{false, true} {
					s := scan(findings...)
					sp.change(&s)
					sp := sp.under(p, len(findings) > 0)
					blocks := slices.ContainsFunc(findings, func(f model.Finding) bool { return f.ID == high.ID })
					v := gate.Judge(p, now, target, digest, []model.Scan{s}, gate.Where{GAR: gar})
					walked++
					want, unfinished := model.VerdictPass, !sp.speaks || sp.silent != "" && p.State.Unreported == model.PolicyBlock
					switch {
					case sp.speaks && blocks:
						want = model.VerdictRefused
					case unfinished:
						want = model.VerdictIncomplete
					}
					if v.Outcome != want {
						t.Errorf("%s, %d findings, %+v, gar %v: %s, want %s", sp.name, len(findings), p.Sources, gar, v.Outcome, want)
					}
					if unfinished != (len(v.Unfinished) > 0) {
						t.Errorf("%s: %s, and %q", sp.name, v.Outcome, v.Unfinished)
					}
					if sp.state != "" && v.Sources[0].State != sp.state {
						t.Errorf("%s: it is said to be %s", sp.name, v.Sources[0].State)
					}
				}
			}
		}
		if v := judge(p); v.Outcome != model.VerdictIncomplete {
			t.Errorf("without any scan: %s", v.Outcome)
		}
	}
	if walked < 100_000 {
		t.Errorf("only %d combinations", walked)
	}
}

// TestTwoSources walks every pair of states under every policy: a pass needs
// one source of the policy that speaks, and nothing that blocks in any scan; a
// source that must speak and has not is answered by another only where the
// policy lets it be.
func TestTwoSources(t *testing.T) {
	t.Parallel()
	const first, second = model.SourceArtifactAnalysis, model.SourceLocal
	all := policies(first, second)
	passed := 0
	for _, a := range spoils() {
		for _, b := range spoils() {
			for _, found := range []bool{false, true} {
				one, two := by(first, scan()), scan()
				if found {
					one = by(first, scan(high))
				}
				a.change(&one)
				b.change(&two)
				for n := range all {
					p := all[n]
					v := gate.Judge(p, now, target, digest, []model.Scan{two, one}, gate.Where{GAR: n%2 == 0})
					a, b := a.under(p, found), b.under(p, false)
					open := false  // somebody must speak, has not, and nobody may answer instead
					looked := true // for each kind that the policy stops
					for _, kind := range []string{model.FindingMalicious, model.FindingSecret} {
						looked = looked && (a.looks(kind) || b.looks(kind))
					}
					for i, sp := range []spoil{a, b} {
						if sp.speaks {
							continue
						}
						aged := strings.HasPrefix(sp.name, "old")
						asked := sp.state != "" && !aged
						required := p.Sources[i].Required
						must := required == model.RequiredAlways ||
							required == model.RequiredGAR && (asked || n%2 == 0) ||
							required == model.RequiredUnsupported && (asked || i == 0 || !a.speaks)
						state := sp.state
						if state == "" {
							state = model.ScanMissing
						}
						open = open || must && action(p, state) != model.PolicyFallback
					}
					want := model.VerdictPass
					switch blocks := found && a.name != "another digest"; {
					case blocks && a.speaks:
						want = model.VerdictRefused
					case open, !a.speaks && !b.speaks, !looked && p.State.Unreported == model.PolicyBlock:
						want = model.VerdictIncomplete
					case blocks:
						want = model.VerdictRefused
					}
					if v.Outcome != want {
						t.Fatalf("%s and %s, found %v, %+v %+v: %s, want %s\n%+v", a.name, b.name, found, p.Sources, p.State, v.Outcome, want, v)
					}
					if v.Outcome == model.VerdictPass {
						passed++
					}
				}
			}
		}
	}
	if passed == 0 {
		t.Error("nothing ever passes")
	}
}

func action(p model.Policy, state string) string {
	return map[string]string{
		model.ScanFailed: p.State.Failed, model.ScanUnsupported: p.State.Unsupported, model.ScanMissing: p.State.Missing,
		model.ScanRunning: p.State.Timeout, model.ScanStale: p.State.Inactive,
	}[state]
}
