package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// clockSkew is how far clocks of two machines may differ before a time in the
// future is one that cannot be believed.
const clockSkew = 5 * time.Minute

// answers are what the sources' states come to.
type answers struct {
	states     map[string]string // by source, with what is too old as stale
	unfinished []string
	warnings   []string
}

// scanned is a scan and the digest of its document.
type scanned struct {
	*model.Scan
	digest model.Digest
}

// current are the scans of a digest that count: of each source the newest, and
// all of them where several are as new. A time that cannot be read is newer than
// all: what it hides must not be believed.
func (j *judge) current(scans []model.Scan, digest model.Digest) []scanned {
	newest := map[string]time.Time{}
	for i := range scans {
		s := &scans[i]
		if at := endOf(s); s.Digest == digest && at.After(newest[s.Source]) {
			newest[s.Source] = at
		}
	}
	var out []scanned
	for i := range scans {
		switch s := &scans[i]; {
		case s.Digest != digest:
			j.warnings = append(j.warnings, fmt.Sprintf("a scan by %s is of %s, another digest, and does not count", s.Source, s.Digest.Short()))
		case !endOf(s).Before(newest[s.Source]):
			out = append(out, scanned{s, s.DocumentDigest()})
		}
	}
	slices.SortFunc(out, func(a, b scanned) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), cmp.Compare(a.digest, b.digest))
	})
	return slices.CompactFunc(out, func(a, b scanned) bool { return a.digest == b.digest })
}

// never is the time of what has none that can be read.
var never = time.Unix(1<<40, 0)

func endOf(s *model.Scan) time.Time {
	at, err := time.Parse(time.RFC3339, s.Time)
	if err != nil {
		return never
	}
	return at
}

// answers judges the states of the scans: who was asked, or had to be, and has
// not said anything.
func (j *judge) answers(current []scanned, where Where) answers {
	out := answers{states: map[string]string{}}
	heard := map[string]answer{}
	for _, s := range current {
		a := j.state(s.Scan)
		if before, twice := heard[s.Source]; !twice || a.compare(before) < 0 { // of several that are as new, the worst counts
			heard[s.Source] = a
		}
	}
	for source, a := range heard {
		out.states[source] = a.state
	}
	spoken := ""
	var open []string // what another source may answer
	for _, s := range j.policy.Sources {
		a, there := heard[s.Name]
		if a.state == model.ScanFinished {
			spoken = cmp.Or(spoken, s.Name)
			continue
		}
		if !must(s, there && !a.aged, where, spoken != "") {
			continue
		}
		if !there {
			a = answer{state: model.ScanMissing, why: "nobody has scanned it"}
		}
		said := s.Name + ": " + a.why
		switch j.policy.State.Action(a.state) {
		case model.PolicyFallback:
			open = append(open, said)
			continue
		case model.PolicyRescan:
			said += "; scan it again: rootfsrun scan"
		}
		out.unfinished = append(out.unfinished, said)
	}
	switch {
	case spoken != "":
		for _, said := range open {
			out.warnings = append(out.warnings, said+"; "+spoken+" decides")
		}
	case len(open)+len(out.unfinished) > 0:
		out.unfinished = append(out.unfinished, open...)
	default:
		out.unfinished = append(out.unfinished, "no source that the policy names has scanned it")
	}
	j.strangers(&out, heard)
	slices.Sort(out.unfinished)
	return out
}

// strangers are sources that the policy does not name: what they found counts,
// and what they did not find speaks for nothing.
func (j *judge) strangers(out *answers, heard map[string]answer) {
	for source, a := range heard {
		if slices.ContainsFunc(j.policy.Sources, func(s model.PolicySource) bool { return s.Name == source }) {
			continue
		}
		if a.state != model.ScanFinished {
			out.unfinished = append(out.unfinished, source+": "+a.why)
			continue
		}
		out.warnings = append(out.warnings, source+" is not a source of the policy: what it found counts, and that it is silent does not")
	}
}

// must tells whether a source has to have spoken: by the policy, or because it
// was asked and did not end. spoken tells whether one before it has.
func must(s model.PolicySource, asked bool, where Where, spoken bool) bool {
	switch s.Required {
	case model.RequiredNever:
		return false
	case model.RequiredGAR:
		return asked || where.GAR
	case model.RequiredUnsupported:
		return asked || !spoken
	}
	return true
}

// answer is what a scan comes to, and why where it does not speak.
type answer struct {
	state string
	why   string
	aged  bool // only time has made it stale
}

// compare puts the worse before the better: what went wrong, what is only old,
// and what ended.
func (a answer) compare(o answer) int {
	order := func(a answer) int {
		switch {
		case a.state == model.ScanFinished:
			return 2
		case a.aged:
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(order(a), order(o)), strings.Compare(a.state, o.state), strings.Compare(a.why, o.why))
}

// state is what a scan comes to, by what the policy asks of it: one that ended
// is stale where it is too old, and missing where another program made it.
func (j *judge) state(s *model.Scan) answer {
	said, known := map[string]string{
		model.ScanRunning: "it has not finished", model.ScanFailed: "it failed", model.ScanUnsupported: "it cannot read the image",
		model.ScanMissing: "nobody has scanned it", model.ScanStale: "what it says is too old", model.ScanFinished: "",
	}[s.State]
	switch {
	case !known:
		return answer{state: model.ScanFailed, why: fmt.Sprintf("its state %q is not known", s.State)}
	case s.State == model.ScanUnsupported && s.Empty && len(s.Findings) == 0:
		if hint, allowed := j.empty(); !allowed {
			return answer{state: s.State, why: because(said, s.Detail) + hint}
		}
	case s.State != model.ScanFinished:
		return answer{state: s.State, why: because(said, s.Detail)}
	}
	if wanted := j.tool(s.Source); wanted != "" {
		if tool, _, _ := strings.Cut(s.Tool, " "); !strings.EqualFold(tool, wanted) {
			return answer{state: model.ScanMissing, why: fmt.Sprintf("it was scanned with %s, and the policy asks for %s", cmp.Or(s.Tool, "an unnamed tool"), wanted)}
		}
	}
	if why, old := j.stale("the scan", s.Time); why != "" {
		return answer{model.ScanStale, why, old}
	}
	if s.Database != "" {
		if why, old := j.stale("what its scanner knew", s.Database); why != "" {
			return answer{model.ScanStale, why, old}
		}
	}
	return answer{state: model.ScanFinished}
}

func because(what, detail string) string {
	if detail == "" {
		return what
	}
	return what + ": " + detail
}

// tool is the scanner that the policy wants of a source.
func (j *judge) tool(source string) string {
	for _, s := range j.policy.Sources {
		if s.Name == source {
			return s.Tool
		}
	}
	return ""
}

// stale says why a time is not one of today; old tells that it is only too
// long ago.
func (j *judge) stale(what, written string) (why string, old bool) {
	t, err := time.Parse(time.RFC3339, written)
	age := j.at.Sub(t)
	switch {
	case err != nil:
		return fmt.Sprintf("%s has no time that can be read", what), false
	case age < -clockSkew:
		return fmt.Sprintf("%s is of %s, in the future: a clock is wrong", what, t.UTC().Format(time.RFC3339)), false
	case age > j.policy.State.MaxAge:
		return fmt.Sprintf("%s is of %s, and may be %s old", what, t.UTC().Format(time.RFC3339), span(j.policy.State.MaxAge)), true
	}
	return "", false
}

// span writes a length of time in days or hours.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}
