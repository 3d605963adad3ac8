package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Decisions is what a plan means for the jobs of a pipeline that holds every
// image.
type Decisions struct {
	Build  []string              // images with a target that has a step to run, sorted
	Merge  []string              // images whose platforms are to be joined, sorted
	Matrix map[string][]Platform // for each of Build, the platforms that have a step to run
}

// Platform is one leg of a build job, as a forge's matrix reads it.
type Platform struct {
	Platform string   `json:"platform"`
	Arch     string   `json:"arch"`
	Runner   []string `json:"runner"`              // labels of the machine
	OnDemand []string `json:"on_demand,omitempty"` // labels for the last attempt of a lost job, where the pipeline tells them apart
	Class    string   `json:"class,omitempty"`     // machine class, where the pipeline must know it

	// Of tests that run elsewhere than the build: what they need, the labels of
	// a machine that has it, those for the last attempt, and its class.
	Device       string   `json:"device,omitempty"`
	Test         []string `json:"test,omitempty"`
	TestOnDemand []string `json:"test_on_demand,omitempty"`
	TestClass    string   `json:"test_class,omitempty"`
}

// Decide reads a plan. runners gives the labels of each machine class on
// the forge, and last those for the last attempt of a lost job, nil where they
// are no others. The error names a class without labels, or a name in the plan
// that must not reach a forge.
func Decide(plan *model.Plan, runners, last map[string][]string) (*Decisions, error) {
	o := &Decisions{Build: []string{}, Merge: []string{}, Matrix: map[string][]Platform{}}
	for i := range plan.Entries {
		if err := checkNode(plan.Entries[i].ID()); err != nil {
			return nil, err
		}
	}
	names := model.NodeNames(plan.Nodes())
	for i := range plan.Entries {
		e := &plan.Entries[i]
		if !Runs(e) {
			continue
		}
		labels, err := labelsOf(e, e.Runner, runners)
		if err != nil {
			return nil, err
		}
		leg := Platform{Platform: e.Platform.String(), Arch: e.Platform.Arch, Runner: labels, OnDemand: last[e.Runner]}
		if e.TestRunner != "" && e.Steps[model.StepTest] == model.StepRun {
			leg.Device, leg.TestOnDemand = e.Device, last[e.TestRunner]
			if leg.Test, err = labelsOf(e, e.TestRunner, runners); err != nil {
				return nil, err
			}
		}
		name := names[e.ID().AllPlatforms()]
		o.Matrix[name] = append(o.Matrix[name], leg)
	}
	o.Build = append(o.Build, slices.Sorted(maps.Keys(o.Matrix))...)
	for _, name := range o.Build {
		if tests := tested(o.Matrix[name]); len(tests) > 0 {
			o.Matrix[name+TestsOf] = tests
		}
	}
	for _, legs := range o.Matrix {
		slices.SortFunc(legs, func(a, b Platform) int { return strings.Compare(a.Platform, b.Platform) })
	}
	for i := range plan.Indexes {
		x := &plan.Indexes[i]
		name, known := names[x.ID()]
		if !known {
			return nil, fmt.Errorf("reading the plan: it has an index of %s, but no entry", x.ID().Node())
		}
		if x.Action == model.StepRun {
			o.Merge = append(o.Merge, name)
		}
	}
	slices.Sort(o.Merge)
	o.Merge = slices.Compact(o.Merge)
	return o, nil
}

// TestsOf ends the names of the lists of platforms that have tests in a job of
// their own. No image's name has a blank.
const TestsOf = " tests"

// tested are the legs whose tests run elsewhere.
func tested(legs []Platform) []Platform {
	return slices.DeleteFunc(slices.Clone(legs), func(l Platform) bool { return l.Device == "" })
}

// labelsOf are the labels of a machine class that the plan names for a target.
func labelsOf(e *model.Entry, class string, runners map[string][]string) ([]string, error) {
	labels := runners[class]
	if len(labels) == 0 {
		return nil, fmt.Errorf("reading the plan: %s: machine class %q has no labels", e.ID(), class)
	}
	for _, l := range labels {
		if err := model.CheckRunnerLabel(l); err != nil {
			return nil, fmt.Errorf("reading the plan: machine class %q: %w", class, err)
		}
	}
	return labels, nil
}

// checkNode refuses what must not become part of a job's name or command.
func checkNode(id model.TargetID) error {
	err := model.CheckImageName(id.Image)
	if err == nil && id.Tag != "" {
		err = model.CheckTag(id.Tag)
	}
	if err == nil && id.Variant != "" {
		err = model.CheckTag(id.Variant)
	}
	if err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	return nil
}

// Runs tells whether a target has a step to run.
func Runs(e *model.Entry) bool {
	return e.Action != model.ActionRetire &&
		(e.Steps[model.StepBuild] == model.StepRun || e.Steps[model.StepTest] == model.StepRun)
}

// Selected is the part of a fleet that a plan runs.
func Selected(plan *model.Plan) Options {
	o := Options{Only: map[model.TargetID]bool{}, Merge: map[model.TargetID]bool{}}
	for i := range plan.Entries {
		if e := &plan.Entries[i]; Runs(e) {
			o.Only[e.ID()] = true
		}
	}
	for _, x := range plan.Indexes {
		if x.Action == model.StepRun {
			o.Merge[x.ID()] = true
		}
	}
	return o
}

// GitHubOutputs is the outputs of a GitHub job where every image has jobs of
// its own, one "name=value" a line.
func (o *Decisions) GitHubOutputs() ([]byte, error) {
	return outputLines(output{"build", o.Build}, output{"merge", o.Merge}, output{"matrix", o.Matrix})
}

// output is one output of a job.
type output struct {
	name  string
	value any
}

// outputLines writes outputs, one a line.
func outputLines(outputs ...output) ([]byte, error) {
	var b strings.Builder
	for _, o := range outputs {
		text, err := json.Marshal(o.value)
		if err != nil {
			return nil, fmt.Errorf("writing output %s: %w", o.name, err)
		}
		fmt.Fprintf(&b, "%s=%s\n", o.name, text)
	}
	return []byte(b.String()), nil
}
