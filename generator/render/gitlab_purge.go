package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// glRequestEnvironment stands for what a request has pushed. GitLab starts no
// pipeline when a request closes, but ends its environments.
const glRequestEnvironment = "rootfsgen/mr-$CI_MERGE_REQUEST_IID"

// purge removes what a request has pushed: GitLab starts it when the request is
// closed or merged, and a person may before.
func (g *gitlab) purge() glJob {
	j := g.job(pipeline.Purge, glPurge, glStages[2])
	j.Environment, j.Stops = glRequestEnvironment, true
	j.set([]pair{{string(pipeline.VarSnapshot), "mr-$CI_MERGE_REQUEST_IID"}})
	for i := range j.Rules {
		j.Rules[i].When, j.Rules[i].Optional = "manual", true
	}
	return j
}

// purged gives a job of every request's pipeline the environment whose end
// starts the purge.
func (g *gitlab) purged(j *glJob) {
	if p := g.p.Fixed[pipeline.Purge]; len(p.Events) > 0 {
		j.Environment, j.OnStop = glRequestEnvironment, glPurge
	}
}

// merged finishes the promotion that merging a request is, in turn with those
// that write the channel.
func (g *gitlab) merged() glJob {
	j := g.job(pipeline.Finish, glMerged, glStages[2])
	j.ResourceGroup = glProd
	return j
}
