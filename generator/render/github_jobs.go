package render

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// ghStages are the jobs of the stages that people's own may stand beside.
var ghStages = map[string]string{model.StageBuild: "fleet", model.StageManifest: "manifest", model.StagePromote: "promote"}

// around adds people's own jobs to the workflow of an event. The last job is
// the check that closes, which counts them.
func (g *github) around(e pipeline.Event, w *workflow) {
	for _, own := range g.p.OwnJobs(e) {
		at := slices.IndexFunc(w.Jobs, func(j ghJob) bool { return j.ID == ghStages[own.Stage()] })
		if own.GitHub == "" || at < 0 {
			continue
		}
		stage, last := &w.Jobs[at], len(w.Jobs)-1
		job := ownJob(&own)
		if own.Before != "" {
			job.Needs, job.If = slices.Clone(stage.Needs), stage.If
			stage.Needs = append(slices.Clone(stage.Needs), job.ID)
			stage.If = and(stage.If, job.ID)
		} else {
			job.Needs = []string{stage.ID}
			job.If = and("${{ !cancelled() }}", stage.ID)
		}
		w.Jobs[last].Needs = append(slices.Clone(w.Jobs[last].Needs), job.ID)
		w.Jobs = slices.Insert(w.Jobs, last, job)
	}
}

// ownJob calls people's workflow. It may read the repository, and is given the
// rights and the secrets that are listed.
func ownJob(own *model.OwnJob) ghJob {
	job := ghJob{ID: "own-" + own.Name, Name: own.Name, Uses: own.GitHub, Permissions: read}
	if slices.Contains(own.Rights, model.RightRelease) {
		job.Permissions = []permission{{"contents", "write", "to write a release"}}
	}
	if slices.Contains(own.Rights, model.RightIdentity) {
		job.Permissions = append(slices.Clone(job.Permissions), permission{"id-token", "write", "to prove which job it is"})
	}
	for _, s := range own.Secrets {
		job.Secrets = append(job.Secrets, pair{s, expr("${{ secrets." + s + " }}")})
	}
	return job
}

// and adds to a condition that a job succeeded. A condition that asks for no
// state holds only where everything before succeeded, so that it need not be
// said again.
func and(cond expr, job string) expr {
	if !strings.Contains(string(cond), "cancelled()") {
		return cond
	}
	return expr(strings.TrimSuffix(string(cond), " }}")) + " && needs." + expr(job) + ".result == 'success' }}"
}
