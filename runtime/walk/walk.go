// Package walk carries out a whole plan on one machine: parents before what is
// built from them, as much at once as is allowed, and past failures as far as
// they do not matter. It keeps no state of its own: what was done is in the
// registry, and a walk that was cut off is finished by the next one.
package walk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// Steps are what is done to targets and indexes. SBOM, Scan and Gate may be
// nil, all of them, where nothing is scanned.
type Steps struct {
	Build step.Target
	Test  step.Target
	SBOM  step.Target
	Scan  step.Target
	Gate  step.Target
	Merge step.Index
}

// judging are the steps of a target between its tests and the merge, in order.
func (s *Steps) judging() []string {
	if s.Gate == nil {
		return nil
	}
	return []string{model.StepSBOM, model.StepScan, model.StepGate}
}

// of is the step of a target that has a name.
func (s *Steps) of(name string) step.Target {
	switch name {
	case model.StepTest:
		return s.Test
	case model.StepSBOM:
		return s.SBOM
	case model.StepScan:
		return s.Scan
	case model.StepGate:
		return s.Gate
	}
	return s.Build
}

// Options say how a plan is walked.
type Options struct {
	Parallel int         // builds and tests at once, at least 1
	Progress func(Event) // called for everything that begins and ends, one call at a time; nil for silence
}

// Event is something that began or ended.
type Event struct {
	Name string // "python linux/amd64", or "python" for an index
	Step string // one of the Step constants of package model
	End  bool
	Took time.Duration // at the end
	Err  error         // at the end: nil, a skip, or why it failed
}

// The outcomes of a target or an index.
const (
	Built  = "built"
	Reused = "reused" // the registry had its bytes
	Tested = "tested" // nothing was built, its tests were run
	Judged = "judged" // neither, and the scan policy lets it pass
	// Untested is what this machine could not test, Why says why. Nothing that
	// holds it is merged.
	Untested = model.StepUntested
	// Refused is what the scan policy does not let pass, Why says why. Nothing
	// that is built from it is merged, but all of it is built.
	Refused = "refused"
	None    = "none"    // there was nothing to do
	Merged  = "merged"  // of an index
	Failed  = "failed"  // Why says why
	Skipped = "skipped" // not begun, because of another failure
	Stopped = "stopped" // cut off by a signal
)

// Outcome is what became of one target, or of one index.
type Outcome struct {
	Target  model.TargetID // without a platform for an index
	Action  string         // one of the outcomes
	Took    time.Duration
	Digest  model.Digest
	Version string // of an index: its version tag
	Why     string // for Failed, Refused, Skipped and Untested
	Err     error  // the failure
}

// Result is what became of a plan.
type Result struct {
	Targets []Outcome // in the order of the plan
	Indexes []Outcome
}

// Err is nil when nothing failed, and else a *Failure.
func (r Result) Err() error {
	f := &Failure{}
	for _, o := range append(append([]Outcome{}, r.Targets...), r.Indexes...) {
		if o.Err != nil {
			f.Errs = append(f.Errs, o.Err)
		}
	}
	if len(f.Errs) == 0 {
		return nil
	}
	return f
}

// Failure is everything that failed in a walk.
type Failure struct {
	Errs []error
}

// Error says how much failed, and the first of it.
func (f *Failure) Error() string {
	if len(f.Errs) == 1 {
		return f.Errs[0].Error()
	}
	return fmt.Sprintf("%d steps failed, the first: %v", len(f.Errs), f.Errs[0])
}

// Unwrap is every failure.
func (f *Failure) Unwrap() []error { return f.Errs }

// ExitCode is that of all failures where they have one in common, such as 75
// for trouble with registry or machine, and 1 otherwise.
func (f *Failure) ExitCode() int {
	code := 0
	for _, err := range f.Errs {
		var coded interface{ ExitCode() int }
		if !errors.As(err, &coded) || code != 0 && coded.ExitCode() != code {
			return 1
		}
		code = coded.ExitCode()
	}
	return max(1, code)
}

// Walk carries the plan out. What fails is in the result; the error is that of
// the context when it was cancelled, after everything that ran has ended.
func Walk(ctx context.Context, p *model.Plan, s Steps, o Options) (Result, error) {
	w := newWalker(p, s, o)
	w.run(ctx)
	if err := ctx.Err(); err != nil {
		return w.result(), context.Cause(ctx)
	}
	return w.result(), nil
}
