package pipeline

import (
	"path"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The jobs that judge what is published, and clear up after requests.
const (
	Rescan Kind = "rescan" // judges what prod runs by today's findings
	Purge  Kind = "purge"  // removes what a request that was closed has pushed
)

// VarTag is the release tag that a pipeline is of.
const VarTag Var = "ROOTFSGEN_TAG"

// VarSignToken holds the token that a job signs with, where a forge gives one
// without being asked.
const VarSignToken Var = "SIGSTORE_ID_TOKEN"

// What the steps that judge write.
const (
	Findings = Reports + "/gl-container-scanning-report.json" // of all platforms, as GitLab reads it
	Packages = Reports + "/gl-sbom-*.cdx.json"                // one for each platform
)

const notesFile = Folder + "/notes.md"

// mergeJob judges each platform of an image before it joins them. No program
// of the image's runs here, and none that builds.
func (p *Pipeline) mergeJob(events []Event) Job {
	j := Job{Kind: Merge, Runner: model.RunnerSmall, Minutes: minutesShort, Events: events, Interrupt: true, Retry: true}
	report := indexArtifact
	var steps []Step
	if p.Judging.On {
		j.Minutes = minutesJudge + p.Judging.Minutes
		j.Findings = p.uploads()
		report.Scans = true
		steps = append(p.scanners(),
			p.run("List what is inside", onTarget("sbom"), VarImage, VarTarget, VarLogin),
			p.run("Scan", onTarget("scan"), VarImage, VarTarget, VarLogin),
			p.run("Judge by the scan policy", onTarget("gate"), VarImage, VarTarget, VarLogin),
			p.verdictStep(),
		)
	}
	steps = append(steps,
		p.run("Merge", onTarget("merge"), VarImage, VarTarget, VarLogin),
		p.run("Show what changed", builtScript, VarImage, VarTarget, VarLogin),
		Step{Verb: Save, Name: "Keep the report", Artifact: report},
	)
	j.Steps = p.withPlan(steps...)
	return j
}

// minutesJudge is what scanning takes beside waiting for the sources: the
// scanner's database is fetched, and every layer.
const minutesJudge = 45

// prolong gives the jobs that judge all images at once as long as that takes
// where each is listed and scanned anew: some twenty seconds for a platform
// of more than a gigabyte, and a quarter of an hour for the rest. It stays
// below the six hours that a forge lends a machine for.
func (p *Pipeline) prolong() {
	platforms := 0
	for i := range p.Images {
		platforms += len(p.Images[i].Legs)
	}
	for _, kind := range []Kind{Promote, Finish} {
		if j, found := p.Fixed[kind]; found && p.Judging.On {
			j.Minutes = min(max(minutesJudge, 15+platforms/3), 300) + p.Judging.Minutes
			p.Fixed[kind] = j
		}
	}
}

// uploads tells whether findings go to the forge's code scanning.
func (p *Pipeline) uploads() bool { return p.Judging.On && p.Judging.Upload == model.UploadSARIF }

// verdictStep shows what was judged, also where that was no.
func (p *Pipeline) verdictStep() Step {
	script, vars := "rootfsrun ci verdict --in "+Reports, []Var(nil)
	if p.uploads() {
		script, vars = script+` --upload --category "$ROOTFSGEN_IMAGE"`, []Var{VarImage, VarForgeToken}
	}
	s := p.run("Show the verdict", script+"\n", vars...)
	s.Anyway = true
	return s
}

// onTarget is a command on all platforms of the job's image.
func onTarget(command string) string {
	return `rootfsrun ` + command + ` "` + target + `" --plan ` + PlanFile + "\n"
}

// scanners brings what looks into images to a job.
func (p *Pipeline) scanners() []Step {
	switch p.Runtime {
	case model.RuntimeSource:
		return []Step{{Verb: SetupGo, Name: "Set up Go"}, {Verb: Run, Name: "Get the scanners", Script: strict + "make tools-scan\n"}}
	case model.RuntimeRelease:
		return []Step{{Verb: Run, Name: "Get the scanners", Script: p.prologue() + "rootfsrun tools install syft grype\n"}}
	}
	return nil
}

// scannersBeside are the scanners for a job that has compiled the programs, and
// so has what that takes.
func (p *Pipeline) scannersBeside() []Step {
	return slices.DeleteFunc(p.scanners(), func(s Step) bool { return s.Verb == SetupGo })
}

// signs is the token that a job signs with, where it signs as itself.
func (p *Pipeline) signs() string {
	if p.Signing.Fulcio == "" {
		return ""
	}
	return p.Signing.Audience
}

// signed adds to a step what signing reads beside the settings: the variables
// that hold a key and its password.
func (p *Pipeline) signed(s Step) Step {
	s.Keys = p.Signing.Variables()
	return s
}

// manifestJob signs what was merged, and lists it. It is the first job of a
// pipeline that has a right to sign, and nothing that people wrote runs in it:
// that is what provenance can promise.
func (p *Pipeline) manifestJob(events []Event) Job {
	j := Job{Kind: Manifest, Runner: model.RunnerSmall, Minutes: minutesShort, Events: events, Push: true, Retry: true}
	var steps []Step
	if p.Signing.On() {
		j.Audience, j.Minutes = p.signs(), minutesSign
		if len(p.Signing.Variables()) > 0 {
			j.Environment = "signing" // may keep the key to the default branch
		}
		flags := " --plan " + PlanFile + p.settingsFlags() + "\n"
		steps = append(steps,
			p.signed(p.run("Sign", "rootfsrun sign"+flags, VarLogin)),
			p.signed(p.run("Attest", "rootfsrun attest"+flags, VarLogin)))
	}
	j.Steps = p.withHistory(append(steps, p.run("Write the testing channel", manifestScript(p.settingsFlags()), VarToken, VarLogin))...)
	return j
}

// minutesSign is the limit of a job that signs a whole fleet.
const minutesSign = 45

// promoteJob moves testing to prod, and tells on the forge what that changed.
func (p *Pipeline) promoteJob() Job {
	j := Job{Kind: Promote, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.leads(model.TriggerPromote), Push: true, Environment: "prod"}
	var steps []Step
	if p.Judging.On { // what was found when it was merged may be months old
		j.Minutes = minutesJudge + p.Judging.Minutes
		steps = append(p.scanners(), p.run("Scan what is promoted", "rootfsrun scan --plan "+PlanFile+p.settingsFlags()+"\n", VarLogin))
	}
	vars := []Var{VarToken, VarLogin}
	if p.Channels.ByRequest() {
		vars, j.Requests = append(vars, VarForgeToken), true
	}
	promote := p.run("Write the prod channel", promoteScript(p.settingsFlags()), vars...)
	if p.Signing.On() {
		j.Audience, promote = p.signs(), p.signed(promote)
	}
	notes := p.run("Write the release's notes", p.notesScript(), VarTag, VarToken, VarForgeToken, VarLogin)
	j.Steps = p.withHistory(append(steps, promote, notes)...)
	return j
}

// notesScript tells on the forge what a release changed: images, packages and
// findings. Where a request is still to be merged, it tells what that will
// change.
func (p *Pipeline) notesScript() string {
	which := "--notes"
	if p.Channels.ByRequest() {
		which = "--format markdown"
	}
	return `rootfsrun diff ` + which + p.settingsFlags() + ` > ` + notesFile + `
rootfsrun ci release --tag "$` + string(VarTag) + `" --notes ` + notesFile + ` --plan ` + PlanFile + "\n"
}

// rescanJob judges what prod runs, and keeps an issue about what blocks. It
// has no plan: nothing is built.
func (p *Pipeline) rescanJob() Job {
	j := Job{Kind: Rescan, Runner: model.RunnerSmall, Minutes: minutesBuild, Events: p.on(ScheduleRescan), Retry: true}
	steps := append(p.compileFor(runtimeAlone, Step{Verb: Checkout, Name: "Check out", History: true}), p.scannersBeside()...)
	j.Steps = append(steps,
		p.run("Judge what prod runs", rescanScript(p.Config), VarForgeToken, VarToken, VarLogin),
		Step{Verb: Save, Name: "Keep the report", Artifact: Artifact{Name: "rootfsgen-rescan", Path: Reports, Folder: Reports, Report: true, Scans: true, Days: 30}})
	return j
}

// nothingScanned is what scan writes of a channel that names no image of ours,
// as grep understands it: there is nothing to judge then. Whatever else the
// file holds is the gate's to refuse.
const nothingScanned = `{"version":1,"scans":\[\]}`

// rescanScript says what it found before it fails.
func rescanScript(config string) string {
	policy := path.Join(path.Dir(config), "scan-policy.yaml")
	flags := ""
	if config != "" {
		flags = " --config " + config
	}
	return `mkdir -p ` + Folder + `
policy=()
if [ -f ` + policy + ` ]; then
  policy=(--policy ` + policy + `)
fi
status=0
rootfsrun scan --channel prod --json` + flags + ` > ` + Folder + `/findings.json || status=$?
if [ -s ` + Folder + `/findings.json ] && ! grep -qx '` + nothingScanned + `' ` + Folder + `/findings.json; then
  status=0
  rootfsrun gate "${policy[@]}" --findings ` + Folder + `/findings.json --out ` + Reports + ` --json > ` + Folder + `/judged.json || status=$?
  rootfsrun ci issue --report ` + Folder + `/judged.json
fi
exit "$status"
`
}

// purgeJob removes the images of a request.
func (p *Pipeline) purgeJob() Job {
	return Job{Kind: Purge, Runner: model.RunnerSmall, Minutes: minutesShort, Events: p.on(Closed), Retry: true, Steps: append(
		p.compileFor(runtimeAlone, Step{Verb: Checkout, Name: "Check out"}),
		p.run("Remove the request's images", `rootfsrun gc --snapshot "$`+string(VarSnapshot)+`" --delete`+p.settingsFlags()+"\n", VarSnapshot, VarLogin))}
}
