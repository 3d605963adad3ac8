package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// release has a group of its own for each tag: GitHub keeps one run of a group
// waiting and cancels it for another, without a word.
func (g *github) release() *workflow {
	promote := g.job(pipeline.Promote, "promote", "promote")
	promote.Needs = []string{"fleet", "manifest"}
	promote.If = "${{ !cancelled() && needs.fleet.result == 'success' && needs.manifest.result == 'success' }}"
	jobs := g.chain(pipeline.Release, "")
	last := len(jobs) - 1
	jobs[last].Needs = append(jobs[last].Needs, promote.ID)
	return &workflow{
		About: []string{"A release tag builds what is missing, which is normally nothing, and moves the testing channel to prod."},
		Name:  "rootfsgen release", On: triggers{Tags: []string{g.p.ReleaseTags}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-release-{0}', github.ref) }}"}, Shell: true,
		Jobs: slices.Insert(jobs, last, promote),
	}
}
