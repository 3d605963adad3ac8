package render

import (
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// tests is the job that tests on other machines than those that build, none
// where no image needs one. It stands in the workflow of one image, so whatever
// waits for the build waits for the tests, too. A leg whose tests no class of
// machines can run stays on its own machine, and says that it is untested.
func (g *github) tests() []ghJob {
	if _, needed := g.p.Fixed[pipeline.Test]; !needed {
		return nil
	}
	j := g.job(pipeline.Test, "test", expr("${{ format('test {0}', matrix.platform) }}"))
	j.Needs = []string{"build"}
	j.If = `${{ contains(inputs.platforms, '"device"') }}`
	j.RunsOnExpr = "${{ matrix.test || matrix.runner }}"
	if g.p.LastLabels(pipeline.GitHub) != nil {
		j.RunsOnExpr = expr(fmt.Sprintf("${{ fromJSON(github.run_attempt) >= %d && matrix.test_on_demand || matrix.test || matrix.runner }}", g.p.Spot.Attempts))
	}
	j.Matrix = "${{ fromJSON(inputs.platforms) }}"
	j.Minutes = expr("${{ inputs.minutes }}")
	g.surroundLegs(&j, g.p.TestClasses(), "test_class")
	return []ghJob{j}
}
