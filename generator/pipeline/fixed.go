package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// The artifacts of a pipeline.
var (
	planArtifact    = Artifact{Name: "rootfsgen-plan", Path: PlanFile, Folder: Folder, Days: 30}
	reportsArtifact = Artifact{Name: "rootfsgen-reports", Path: Reports, Folder: Reports, Per: PerLeg, Report: true, JUnit: true, Days: 30}
	// No image's legs have this name, whatever the image is called.
	indexArtifact = Artifact{Name: "rootfsgen-index", Path: Reports, Folder: Reports, Per: PerImage, Report: true, Days: 30}
)

// settingsFlags name the settings to commands that run at the repository's
// root, where the fleet lies in a folder below it.
func (p *Pipeline) settingsFlags() string {
	if p.Config == "" {
		return ""
	}
	return " --config " + p.Config
}

// BuildStep is the name of the step that builds an image, and may know its
// secrets.
const BuildStep = "Build"

// fix lays out the jobs that every fleet has.
func (p *Pipeline) fix() {
	planned, built, listed := p.planned(), p.built(), p.listed()
	p.Fixed = map[Kind]Job{
		Plan: {Kind: Plan, Runner: model.RunnerSmall, Minutes: minutesShort, Events: planned, Interrupt: true, Retry: true, Steps: p.planSteps()},
		Build: {Kind: Build, Minutes: minutesBuild, Events: built, Interrupt: true, Retry: true, Steps: p.withPlan(p.withEngines(
			p.run(BuildStep, buildScript, VarImage, VarTarget, VarPlatform, VarLogin),
			p.run("Test", testScript, VarImage, VarTarget, VarPlatform, VarArch, VarLogin),
			Step{Verb: Save, Name: "Keep the reports", Artifact: reportsArtifact},
		)...)},
		Merge:    p.mergeJob(built),
		Manifest: p.manifestJob(listed),
		Promote:  p.promoteJob(),
		Rescan:   p.rescanJob(),
		Purge:    p.purgeJob(),
		Finish:   p.finishJob(),
		Fork:     {Kind: Fork, Runner: model.RunnerHosted, Minutes: minutesFork, Events: p.forked(), Interrupt: true, Steps: p.forkSteps()},
		Comment:  p.commentJob(),
		Repeat:   p.repeatJob(),
		Lock:     {Kind: Lock, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.locked(), Push: true, Steps: p.lockSteps()},
		Result: {Kind: Result, Runner: model.RunnerSmall, Minutes: minutesShort, Events: planned, Steps: []Step{
			{Verb: Run, Name: "Nothing failed", Script: resultScript(""), Vars: []Var{VarResults}},
		}},
	}
}

func (p *Pipeline) run(name, script string, vars ...Var) Step {
	return Step{Verb: Run, Name: name, Script: p.prologue() + script, Vars: vars}
}

func (p *Pipeline) planSteps() []Step {
	steps := append(p.compile(Step{Verb: Checkout, Name: "Check out", History: true}),
		p.run("Plan", planScript(p.settingsFlags()), VarScope, VarSnapshot, VarFrom, VarImages, VarPlatforms, VarForce, VarLogin),
		Step{Verb: Save, Name: "Keep the plan", Artifact: planArtifact})
	steps = append(steps, p.showSteps()...)
	steps = append(steps, p.handOn()...)
	return append(steps, Step{Verb: Outputs, Name: "Say what runs"})
}

// forkSteps do the whole plan on one machine, against the registry that the
// programs start there.
func (p *Pipeline) forkSteps() []Step {
	steps := p.compileFor(runtimeAlone, Step{Verb: Checkout, Name: "Check out", History: true})
	steps = append(steps, p.engines()...)
	if p.Judging.On {
		steps = append(steps, p.scannersBeside()...)
	}
	return append(steps,
		p.run("Build, test and merge", p.withoutSecrets()+forkScript(p.settingsFlags(), p.forkTargets()), VarScope, VarSnapshot),
		Step{Verb: Save, Name: "Keep the reports", Artifact: Artifact{Name: "rootfsgen-reports", Path: Reports, Folder: Reports, Report: true, JUnit: true, Days: 30}})
}

// withPlan begins a job that works on the newest commit alone.
func (p *Pipeline) withPlan(steps ...Step) []Step {
	return p.after(Step{Verb: Checkout, Name: "Check out"}, steps)
}

// withHistory begins a job that compares commits.
func (p *Pipeline) withHistory(steps ...Step) []Step {
	return p.after(Step{Verb: Checkout, Name: "Check out", History: true}, steps)
}

func (p *Pipeline) after(checkout Step, steps []Step) []Step {
	begin := []Step{checkout, {Verb: Fetch, Name: "Fetch the plan", Artifact: planArtifact}}
	return append(append(begin, p.install()...), steps...)
}
