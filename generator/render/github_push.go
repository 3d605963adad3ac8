package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// push has a group for each commit: every push runs, and none waits for, or
// takes the place of, another. What one of them did not finish is in no range
// that could be lost: the next one plans from the registry's state.
func (g *github) push() *workflow {
	return &workflow{
		About: []string{"A push to the default branch builds what changed and writes the testing channel."},
		Name:  "rootfsgen push", On: triggers{Branches: []string{g.p.DefaultBranch}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-push-{0}', github.sha) }}"}, Shell: true,
		Jobs: g.chain(pipeline.Push, ""),
	}
}
