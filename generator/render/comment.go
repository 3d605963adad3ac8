package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

const glComment = "rootfsgen-comment"

// comments is what the comment's job needs on GitHub, and no other has.
var comments = []permission{{"pull-requests", "write", "to comment"}}

// comment speaks after the job that planned, or whose workflow did, however what
// else is in that ended. A job of the workflow itself could speak sooner, and each
// caller of the workflow would need the right to. It is no part of what is required: that nobody could be told is
// no fault of the request.
func (g *github) comment(after string) ghJob {
	j := g.job(pipeline.Comment, "comment", "comment")
	j.Needs = []string{after}
	cond := planned
	if after != "fleet" {
		cond = expr(" && needs." + after + ".result == 'success'")
	}
	j.If = "${{ !cancelled() && github.event.pull_request.head.repo.full_name == github.event.repository.full_name" + cond + " }}"
	return j
}

// comment speaks beside the jobs of the images, with nothing checked out where
// nothing of the repository is needed.
func (g *gitlab) comment() glJob {
	j := g.job(pipeline.Comment, glComment, glStages[1])
	j.Needs = []need{{Job: glPlan, Artifacts: true}}
	j.set([]pair{{string(pipeline.VarRequest), "$CI_MERGE_REQUEST_IID"}})
	if g.p.Network.CA == "" {
		j.set([]pair{{"GIT_STRATEGY", "none"}})
	}
	g.purged(&j)
	return j
}
