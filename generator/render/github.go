package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// The GitHub files. GitHub reads workflows from this folder only.
const (
	ghFolder  = ".github/workflows/"
	ghPush    = ghFolder + "rootfsgen-push.yml"
	ghRequest = ghFolder + "rootfsgen-request.yml"
	ghQueue   = ghFolder + "rootfsgen-queue.yml"
	ghRelease = ghFolder + "rootfsgen-release.yml"
	ghManual  = ghFolder + "rootfsgen-manual.yml"
	ghLock    = ghFolder + "rootfsgen-lock.yml"
	ghBases   = ghFolder + "rootfsgen-bases.yml"
	ghRescan  = ghFolder + "rootfsgen-rescan.yml"
	ghClosed  = ghFolder + "rootfsgen-closed.yml"
	// MergedWorkflow finishes promotions. GitHub reads it from the branch of the
	// channels, where it must be copied to.
	MergedWorkflow = ghFolder + "rootfsgen-merged.yml"
	// ActionlintFile tells actionlint, which people run on workflows, the names
	// of their own machines.
	ActionlintFile = ".github/actionlint.yaml"
)

// github makes the workflows of one pipeline.
type github struct {
	p    *pipeline.Pipeline
	pins Pins
}

func (g *github) workflows() map[string]*workflow {
	all := g.fleetWorkflows()
	for _, w := range []struct {
		event pipeline.Event
		file  string
		make  func() *workflow
	}{
		{pipeline.Push, ghPush, g.push},
		{pipeline.Request, ghRequest, g.request},
		{pipeline.Queue, ghQueue, g.queue},
		{pipeline.Release, ghRelease, g.release},
		{pipeline.Manual, ghManual, g.manual},
		{pipeline.ScheduleLock, ghLock, g.lock},
		{pipeline.ScheduleBases, ghBases, g.bases},
		{pipeline.ScheduleRescan, ghRescan, g.rescan},
		{pipeline.Closed, ghClosed, g.closed},
		{pipeline.Merged, MergedWorkflow, g.merged},
	} {
		if g.leads(w.event) {
			all[w.file] = w.make()
			g.around(w.event, all[w.file])
		}
	}
	if _, watched := g.p.Fixed[pipeline.Watchdog]; watched {
		all[ghWatchdog] = g.watchdog(all)
	}
	return all
}

// leads tells whether an event leads to anything.
func (g *github) leads(e pipeline.Event) bool {
	m := g.p.Mode(e)
	return m != model.TriggerOff && m != ""
}

// planInputs are what an event says to the plan.
var planInputs = []input{
	{Name: "scope", Description: "Which registry scope is written: testing or pr", Type: "string", Required: true},
	{Name: "snapshot-id", Description: "Names the images of a request, for example pr-7", Type: "string", HasDefault: true, Default: ""},
	{Name: "from", Description: "Commit to compare with; empty is found", Type: "string", HasDefault: true, Default: ""},
	{Name: "images", Description: "Names of images, separated by blanks; empty is all", Type: "string", HasDefault: true, Default: ""},
	{Name: "platforms", Description: "Platforms, separated by blanks; empty is all", Type: "string", HasDefault: true, Default: ""},
	{Name: "force", Description: "What is built anew: true, the images; bases, those that are built from no other; false, nothing", Type: "string", HasDefault: true, Default: "false"},
}

// variableOf is the input by which the fleet's workflow hears of a variable.
var variableOf = map[string]pipeline.Var{
	"scope": pipeline.VarScope, "snapshot-id": pipeline.VarSnapshot, "from": pipeline.VarFrom,
	"images": pipeline.VarImages, "platforms": pipeline.VarPlatforms, "force": pipeline.VarForce,
}

// chain is the jobs of an event, each after the one before: all images, the
// testing channel where the event is about it, and the check that closes. An
// event that only plans has the plan and the check.
func (g *github) chain(e pipeline.Event, cond expr, with ...pair) []ghJob {
	with = append([]pair{{"scope", pipeline.Scope(e)}}, with...)
	if g.p.Mode(e) == model.TriggerPlan {
		return []ghJob{g.plan(e, cond, with), g.result(e, "plan")}
	}
	jobs, needs := []ghJob{g.callFleet(e, cond, with...)}, []string{"fleet"}
	if j := g.p.Fixed[pipeline.Manifest]; j.AppliesTo(e) {
		jobs, needs = append(jobs, g.manifest()), append(needs, "manifest")
	}
	return append(jobs, g.result(e, needs...))
}

// plan is the planning job by itself. It proves, too, that the committed
// workflows have what the plan would start.
func (g *github) plan(e pipeline.Event, cond expr, with []pair) ghJob {
	j := g.job(pipeline.Plan, "plan", "plan")
	j.If = cond
	values := map[string]any{string(pipeline.VarLogin): loginIn(model.ScopeRead, pipeline.Scope(e))}
	for _, v := range variableOf {
		values[string(v)] = ""
	}
	for _, w := range with {
		values[string(variableOf[w.Name])] = w.Value
	}
	for i := range j.Steps {
		for n, v := range j.Steps[i].Env {
			if value, chosen := values[v.Name]; chosen {
				j.Steps[i].Env[n].Value = value
			}
		}
	}
	return j
}

// callFleet runs the jobs of every image.
func (g *github) callFleet(e pipeline.Event, cond expr, with ...pair) ghJob {
	return ghJob{ID: "fleet", Name: "fleet", If: cond, Uses: "./" + ghFleet, Permissions: g.calling(pipeline.Plan, pipeline.Build, pipeline.Merge), With: with, Secrets: g.fleetLogins(e)}
}

// unplanned is the output by which the fleet's workflow says that its planning
// job failed. It is nothing else than that: where GitHub hands on no output of
// what failed, or the job was lost, what waits for the plan looks for itself.
const unplanned = "unplanned"

// planned is the part of a condition that there may be a plan.
const planned = expr(" && needs.fleet.outputs." + unplanned + " != 'true'")

// sayUnplanned is the last step of the planning job.
var sayUnplanned = ghStep{
	Name: "Say that there is no plan", ID: unplanned, If: "${{ failure() }}",
	Run: "set -euo pipefail\necho " + unplanned + "=true >> \"$GITHUB_OUTPUT\"\n",
}

func (g *github) manifest() ghJob {
	j := g.job(pipeline.Manifest, "manifest", "manifest")
	j.Needs = []string{"fleet"}
	// What passed is listed, even where another image failed.
	j.If = "${{ !cancelled() && needs.fleet.result != 'skipped'" + planned + " }}"
	return j
}

func (g *github) result(e pipeline.Event, needs ...string) ghJob {
	j := g.job(pipeline.Result, "result", model.ResultCheck)
	if e == pipeline.Manual {
		s := &j.Steps[0]
		s.Run, s.Env = pipeline.ManualResult(), append(s.Env, pair{string(pipeline.VarBase), g.p.DefaultBranch})
	}
	j.Needs = needs
	j.If = "${{ always() }}"
	return j
}
