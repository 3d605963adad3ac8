package render

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

const ghWatchdog = ghFolder + "rootfsgen-watchdog.yml"

// rerun is what the watchdog may do.
var rerun = []permission{
	{"actions", "write", "to run lost jobs again"},
	{"checks", "read", "to see what was noted at a job"},
	{"contents", "read", "to see whether the branch has moved on"},
}

// watchdog looks at runs that ended badly. It starts with the rights of the
// default branch whatever the run was of, so it takes nothing from the event
// but the run's number, and checks nothing out.
func (g *github) watchdog(watched map[string]*workflow) *workflow {
	j := g.job(pipeline.Watchdog, "watchdog", "watchdog")
	j.If = "${{ github.event.workflow_run.conclusion == 'failure' || github.event.workflow_run.conclusion == 'cancelled' }}"
	return &workflow{
		About: []string{
			"Runs jobs again that were lost with their machine, a bounded number of times: GitHub does not.",
			"A job that failed by its own fault stays as it is, and so does what a person cancelled.",
		},
		Name: "rootfsgen watchdog", On: triggers{Watched: namesOf(watched)},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-watchdog-{0}', github.event.workflow_run.id) }}"}, Shell: true,
		Jobs: []ghJob{j},
	}
}

// namesOf are the names of the workflows that an event starts and that run the
// jobs of images, sorted.
func namesOf(all map[string]*workflow) []string {
	names := map[string]bool{}
	for _, w := range all {
		if w.On.Call {
			continue
		}
		for _, j := range w.Jobs {
			if j.Uses == "./"+ghFleet {
				names[w.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// machine selects the machine of a leg: for the last attempt of a lost job one
// that is not taken away, where its class has such a one. Both are lists, which
// GitHub takes for true, so that the expression has one of them whatever they
// hold.
func (g *github) machine() expr {
	if g.p.LastLabels(pipeline.GitHub) == nil {
		return "${{ matrix.runner }}"
	}
	return expr(fmt.Sprintf("${{ fromJSON(github.run_attempt) >= %d && matrix.on_demand || matrix.runner }}", g.p.Spot.Attempts))
}
