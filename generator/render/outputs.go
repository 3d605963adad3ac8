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
// job's outputs, for GitLab the child pipeline. committed is what the
// repository holds as GitHubFleet or GitLabFleet, whose jobs they start; the
// error is a *DriftError when it lacks something. raw is the plan as it was
// written.
func Outputs(full *pipeline.Pipeline, child *pipeline.Pipeline, forge string, plan *model.Plan, raw, committed []byte) ([]byte, error) {
	if forge == pipeline.GitLab {
		text, err := Child(child, raw)
		if err != nil {
			return nil, err
		}
		if len(text) > maxGitLabFile {
			return nil, &LimitError{Limits: []Limit{{Forge: pipeline.GitLab, What: "bytes in the child pipeline", Used: len(text), Max: maxGitLabFile}}}
		}
		return text, proveSubset(text, committed)
	}
	if err := proveJobs(full, committed); err != nil {
		return nil, err
	}
	d, err := pipeline.Decide(plan, classLabels(full, forge), full.LastLabels(forge))
	if err != nil {
		return nil, err
	}
	return d.GitHubOutputs()
}
