package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// Comment is the job that keeps a comment below a request up to date: what is
// built, and why.
const Comment Kind = "comment"

// VarRequest is the number of the request that a pipeline is of.
const VarRequest Var = "ROOTFSGEN_REQUEST"

// What the planning job says to people.
const (
	summaries   = Folder + "/summary"
	summaryFile = summaries + "/summary.md" // all of it
	commentFile = summaries + "/comment.md" // what fits into a comment
)

var summaryArtifact = Artifact{Name: "rootfsgen-summary", Path: summaries, Folder: summaries, Days: 30}

// showSteps say in the planning job what was planned. The registry is asked
// for the times of earlier runs.
func (p *Pipeline) showSteps() []Step {
	return []Step{
		p.run("Show the plan", "rootfsrun ci summary --plan "+PlanFile+" --out "+summaryFile+" --comment "+commentFile+p.settingsFlags()+"\n", VarLogin),
		{Verb: Save, Name: "Keep the summary", Artifact: summaryArtifact},
	}
}

// builtScript says what an image weighs and holds, beside the version before.
const builtScript = `rootfsrun ci built "` + target + `" --plan ` + PlanFile + ` --out "` + Reports + `/built-$ROOTFSGEN_IMAGE.md"
`

// commentJob may write to the request, and therefore has nothing of what is
// requested but the text, and the program where that is compiled. Only the
// authorities of a network lie in the repository.
func (p *Pipeline) commentJob() Job {
	var steps []Step
	if p.Network.CA != "" {
		steps = append(steps, Step{Verb: Checkout, Name: "Check out"})
	}
	steps = append(steps, Step{Verb: Fetch, Name: "Fetch the summary", Artifact: summaryArtifact})
	steps = append(steps, p.install()...)
	steps = append(steps, p.run("Say what is built", `rootfsrun ci comment --request "$`+string(VarRequest)+`" --text `+commentFile+"\n", VarRequest, VarForgeToken))
	return Job{Kind: Comment, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.on(Request), Interrupt: true, Retry: true, Steps: steps}
}
