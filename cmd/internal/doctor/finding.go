// Package doctor looks at a fleet's surroundings, finds what would make its
// pipelines fail or unsafe, and says which command mends it. It changes
// nothing.
package doctor

import (
	"cmp"
	"errors"
	"slices"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// State is how bad a finding is.
type State string

// The states.
const (
	OK      State = "ok"
	Warn    State = "warn"    // works, but not as well or as safely as it could
	Fail    State = "fail"    // will not work
	Unknown State = "unknown" // could not be looked at
)

// Finding is one thing that was looked at.
type Finding struct {
	Area  string   `json:"area"` // "machine", "repository", "fleet", "registry", "google", or the name of a forge
	Check string   `json:"check"`
	State State    `json:"state"`
	Says  string   `json:"says"`
	Why   string   `json:"why,omitempty"`  // what it matters for
	Mend  []string `json:"mend,omitempty"` // commands, or what to write where
}

// Report is findings, the worst first.
type Report []Finding

// Failed tells whether something will not work.
func (r Report) Failed() bool {
	return slices.ContainsFunc(r, func(f Finding) bool { return f.State == Fail })
}

// sort puts the worst first, else as it was found.
func (r Report) sort() {
	rank := map[State]int{Fail: 0, Warn: 1, Unknown: 2, OK: 3}
	slices.SortStableFunc(r, func(a, b Finding) int { return cmp.Compare(rank[a.State], rank[b.State]) })
}

// Sorted is the report with the worst first.
func (r Report) Sorted() Report {
	out := slices.Clone(r)
	out.sort()
	return out
}

// unseen is a finding about something that could not be read.
func unseen(f Finding, err error) Finding {
	f.State, f.Says, f.Mend = Unknown, err.Error(), nil
	if denied, ok := errors.AsType[*forge.Denied](err); ok {
		f.Says = denied.Error()
		f.Mend = []string{"export " + forge.TokenVariable + "=<a token that may read the repository's settings>"}
	}
	return f
}
