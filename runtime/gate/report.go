package gate

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// ReportVersion is the version of the report that this program writes.
const ReportVersion = 1

// Subject is a platform's digest that was judged, and what it was judged by.
type Subject struct {
	Verdict model.Verdict
	Scans   []model.Scan // that were given; those that count are in the verdict
	Ref     string       // "host/repository@digest", where it is known
	File    string       // that it is built from, from the root of the repository, where it is known
}

// Report is what a policy makes of several digests together.
type Report struct {
	Version  int               `json:"version"`
	Outcome  string            `json:"outcome"` // the worst of the verdicts'
	Policy   model.Digest      `json:"policy"`
	Mode     string            `json:"mode"` // what the outcome leads to
	Time     string            `json:"time"` // RFC 3339, UTC: as of when it was judged
	Images   []ImageVerdict    `json:"images"`
	Verdicts []model.Verdict   `json:"verdicts"`
	Unused   []model.Exception `json:"unused_exceptions"`
	Expiring []Ending          `json:"expiring_exceptions"`

	UnusedBlock bool `json:"unused_block,omitempty"` // an exception that nothing needs makes it refused
}

// ImageVerdict is what the verdicts of all of an image's platforms come to: it
// passes only if every one of them does.
type ImageVerdict struct {
	Image   string `json:"image"`
	Tag     string `json:"tag,omitempty"`
	Variant string `json:"variant,omitempty"`
	Outcome string `json:"outcome"`
}

// JudgeAll judges every digest that the scans of a file speak of, sorted by
// target. A digest lies where Google scans if Google was asked. Platforms that
// nobody scanned are not among them, so that the verdicts are detached.
func JudgeAll(p model.Policy, at time.Time, scans []model.Scan) []Subject {
	type digest struct {
		model.TargetID
		model.Digest
	}
	grouped := map[digest][]model.Scan{}
	for _, s := range scans {
		d := digest{s.ID(), s.Digest}
		grouped[d] = append(grouped[d], s)
	}
	all := slices.SortedFunc(maps.Keys(grouped), func(a, b digest) int {
		return cmp.Or(a.TargetID.Compare(b.TargetID), cmp.Compare(a.Digest, b.Digest))
	})
	out := make([]Subject, len(all))
	var g errgroup.Group // of what only computes
	g.SetLimit(runtime.NumCPU())
	for n, d := range all {
		g.Go(func() error {
			scans := grouped[d]
			where := Where{GAR: slices.ContainsFunc(scans, func(s model.Scan) bool { return s.Source == model.SourceArtifactAnalysis })}
			out[n] = Subject{Verdict: Judge(p, at, d.TargetID, d.Digest, scans, where), Scans: scans}
			out[n].Verdict.Detached = true
			return nil
		})
	}
	_ = g.Wait() // nothing fails
	return out
}

// NewReport puts verdicts together. Others are targets of the fleet that were
// not judged; see Unused.
func NewReport(p model.Policy, at time.Time, verdicts []model.Verdict, others []model.TargetID) Report {
	r := Report{
		Version: ReportVersion, Policy: p.Digest(), Mode: p.Mode, Time: at.UTC().Format(time.RFC3339), Images: []ImageVerdict{},
		Verdicts: slices.Clone(verdicts), Unused: []model.Exception{}, Expiring: Expiring(p, at), UnusedBlock: p.Unused == model.PolicyBlock,
	}
	slices.SortStableFunc(r.Verdicts, func(a, b model.Verdict) int {
		return cmp.Or(a.ID().Compare(b.ID()), cmp.Compare(a.Digest, b.Digest))
	})
	if p.Unused != model.PolicyAllow {
		r.Unused = Unused(p, verdicts, others)
	}
	var outcomes []string
	for _, v := range r.Verdicts {
		outcomes = append(outcomes, v.Outcome)
		i := ImageVerdict{Image: v.Image, Tag: v.Tag, Variant: v.Variant, Outcome: v.Outcome}
		if last := len(r.Images) - 1; last >= 0 && r.Images[last].Image == i.Image && r.Images[last].Tag == i.Tag && r.Images[last].Variant == i.Variant {
			r.Images[last].Outcome = worst(r.Images[last].Outcome, i.Outcome)
			continue
		}
		r.Images = append(r.Images, i)
	}
	r.Outcome = worst(outcomes...)
	if r.UnusedBlock && len(r.Unused) > 0 {
		r.Outcome = model.VerdictRefused
	}
	return r
}

// worst is what several outcomes come to. None at all is incomplete: nobody
// has judged anything.
func worst(outcomes ...string) string {
	switch {
	case slices.Contains(outcomes, model.VerdictRefused):
		return model.VerdictRefused
	case len(outcomes) == 0 || slices.ContainsFunc(outcomes, func(o string) bool { return o != model.VerdictPass }):
		return model.VerdictIncomplete
	}
	return model.VerdictPass
}

