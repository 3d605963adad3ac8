package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// glReports shows in the parent pipeline what the tests of its child came to:
// a request shows the reports of its own pipeline, and no child's.
const glReports = "rootfsgen-reports"

// reports runs whatever became of the images.
func (g *gitlab) reports() glJob {
	j := g.job(pipeline.Repeat, glReports, glStages[2])
	j.Needs = []need{{Job: glPlan, Artifacts: true}, {Job: glImages}}
	src := g.p.Fixed[pipeline.Repeat]
	j.Rules = g.rules(&src, "always")
	j.needsPlan(0)
	return j
}

// report lets a job leave what it found for whoever shows it.
func (j *glJob) report(kind pipeline.Kind) {
	switch kind {
	case pipeline.Plan:
		j.set([]pair{{string(pipeline.VarReports), "true"}})
		j.Artifacts.CodeQuality, j.Artifacts.When = pipeline.CodeQualityFile, "always"
		j.Artifacts.Paths = append(j.Artifacts.Paths, pipeline.CodeQualityFile) // for people, who cannot open a report
	case pipeline.Build, pipeline.Test:
		j.set([]pair{{string(pipeline.VarReports), "true"}})
	}
}
