// Package gate judges what scanners found by a policy. It fails closed: only a
// finished, fresh scan in which nothing blocks is a pass.
package gate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Where says where an image lies, as far as a policy asks.
type Where struct {
	GAR bool // in Artifact Registry, where Google scans it
}

// Judge says what a policy makes of the scans of one platform's digest, as of
// a moment. It is pure; the order of the scans and of what is in them does not
// matter. Scans of other digests speak for nothing.
//
// What blocks in a scan that ended, and is fresh, is a refusal; else a scan
// that must speak and has not makes it incomplete; else what blocks in any
// other scan is a refusal, too.
func Judge(p model.Policy, at time.Time, target model.TargetID, digest model.Digest, scans []model.Scan, where Where) model.Verdict {
	v := model.Verdict{
		Version: model.VerdictVersion, Image: target.Image, Tag: target.Tag, Variant: target.Variant, Platform: target.Platform.String(),
		Digest: digest, Policy: p.Digest(), Mode: p.Mode, Sources: []model.VerdictScan{}, Blocking: []model.Judged{},
		Counts: map[string]int{}, Time: at.UTC().Format(time.RFC3339),
	}
	j := judge{policy: p, at: at, target: target, exceptions: readExceptions(p, target)}
	current := j.current(scans, digest)
	answers := j.answers(current, where)
	j.unreported(&answers, current)
	v.Unfinished = answers.unfinished
	for i, why := range v.Unfinished {
		v.Unfinished[i] = clean(why) // a stranger's words are in it
	}
	refused := false
	for _, s := range current {
		v.Sources = append(v.Sources, model.VerdictScan{
			Source: s.Source, Tool: s.Tool, Database: s.Database, State: answers.states[s.Source], Time: s.Time, Digest: s.digest,
		})
		speaks := answers.states[s.Source] == model.ScanFinished
		for i := range s.Findings {
			refused = j.add(&s.Findings[i]) && speaks || refused
		}
	}
	v.Blocking, v.Excepted = j.judged(v.Counts)
	v.Outcome = outcome(refused, len(v.Unfinished) > 0, len(v.Blocking) > 0)
	if v.Outcome == model.VerdictRefused {
		unfixable := slices.ContainsFunc(v.Blocking, func(b model.Judged) bool { return b.Finding.Fixed == "" })
		v.IfFixed = outcome(unfixable, len(v.Unfinished) > 0, unfixable)
	}
	j.warnings = append(j.warnings, answers.warnings...)
	for i, warning := range j.warnings {
		j.warnings[i] = clean(warning)
	}
	slices.Sort(j.warnings)
	v.Warnings = slices.Compact(j.warnings)
	return v
}

// unreported says what the policy stops, and that nobody looks for any. A
// scanner that the policy does not name speaks for nothing.
func (j *judge) unreported(out *answers, current []scanned) {
	for _, kind := range []struct {
		name, plural string
		stopped      bool
	}{
		{model.FindingMalicious, "malicious packages", j.policy.Always.Malicious},
		{model.FindingSecret, "secrets", j.policy.Always.Secrets},
	} {
		if !kind.stopped || j.looked(out, current, kind.name) {
			continue
		}
		why := kind.plural + ": no source that has finished looks for them"
		if j.policy.State.Unreported == model.PolicyWarn {
			out.warnings = append(out.warnings, why+", so that none was found says nothing (scanState.unreported)")
			continue
		}
		out.unfinished = append(out.unfinished, why+", and scanState.unreported asks for one; "+model.SourceArtifactAnalysis+" does")
	}
}

// looked tells whether a source of the policy that has finished looks for a
// kind of finding.
func (j *judge) looked(out *answers, current []scanned, kind string) bool {
	return slices.ContainsFunc(current, func(s scanned) bool {
		named := slices.ContainsFunc(j.policy.Sources, func(p model.PolicySource) bool { return p.Name == s.Source })
		return named && out.states[s.Source] == model.ScanFinished && slices.Contains(s.Reports, kind)
	})
}

// outcome is what is to be said: refused tells that something blocks in a scan
// that speaks for the image, blocked that something does in any.
func outcome(refused, unfinished, blocked bool) string {
	switch {
	case refused:
		return model.VerdictRefused
	case unfinished:
		return model.VerdictIncomplete
	case blocked:
		return model.VerdictRefused
	}
	return model.VerdictPass
}

