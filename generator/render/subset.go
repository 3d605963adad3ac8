package render

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// GitHubFleet is the workflow whose jobs the plan chooses from.
const GitHubFleet = ghFleet

// DriftError is a committed file that does not fit the fleet: the plan would
// start jobs that are not there.
type DriftError struct {
	File string
	Why  string
}

// Error says what does not fit, and the remedy.
func (e *DriftError) Error() string {
	return fmt.Sprintf("%s %s: run \"rootfsgen generate\" and commit what it writes", e.File, e.Why)
}

// ExitCode is that of drift.
func (e *DriftError) ExitCode() int { return 4 }

// proveJobs checks that the committed workflow has the jobs of every image,
// each waiting for the same jobs. Else an image would silently not be built,
// or would be built too early.
func proveJobs(p *pipeline.Pipeline, committed []byte) error {
	var doc struct {
		Jobs map[string]struct {
			Needs []string `yaml:"needs"`
		} `yaml:"jobs"`
	}
	if len(committed) == 0 {
		return &DriftError{File: ghFleet, Why: "is missing"}
	}
	if err := yaml.Unmarshal(committed, &doc); err != nil {
		return fmt.Errorf("reading %s: %w", ghFleet, err)
	}
	g := &github{p: p}
	for i := range p.Images {
		for _, want := range g.imageJobs(&p.Images[i]) {
			got, found := doc.Jobs[want.ID]
			switch {
			case !found:
				return &DriftError{File: ghFleet, Why: "has no job " + want.ID}
			case !slices.Equal(slices.Sorted(slices.Values(got.Needs)), slices.Sorted(slices.Values(want.Needs))):
				return &DriftError{File: ghFleet, Why: "has a job " + want.ID + " that waits for others than it must"}
			}
		}
	}
	return nil
}

// proveSubset checks that every job of a child pipeline is a job of the
// committed fleet, which needs no more than that one does. Only the job that
// carries the plan has a script of its own.
func proveSubset(child, committed []byte) error {
	if len(committed) == 0 {
		return &DriftError{File: GitLabFleet, Why: "is missing"}
	}
	var some, all map[string]any
	if err := yaml.Unmarshal(child, &some); err != nil {
		return fmt.Errorf("reading %s: %w", pipeline.ChildFile, err)
	}
	if err := yaml.Unmarshal(committed, &all); err != nil {
		return fmt.Errorf("reading %s: %w", GitLabFleet, err)
	}
	for name, job := range some {
		whole, found := all[name]
		if !found {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has no job %q", name)}
		}
		a, isJob := job.(map[string]any)
		b, too := whole.(map[string]any)
		if isJob && too {
			if name == stagePlan {
				delete(a, "script")
				delete(b, "script")
			}
			if !within(a["needs"], b["needs"]) {
				return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has a job %q that waits for others than it must", name)}
			}
			delete(a, "needs")
			delete(b, "needs")
		}
		if !reflect.DeepEqual(job, whole) {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has a different job %q", name)}
		}
	}
	return nil
}

// within tells whether every item of one list is in another.
func within(some, all any) bool {
	a, _ := some.([]any)
	b, _ := all.([]any)
	for _, item := range a {
		if !slices.ContainsFunc(b, func(o any) bool { return reflect.DeepEqual(item, o) }) {
			return false
		}
	}
	return true
}
