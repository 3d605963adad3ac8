package spot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// maxAttempts is how often GitHub lets a run run in all: once, and 50 times
// again.
const maxAttempts = 51

// Report is what is known of a run, and what is to be done.
type Report struct {
	Run     int64    `json:"run"`
	URL     string   `json:"url"`
	Attempt int      `json:"attempt"`
	Jobs    []Judged `json:"jobs"`
	Lost    int      `json:"lost"`
	Again   []int64  `json:"again"`           // jobs that are to run again now
	Whole   bool     `json:"whole,omitempty"` // by one request for all that did not succeed
	Why     string   `json:"why"`             // why so, or why not
	Done    bool     `json:"done"`            // it was asked for
}

// Examine reads a run and decides which of its jobs are to run again, so that
// none runs more than attempts times in all for having been lost.
func Examine(ctx context.Context, c forge.Runs, id int64, attempts int) (*Report, error) {
	run, err := c.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	r := &Report{Run: id, URL: run.URL, Attempt: run.Attempt, Jobs: Judge(run), Again: []int64{}}
	for _, j := range r.Jobs {
		if j.Verdict == Lost {
			r.Lost++
		}
	}
	if r.Why = hopeless(run, r); r.Why != "" {
		return r, nil
	}
	tips, err := c.Tips(ctx, run.Ref)
	if err != nil {
		return nil, err
	}
	if r.Why = superseded(run, tips); r.Why != "" {
		return r, nil
	}
	executions, err := c.Executions(ctx, run)
	if err != nil {
		return nil, err
	}
	r.choose(run.Forge, executions, attempts)
	return r, nil
}

// hopeless says why nothing can be run again, whatever else is true.
func hopeless(run *forge.Run, r *Report) string {
	cancelled := slices.IndexFunc(r.Jobs, func(j Judged) bool { return j.Verdict == Cancelled })
	switch {
	case !run.Done:
		return "the run has not ended"
	case r.Lost == 0:
		return "no job was lost with its machine"
	case run.Foreign:
		return "the run is of another repository's branch"
	case cancelled >= 0:
		return fmt.Sprintf("the run was cancelled: %s: %s", r.Jobs[cancelled].Name, r.Jobs[cancelled].Why)
	case run.Attempt >= maxAttempts:
		return fmt.Sprintf("it is the run's attempt %d: GitHub allows no more", run.Attempt)
	}
	return ""
}

// standing are the events whose runs no later one replaces.
var standing = []string{"schedule", "workflow_dispatch", "web", "api", "trigger"}

// mergeRequests are the refs of GitLab's pipelines for merge requests.
const mergeRequests = "refs/merge-requests/"

// superseded says which newer commit makes the run one of the past. It is the
// newer commit's run that matters then: it builds what is missing.
func superseded(run *forge.Run, tips forge.Tips) string {
	switch {
	case strings.HasPrefix(run.Ref, mergeRequests):
		return "" // GitLab cancels these by itself
	case slices.Contains(standing, run.Event) || run.Commit == tips.Branch || run.Commit == tips.Tag:
		return ""
	case tips.Branch == "" && tips.Tag == "":
		return fmt.Sprintf("there is no %s any more", run.Ref)
	}
	return fmt.Sprintf("%s has moved on to %.12s", run.Ref, cmp.Or(tips.Branch, tips.Tag))
}

// choose decides which lost jobs run again. One request runs everything again
// that failed; it is taken where all of that was lost. Beside a job that failed
// by its own fault, which must not run again, and for one that ended as
// cancelled, GitHub takes one job at a time: the others follow when that
// attempt has ended.
func (r *Report) choose(kind string, executions map[string]int, attempts int) {
	var lost []Judged
	single := false
	for _, j := range r.Jobs {
		again := j.Verdict == Lost && executions[j.Name] < attempts
		if again {
			lost = append(lost, j)
		}
		single = single || j.Verdict == Failed || j.Verdict == Lost && (!again || j.conclusion != forge.Failure)
	}
	slices.SortStableFunc(lost, func(a, b Judged) int { return cmp.Compare(executions[a.Name], executions[b.Name]) })
	switch {
	case len(lost) == 0:
		r.Why = fmt.Sprintf("each lost job has run %d times", attempts)
		return
	case !single:
		r.Whole, r.Why = true, "every job that failed was lost"
	case kind == forge.GitHub && len(lost) > 1:
		lost, r.Why = lost[:1], fmt.Sprintf("GitHub takes one job at a time; %d more follow when it has ended", len(lost)-1)
	default:
		r.Why = "lost jobs run again, others do not"
	}
	for _, j := range lost {
		r.Again = append(r.Again, j.ID)
	}
}

// Rerun asks for what a report says is to be done. Where somebody else was
// faster it says so and is content.
func (r *Report) Rerun(ctx context.Context, c forge.Runs) error {
	if len(r.Again) == 0 {
		return nil
	}
	err := r.request(ctx, c)
	if err == nil {
		r.Done = true
		return nil
	}
	if _, denied := errors.AsType[*forge.Denied](err); denied {
		if run, again := c.Run(ctx, r.Run); again == nil && (run.Attempt > r.Attempt || !run.Done) {
			r.Why = "somebody else has run it again"
			return nil
		}
	}
	return err
}

func (r *Report) request(ctx context.Context, c forge.Runs) error {
	if r.Whole {
		return c.RerunFailed(ctx, r.Run)
	}
	for _, id := range r.Again {
		if err := c.RerunJob(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