// judge is one judgement on its way.
type judge struct {
	policy     model.Policy
	at         time.Time
	target     model.TargetID
	exceptions []exception // that are for the target
	warnings   []string
	findings   []finding
}

// finding is one of a scan and what the policy makes of it.
type finding struct {
	model.Judged
	blocks bool
	key    string // of the same thing in the same package
}

// add judges one finding; it tells whether it blocks.
func (j *judge) add(f *model.Finding) bool {
	g := finding{Judged: model.Judged{Finding: *f}, key: f.ID + "\x00" + f.PURL + "\x00" + f.Package + "\x00" + f.Version + "\x00" + f.Kind + "\x00" + f.Path}
	if f.Kind == model.FindingVulnerability && f.Malicious() {
		g.Finding.Kind = model.FindingMalicious
	}
	g.Finding.Severity, g.Finding.Basis = severity(f, j.policy.Basis)
	if g.Finding.Severity == model.SeverityUnknown && j.policy.Unknown != model.PolicyBlock {
		g.Finding.Severity, g.Finding.Basis = severity(f, basisMax) // what may be there is what nobody knows, not what one does not know
	}
	rule, why, warning := rule(j.policy, &g.Finding)
	g.Rule, g.Why, g.blocks = rule, why, rule != ""
	if warning != "" {
		j.warnings = append(j.warnings, warning)
	}
	if g.blocks && mayBeAllowed(&g.Finding) {
		j.allow(&g)
	}
	j.findings = append(j.findings, g)
	return g.blocks
}

// allow takes back what blocks where a statement of VEX or an exception says
// so.
func (j *judge) allow(g *finding) {
	if why := stated(j.policy.VEX, &g.Finding); why != "" {
		g.Rule, g.Why, g.blocks = RuleVEX, why, false
		return
	}
	var whole, partial []exception
	for _, e := range j.exceptions {
		holds, warning := e.allows(&g.Finding, j.policy, j.at)
		if warning != "" {
			j.warnings = append(j.warnings, warning)
		}
		switch {
		case holds && g.Finding.IsOnly(e.ID):
			whole = append(whole, e)
		case holds:
			partial = append(partial, e)
		}
	}
	used := whole[:min(1, len(whole))]
	if len(used) == 0 {
		used = together(&g.Finding, partial)
	}
	if len(used) > 0 {
		g.except(used)
		return
	}
	for _, e := range partial {
		j.warnings = append(j.warnings, e.say("does not let %s be there, which is %s", g.Finding.ID, strings.Join(g.Finding.Vulnerabilities(), " and ")))
	}
}

// except takes back what blocks because of exceptions.
func (f *finding) except(used []exception) {
	var reasons, names []string
	for _, e := range used {
		reasons = append(reasons, e.Reason)
		names = append(names, e.ID+" until "+e.Expires)
	}
	f.Why = f.Rule + " does not count: " + strings.Join(slices.Compact(reasons), "; ")
	f.Rule, f.blocks, f.Exception = RuleException, false, strings.Join(names, ", ")
}

// judged are what blocks and what would, each thing once, the worst first. What
// is found by two sources blocks if it does for one of them.
func (j *judge) judged(counts map[string]int) (blocking, excepted []model.Judged) {
	slices.SortFunc(j.findings, func(a, b finding) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return a.compare(b)
	})
	once := slices.CompactFunc(j.findings, func(a, b finding) bool { return a.key == b.key })
	slices.SortStableFunc(once, func(a, b finding) int {
		return model.CompareSeverities(a.Finding.Severity, b.Finding.Severity)
	})
	blocking = []model.Judged{}
	for _, f := range once {
		counts[f.Finding.Severity]++
		switch {
		case f.blocks:
			blocking = append(blocking, f.Judged)
		case f.Rule != "":
			excepted = append(excepted, f.Judged)
		}
	}
	return blocking, excepted
}

// compare puts what blocks before what is allowed before what nothing is said
// of, and the worse before the better.
func (f finding) compare(o finding) int {
	return cmp.Or(
		cmp.Compare(f.order(), o.order()),
		model.CompareSeverities(f.Finding.Severity, o.Finding.Severity),
		bytes.Compare(f.text(), o.text()),
	)
}

func (f finding) order() int {
	switch {
	case f.blocks:
		return 0
	case f.Rule != "":
		return 1
	}
	return 2
}

// text settles the order of findings that differ in nothing that is judged.
func (f finding) text() []byte {
	b, err := json.Marshal(f.Judged)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return b
}
