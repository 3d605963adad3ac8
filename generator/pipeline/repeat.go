package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// Repeat is the job that shows the results of tests where a forge does not see
// those of the jobs that ran them: GitLab's parent pipeline, which is what a
// request shows, does not see its child's.
const Repeat Kind = "reports"

// VarReports is set where jobs leave such results in the registry, and the
// planning job a report of mistakes.
const VarReports Var = "ROOTFSGEN_REPORTS"

var repeatedArtifact = Artifact{Name: "rootfsgen-tests", Path: Reports, Folder: Reports, Report: true, JUnit: true, Days: 30}

// repeatJob has nothing of the jobs of images but what they left in the
// registry, so it shows those that failed, too.
func (p *Pipeline) repeatJob() Job {
	kept := repeatedArtifact
	kept.Scans = p.Judging.On
	return Job{Kind: Repeat, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.built(), Interrupt: true, Retry: true, Steps: p.withPlan(
		p.run("Fetch the results of tests", "rootfsrun ci reports --plan "+PlanFile+" --out "+Reports+"\n", VarLogin),
		Step{Verb: Save, Name: "Keep the reports", Artifact: kept},
	)}
}
