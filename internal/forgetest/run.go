package forgetest

import (
	"maps"
	"slices"
	"time"
)

// Begin is when the first job of every run begins.
var Begin = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// Run is a workflow run or a pipeline, as a test puts it there.
type Run struct {
	ID         int64
	Workflow   string // GitHub
	Event      string // push by default
	Ref        string // branch or tag; main by default
	Commit     string
	Fork       bool   // GitHub: of another repository
	Running    bool   // not ended
	Conclusion string // by default that of its jobs
	Jobs       []Job  // of the newest attempt
	Parent     int64  // GitLab: pipeline that started this one

	attempts [][]Job // the earlier ones
}

// Job is one job of a run.
type Job struct {
	ID         int64  // by default one that is free
	Name       string //
	Needs      []string
	Conclusion string   // success by default; "-" is none yet
	Reason     string   // GitLab's failure_reason
	Machine    string   // by default that of the job; "-" is none
	Labels     []string //
	Steps      []Step   // GitHub
	Notes      []string // GitHub's annotations
	Started    time.Time
}

// Step is one step of a job.
type Step struct{ Name, Conclusion string }

// Attempt is the number of a run's newest attempt.
func (r *Run) Attempt() int { return len(r.attempts) + 1 }

// complete fills in what a test left out.
func (r *Run) complete(number func() int64) {
	if r.Event == "" {
		r.Event = "push"
	}
	if r.Ref == "" {
		r.Ref = "main"
	}
	worst := "success"
	for i := range r.Jobs {
		j := &r.Jobs[i]
		if j.ID == 0 {
			j.ID = number()
		}
		switch j.Conclusion {
		case "":
			j.Conclusion = "success"
		case "-":
			j.Conclusion = ""
		}
		switch {
		case j.Machine == "-" || j.Conclusion == "skipped":
			j.Machine = ""
		case j.Machine == "":
			j.Machine = "machine of " + j.Name
		}
		if j.Machine != "" && j.Started.IsZero() {
			j.Started = Begin.Add(time.Duration(len(r.attempts)*60+i) * time.Minute)
		}
		switch j.Conclusion {
		case "failure", "failed", "timed_out":
			worst = "failure"
		case "cancelled", "canceled":
			if worst == "success" {
				worst = "cancelled"
			}
		}
	}
	if r.Conclusion == "" {
		r.Conclusion = worst
	}
}

// again begins a new attempt of the named jobs and of all that need them.
func (r *Run) again(names map[string]bool, number func() int64) {
	for grown := true; grown; {
		grown = false
		for _, j := range r.Jobs {
			for _, need := range j.Needs {
				if names[need] && !names[j.Name] {
					names[j.Name], grown = true, true
				}
			}
		}
	}
	earlier := r.Jobs
	r.attempts = append(r.attempts, earlier)
	r.Jobs = nil
	for _, j := range earlier {
		if names[j.Name] {
			j = Job{Name: j.Name, Needs: j.Needs, Labels: j.Labels}
		}
		j.ID = number()
		r.Jobs = append(r.Jobs, j)
	}
	r.Running, r.Conclusion = true, ""
}

// newest are the numbers of runs, the newest first.
func newest(runs map[int64]*Run) []int64 {
	ids := slices.Sorted(maps.Keys(runs))
	slices.Reverse(ids)
	return ids
}
