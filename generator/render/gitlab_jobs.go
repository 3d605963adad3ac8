package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// glOwnStages are the jobs of the stages that people's own may stand beside,
// and the job before each.
var glOwnStages = map[string]struct{ job, before string }{
	model.StageBuild:    {glImages, glPlan},
	model.StageManifest: {glManifest, glImages},
	model.StagePromote:  {glPromote, glManifest},
}

// around adds people's own jobs to the parent pipeline, which fails with them.
func (g *gitlab) around(f *glFile) {
	for i := range g.p.Own {
		own := &g.p.Own[i]
		place := glOwnStages[own.Stage()]
		at := slices.IndexFunc(f.Jobs, func(j glJob) bool { return j.Name == place.job })
		if own.GitLab == "" || at < 0 {
			continue
		}
		stage := &f.Jobs[at]
		rules := g.ownRules(own, stage.Rules)
		if len(rules) == 0 {
			continue
		}
		job := glJob{Name: "own:" + own.Name, Extends: own.GitLab, Stage: stage.Stage, Rules: rules, Needs: []need{{Job: stage.Name}}}
		if own.Before != "" {
			job.Needs = []need{{Job: place.before}}
			stage.Needs = append(stage.Needs, need{Job: job.Name, Optional: len(rules) < len(stage.Rules)})
			if own.Stage() == model.StageManifest {
				inTurn(stage, &job, place.before)
			}
		}
		if own.Include != "" && !slices.Contains(f.Include, own.Include) {
			f.Include = append(f.Include, own.Include)
		}
		f.Jobs = append(f.Jobs, job)
	}
}

// inTurn lets a job stand before one that runs whatever came of the jobs before
// it: it takes over to do so, and the stage waits for nothing else and for its
// success.
func inTurn(stage, job *glJob, before string) {
	job.Rules = slices.Clone(job.Rules)
	for i := range job.Rules {
		job.Rules[i].When = "always"
	}
	stage.Rules = slices.Clone(stage.Rules)
	for i := range stage.Rules {
		stage.Rules[i].When = ""
	}
	stage.Needs = slices.DeleteFunc(stage.Needs, func(n need) bool { return n.Job == before })
}

// ownRules are those of a stage for the events that a job is part of.
func (g *gitlab) ownRules(own *model.OwnJob, of []rule) []rule {
	var rules []rule
	for _, r := range of {
		if slices.ContainsFunc(g.p.OwnJobs(r.event), func(j model.OwnJob) bool { return j.Name == own.Name }) {
			rules = append(rules, rule{If: r.If, event: r.event})
		}
	}
	return rules
}
