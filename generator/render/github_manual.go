package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// manual runs on the default branch alone: a person may start it on any
// branch, and what it builds goes into testing.
func (g *github) manual() *workflow {
	return &workflow{
		About: []string{"A person builds chosen images, for chosen platforms, or builds them anew."},
		Name:  "rootfsgen manual", On: triggers{Dispatch: []input{
			{Name: "images", Description: "Names of images, separated by blanks; empty is all", Type: "string", HasDefault: true, Default: ""},
			{Name: "platforms", Description: "For example linux/arm64; empty is all", Type: "string", HasDefault: true, Default: ""},
			{Name: "force", Description: "Build the images anew, and what is built from them, though nothing changed", Type: "boolean", HasDefault: true, Default: false},
		}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-manual-{0}', github.run_id) }}"}, Shell: true,
		Jobs: g.chain(pipeline.Manual, g.onBranch(""),
			pair{"images", expr("${{ inputs.images }}")},
			pair{"platforms", expr("${{ inputs.platforms }}")},
			pair{"force", expr("${{ format('{0}', inputs.force) }}")}),
	}
}

// onBranch is the condition that the default branch is meant, and more.
func (g *github) onBranch(more string) expr {
	return expr("${{ github.ref == 'refs/heads/" + g.p.DefaultBranch + "'" + more + " }}")
}
