package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

const (
	ownRequest  = expr("${{ github.event.pull_request.head.repo.full_name == github.event.repository.full_name }}")
	forkRequest = expr("${{ github.event.pull_request.head.repo.full_name != github.event.repository.full_name }}")
	requestID   = expr("${{ format('pr-{0}', github.event.pull_request.number) }}")
)

// request ends the run of an older push to the same request.
func (g *github) request() *workflow {
	fork := g.job(pipeline.Fork, "fork", "fork")
	fork.If = forkRequest
	jobs := g.chain(pipeline.Request, ownRequest, pair{"snapshot-id", requestID})
	// The check runs for forks, too, and so never on a machine of one's own.
	check := &jobs[len(jobs)-1]
	check.Needs, check.RunsOn = append(check.Needs, fork.ID), fork.RunsOn
	check.Container, check.Services, check.Env = fork.Container, fork.Services, fork.Env
	return &workflow{
		About: []string{
			"A pull request builds what it changes under snapshot tags of its own; nothing is promoted.",
			"One from a fork gets a machine of GitHub's, no secrets, and a registry that is thrown away.",
		},
		Name: "rootfsgen request", On: triggers{PullRequest: true},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-request-{0}', github.event.pull_request.number) }}", Cancel: true}, Shell: true,
		Jobs: slices.Insert(jobs, len(jobs)-1, g.comment(jobs[0].ID), fork),
	}
}

// queue tries what a merge queue is about to merge: several requests on top of
// the branch. It shares nothing with the pipelines of these requests but the
// scope, where what they built is found.
func (g *github) queue() *workflow {
	return &workflow{
		About: []string{"A merge queue builds what it is about to merge, under snapshot tags of its own; nothing is promoted."},
		Name:  "rootfsgen queue", On: triggers{MergeGroup: true},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-queue-{0}', github.ref) }}", Cancel: true}, Shell: true,
		Jobs: g.chain(pipeline.Queue, "",
			pair{"snapshot-id", expr("${{ format('queue-{0}', github.run_id) }}")},
			pair{"from", expr("${{ github.event.merge_group.base_sha }}")}),
	}
}

// closed removes what a request has pushed. A fork's has pushed nothing.
func (g *github) closed() *workflow {
	j := g.job(pipeline.Purge, "purge", "purge")
	j.If = ownRequest
	return &workflow{
		About: []string{"When a pull request is closed, merged or not, its images go."},
		Name:  "rootfsgen closed", On: triggers{Closed: true},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-closed-{0}', github.event.pull_request.number) }}"}, Shell: true,
		Jobs: []ghJob{j},
	}
}

// merged finishes the promotion that merging a request is. GitHub starts what
// the pushed branch itself has, which is why this file must be there, too. Each
// push has a group of its own: one that waits would be cancelled for another.
func (g *github) merged() *workflow {
	j := g.job(pipeline.Finish, "finish", "finish")
	return &workflow{
		About: []string{
			"When a request for a promotion was merged, what was merged is verified and judged, and the floating tags move.",
			"GitHub reads this file from the branch of the channels: copy it there.",
		},
		Name: "rootfsgen merged", On: triggers{Branches: []string{g.p.ChannelBranch}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-merged-{0}', github.sha) }}"}, Shell: true,
		Jobs: []ghJob{j},
	}
}
