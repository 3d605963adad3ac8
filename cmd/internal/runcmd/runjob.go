package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// replaying is the flags of run that carry out one job of a pipeline.
type replaying struct {
	job  string
	list bool
}

func (o *replaying) flags(a *app.App, cmd *cobra.Command, file *string) {
	f := cmd.Flags()
	f.StringVar(&o.job, "job", "", "carry out one job of a pipeline alone, for example build/python/arm64")
	f.BoolVar(&o.list, "list-jobs", false, "list the jobs that the plan has")
	app.Complete(cmd, "job", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		at := *file
		if at == "" && len(args) == 1 {
			at = args[0]
		}
		p, err := readPlan(a, at)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, j := range jobsOf(p) {
			names = append(names, j.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// ciJob is one step of one target or index, under the name of its job in CI.
type ciJob struct {
	Name string `json:"name"` // build/IMAGE/ARCH, test/IMAGE/ARCH or merge/IMAGE
	Runs bool   `json:"runs"` // the plan has it to do

	step     string
	target   model.TargetID
	platform model.Platform
}

// jobsOf are the jobs that a plan knows, in its order.
func jobsOf(p *model.Plan) []ciJob {
	names := model.NodeNames(p.Nodes())
	var jobs []ciJob
	for n := range p.Entries {
		e := &p.Entries[n]
		if e.Action == model.ActionRetire {
			continue
		}
		for _, step := range []string{model.StepBuild, model.StepTest} {
			jobs = append(jobs, ciJob{
				Name: step + "/" + names[e.ID().AllPlatforms()] + "/" + e.Platform.Arch, Runs: e.Steps[step] == model.StepRun,
				step: step, target: e.ID().AllPlatforms(), platform: e.Platform,
			})
		}
	}
	for n := range p.Indexes {
		i := &p.Indexes[n]
		jobs = append(jobs, ciJob{Name: model.StepMerge + "/" + names[i.ID()], Runs: i.Action == model.StepRun, step: model.StepMerge, target: i.ID()})
	}
	return jobs
}

// nearJobs bounds how many names are offered for one that is none.
const nearJobs = 3

// findJob is the job of a name.
func findJob(p *model.Plan, name string) (*ciJob, error) {
	jobs := jobsOf(p)
	var names []string
	for n := range jobs {
		if jobs[n].Name == name {
			return &jobs[n], nil
		}
		names = append(names, jobs[n].Name)
	}
	far := max(len(name)/2, 4)
	slices.SortStableFunc(names, func(a, b string) int { return diag.Distance(name, a, far) - diag.Distance(name, b, far) })
	names = slices.DeleteFunc(names, func(n string) bool { return diag.Distance(name, n, far) >= far })
	hint := "--list-jobs lists them"
	if len(names) > 0 {
		hint = "did you mean " + strings.Join(names[:min(len(names), nearJobs)], ", ") + "?"
	}
	return nil, app.Fail(app.ExitUsage, fmt.Errorf("the plan has no job %q\nhint: %s", name, hint))
}

// wanted tells whether run is about single jobs.
func (o *replaying) wanted() bool { return o.job != "" || o.list }

// replay carries out one job as CI does, or lists them. The plan is the one of
// --plan, or of the only argument.
func (o *running) replay(ctx context.Context, a *app.App, args []string) (err error) {
	switch {
	case o.file == "" && len(args) == 1 && strings.HasSuffix(args[0], ".json"):
		o.file, args = args[0], nil
	case o.file != "" && len(args) > 0:
		return app.Fail(app.ExitUsage, errors.New("--job names what is carried out: give no images beside it"))
	}
	p, err := o.given.load(ctx, a, args) // no service is needed to list jobs
	if err != nil {
		return err
	}
	if o.one.list {
		return printJobs(a, p)
	}
	j, err := findJob(p, o.one.job)
	if err != nil {
		return err
	}
	if !a.CI() {
		if p, err = o.onDesk(ctx, a, p, j); err != nil {
			return err
		}
	}
	if err := published(p); err != nil {
		return err
	}
	part, err := j.of(p)
	if err != nil {
		return err
	}
	w, err := openWorkshop(ctx, a, p, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	steps := w.steps()
	steps.Build, steps.Test = on(p, steps.Build), on(p, steps.Test)
	if j.step == model.StepMerge { // whose job judges first
		if err := w.judge(p, &steps); err != nil {
			return err
		}
	}
	result, err := walk.Walk(ctx, part, steps, walk.Options{Parallel: 1})
	if err != nil {
		return err
	}
	return errors.Join(printResult(a, part, result, nil), result.Err())
}

// of is the plan with nothing to do but the job. What is tested must be in the
// registry that is written to: where CI has built it, building copies it there.
func (j *ciJob) of(p *model.Plan) (*model.Plan, error) {
	if j.step != model.StepMerge {
		part, err := selected(p, []string{j.target.Exactly()}, j.platform.String(), j.step)
		for n := 0; err == nil && n < len(part.Entries); n++ {
			part.Entries[n].Steps[model.StepBuild] = model.StepRun // which takes over what CI has built
		}
		return part, err
	}
	part := *p
	part.Entries, part.Indexes = slices.Clone(p.Entries), nil
	for n := range part.Entries {
		part.Entries[n].Steps = map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
	}
	for _, i := range p.Indexes {
		if j.target.AllPlatforms() == i.ID() {
			i.Action = model.StepRun
			part.Indexes = append(part.Indexes, i)
		}
	}
	return &part, nil
}

// onDesk is the plan with the desk's own registry to write to. What the job
// needs is read where CI has it; nothing is written there.
func (o *running) onDesk(ctx context.Context, a *app.App, p *model.Plan, j *ciJob) (*model.Plan, error) {
	local := o.options.Registry
	if local == "" {
		cache, err := a.Cache()
		if err != nil {
			return nil, err
		}
		state, err := services.Start(ctx, cache, serviceOptions(a, cache))
		if err != nil {
			return nil, err
		}
		local = state.Registry + "/" + p.Scope
	}
	if p.Prefix == local {
		return p, nil
	}
	desk := *p
	desk.Prefix = local
	desk.ReadPrefix = p.Prefix
	if p.ReadPrefix != "" && !o.hasParents(ctx, a, p, j) {
		desk.ReadPrefix = p.ReadPrefix
	}
	if !a.Quiet {
		fmt.Fprintf(a.Err, "%s: writes to %s, reads what it needs from %s\n", j.Name, desk.Prefix, desk.ReadPrefix)
	}
	return &desk, nil
}

// hasParents tells whether a request's own registry has what a job is built
// from; where it has not, or does not answer, the one that it may read is asked.
func (o *running) hasParents(ctx context.Context, a *app.App, p *model.Plan, j *ciJob) bool {
	c := registryOf(a, p)
	for n := range p.Entries {
		e := &p.Entries[n]
		if e.ID().AllPlatforms() != j.target || e.Platform != j.platform {
			continue
		}
		for _, parent := range e.Parents {
			if !has(ctx, c, p.Prefix+"/"+parent.Repository, model.ContentTag(parent.Key, parent.Generation)) {
				return false
			}
		}
	}
	return true
}

func has(ctx context.Context, c *registry.Client, repo, tag string) bool {
	_, found, err := c.Resolve(ctx, repo, tag)
	return found && err == nil
}

func printJobs(a *app.App, p *model.Plan) error {
	jobs := jobsOf(p)
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "jobs": append([]ciJob{}, jobs...)})
	}
	t := term.NewTable("JOB", "IN THIS PLAN")
	for n := range jobs {
		does := "nothing to do"
		if jobs[n].Runs || pipelineRuns(p, &jobs[n]) {
			does = "runs"
		}
		t.Row(jobs[n].Name, does)
	}
	return t.Write(a.Out, a.OutTTY)
}

// pipelineRuns tells whether CI starts the job although its own step is done:
// building and testing share one.
func pipelineRuns(p *model.Plan, j *ciJob) bool {
	for n := range p.Entries {
		if e := &p.Entries[n]; j.step == model.StepBuild && e.ID().AllPlatforms() == j.target && e.Platform == j.platform {
			return pipeline.Runs(e)
		}
	}
	return false
}