// Err is the error that the report leads to: nil where everything passes, or
// where the policy only warns.
func (r *Report) Err() error {
	if r.Mode != model.EnforceBlock || r.Outcome == model.VerdictPass {
		return nil
	}
	if r.Outcome == model.VerdictIncomplete {
		return &Incomplete{Why: r.Sentences()}
	}
	return &Refused{Why: r.Sentences()}
}

// Sentences say of each platform that does not pass why, a line each.
func (r *Report) Sentences() []string {
	var out []string
	for i := range r.Verdicts {
		if r.Verdicts[i].Outcome != model.VerdictPass {
			out = append(out, Sentence(&r.Verdicts[i]))
		}
	}
	if len(r.Verdicts) == 0 {
		out = append(out, "there is no scan to judge")
	}
	if r.UnusedBlock {
		for _, x := range r.Unused {
			out = append(out, fmt.Sprintf("the exception for %s in %s is for nothing that was found: remove it", x.ID, x.PURL))
		}
	}
	return out
}

// Sentence says in a line what a verdict is, and why.
func Sentence(v *model.Verdict) string {
	return clean(sentence(v))
}

// Label names what a verdict is of, for people: "python:3.13 linux/amd64".
func Label(v *model.Verdict) string {
	return strings.Join(slices.DeleteFunc([]string{v.Image, v.Tag, v.Variant}, func(part string) bool { return part == "" }), ":") + " " + v.Platform
}

func sentence(v *model.Verdict) string {
	id := Label(v)
	switch v.Outcome {
	case model.VerdictPass:
		return fmt.Sprintf("%s: it passes", id)
	case model.VerdictIncomplete:
		return fmt.Sprintf("%s: its scan is incomplete: %s", id, strings.Join(v.Unfinished, "; "))
	}
	const most = 5
	var ids []string
	for _, b := range v.Blocking {
		ids = append(ids, b.Finding.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if n := len(ids); n > most {
		ids = append(ids[:most], fmt.Sprintf("%d more", n-most))
	}
	s := fmt.Sprintf("%s: refused: %s", id, strings.Join(ids, ", "))
	if v.IfFixed == model.VerdictPass {
		s += "; it would pass if the fixed versions were taken"
	}
	return s
}

// IfFixed counts the platforms that are refused, and those of them that would
// pass if every fixed version were taken.
func (r *Report) IfFixed() (pass, refused int) {
	for i := range r.Verdicts {
		if r.Verdicts[i].Outcome == model.VerdictRefused {
			refused++
		}
		if r.Verdicts[i].IfFixed == model.VerdictPass {
			pass++
		}
	}
	return pass, refused
}

// Refused is a gate that something does not pass.
type Refused struct{ Why []string }

// Error says of each platform why, a line each.
func (r *Refused) Error() string { return "the gate refuses:" + lines(r.Why) }

// ExitCode is that of a refusing gate.
func (*Refused) ExitCode() int { return 5 }

// Incomplete is a gate that cannot say anything yet: scanning again may help.
type Incomplete struct{ Why []string }

// Error says of each platform what is missing, a line each.
func (i *Incomplete) Error() string {
	return "the gate cannot judge:" + lines(i.Why)
}

// lines is a single reason behind its heading, and several of them below it.
func lines(why []string) string {
	if len(why) == 1 {
		return " " + why[0]
	}
	return "\n  " + strings.Join(why, "\n  ")
}

// ExitCode is that of a scan that is incomplete.
func (*Incomplete) ExitCode() int { return 6 }

// clean makes what a stranger wrote one line of a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '?'
		}
		return r
	}, s)
}

// Row is one line of a table of verdicts: a finding that blocks or would, or a
// platform without one.
type Row struct{ Image, Platform, Verdict, Finding, Severity, Package, Fixed, Why string }

// Rows are the lines of a report: what does not pass with everything that
// blocks, and what is allowed with why.
func (r *Report) Rows() []Row {
	var out []Row
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		base := Row{Image: clean(strings.TrimSuffix(Label(v), " "+v.Platform)), Platform: v.Platform, Verdict: v.Outcome}
		var rows []Row
		for _, u := range v.Unfinished {
			row := base
			row.Why = clean(u)
			rows = append(rows, row)
		}
		for _, list := range [][]model.Judged{v.Blocking, v.Excepted} {
			for _, j := range list {
				row, f := base, j.Finding
				row.Finding, row.Severity, row.Package, row.Fixed = clean(f.ID), f.Severity, clean(name(&f)), clean(f.Fixed)
				row.Why = clean(j.Rule + ": " + j.Why)
				if j.Exception != "" {
					row.Why = clean("exception " + j.Exception + ": " + j.Why)
				}
				rows = append(rows, row)
			}
		}
		if len(rows) == 0 {
			rows = []Row{base}
		}
		out = append(out, rows...)
	}
	return out
}
