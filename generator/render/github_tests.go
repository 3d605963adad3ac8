package render

import (
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// testsApart tells whether any image is tested on other machines than those
// that build it.
func (g *github) testsApart() bool {
	_, apart := g.p.Fixed[pipeline.Test]
	return apart
}

// testsInput hands on which platforms are: those that the planning job's output
// lists under a key, or none.
func (g *github) testsInput(output, key string) []pair {
	if !g.testsApart() {
		return nil
	}
	return []pair{{"tests", expr("${{ toJSON(fromJSON(" + output + ")[" + key + "] || fromJSON('[]')) }}")}}
}

// tests is the job that tests on other machines than those that build, none
// where no image needs one. It stands in the workflow of one image, so whatever
// waits for the build waits for the tests, too. A leg whose tests no class of
// machines can run has none: its build says that it is untested.
func (g *github) tests() []ghJob {
	if !g.testsApart() {
		return nil
	}
	j := g.job(pipeline.Test, "test", expr("${{ format('test {0}', matrix.platform) }}"))
	j.Needs = []string{"build"}
	j.If = "${{ inputs.tests != '[]' }}"
	j.RunsOnExpr = "${{ matrix.test }}"
	if g.p.LastLabels(pipeline.GitHub) != nil {
		j.RunsOnExpr = expr(fmt.Sprintf("${{ fromJSON(github.run_attempt) >= %d && matrix.test_on_demand || matrix.test }}", g.p.Spot.Attempts))
	}
	j.Matrix = "${{ fromJSON(inputs.tests) }}"
	j.Minutes = expr("${{ inputs.minutes }}")
	g.surroundLegs(&j, g.p.TestClasses(), "test_class")
	return []ghJob{j}
}
