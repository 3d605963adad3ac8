package render

import (
	"fmt"
	"maps"
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
// each waiting for the same jobs, and reads what the planning job will tell.
// Else an image would silently not be built, or would be built too early.
func proveJobs(p *pipeline.Pipeline, committed []byte) error {
	var doc struct {
		Jobs map[string]struct {
			Needs   []string       `yaml:"needs"`
			Outputs map[string]any `yaml:"outputs"`
		} `yaml:"jobs"`
	}
	if len(committed) == 0 {
		return &DriftError{File: ghFleet, Why: "is missing"}
	}
	if err := yaml.Unmarshal(committed, &doc); err != nil {
		return fmt.Errorf("reading %s: %w", ghFleet, err)
	}
	g := &github{p: p}
	jobs := g.fleetJobs()
	for _, want := range jobs {
		got, found := doc.Jobs[want.ID]
		switch {
		case !found:
			return &DriftError{File: ghFleet, Why: "has no job " + want.ID}
		case !slices.Equal(slices.Sorted(slices.Values(got.Needs)), slices.Sorted(slices.Values(want.Needs))):
			return &DriftError{File: ghFleet, Why: "has a job " + want.ID + " that waits for others than it must"}
		}
	}
	told := g.planOutputs(jobs)
	for _, name := range slices.Sorted(maps.Keys(doc.Jobs["plan"].Outputs)) {
		if name != unplanned && !slices.Contains(told, name) { // which the job itself says
			return &DriftError{File: ghFleet, Why: "waits to be told " + name + ", of which there is none"}
		}
	}
	return nil
}
