package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// classLabels is the labels of every machine class on a forge.
func classLabels(p *pipeline.Pipeline, forge string) map[string][]string {
	labels := map[string][]string{}
	for class, r := range p.Runners {
		labels[class] = pipeline.Labels(r, forge)
	}
	return labels
}

// Outputs is what a forge's planning job tells its pipeline: for GitHub the
// job's outputs, for GitLab the child pipeline. all is the pipeline of the
// whole fleet, some that of what the plan runs, and raw the plan as it was
// written. committed is what the repository holds as GitHubFleet or
// GitLabFleet, whose jobs they start; the error is a *DriftError when it lacks
// something, and a *LimitError when the forge would refuse what is told.
func Outputs(all, some *pipeline.Pipeline, forge string, plan *model.Plan, raw, committed []byte) ([]byte, error) {
	if forge == pipeline.GitLab {
		text, err := Child(all, some, raw)
		if err != nil {
			return nil, err
		}
		if err := fits(glFileSize, len(text), pipeline.ChildFile); err != nil {
			return nil, err
		}
		return text, proveSubset(text, committed)
	}
	if err := proveJobs(all, committed); err != nil {
		return nil, err
	}
	d, err := pipeline.Decide(plan, classLabels(all, forge), all.LastLabels(forge))
	if err != nil {
		return nil, err
	}
	if all.Surrounded() {
		d.NameClasses(plan)
	}
	g := &github{p: all}
	text, err := g.outputs(d)
	if err != nil {
		return nil, err
	}
	return text, fits(ghOutputs, utf16Bytes(text), "")
}
