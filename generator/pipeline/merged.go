package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// Finish ends a promotion whose request somebody has merged.
const Finish Kind = "finish"

// Merged is the change of the documents' branch that merging a request for a
// promotion makes.
const Merged Event = "merged"

// finishJob verifies and judges what was merged, moves the floating tags and
// writes the records. It has no plan, and runs what the default branch has: the
// branch that it starts on holds documents. It pushes nothing to it.
func (p *Pipeline) finishJob() Job {
	j := Job{Kind: Finish, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.on(Merged), Environment: "prod"}
	steps := p.compileFor(runtimeAlone, Step{Verb: Checkout, Name: "Check out", History: true, Branch: p.DefaultBranch})
	if p.Judging.On {
		j.Minutes = minutesJudge + p.Judging.Minutes
		steps = append(steps, p.scannersBeside()...)
	}
	j.Steps = append(steps, p.run("Verify, judge and finish the promotion", "rootfsrun promote --merged"+p.settingsFlags()+"\n", VarToken, VarLogin))
	return j
}
