package runcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// single is the flags of a command that carries out one step of some targets.
type single struct {
	running
	platform string
	ended    func(*model.Plan, walk.Event) // is told what begins and ends, and of which plan; nil tells nobody
}

func (o *single) flags(a *app.App, cmd *cobra.Command) {
	o.given.flags(a, cmd)
	cmd.Flags().IntVar(&o.parallel, "parallel", max(2, runtime.NumCPU()), "targets at once")
	cmd.Flags().StringVar(&o.platform, "platform", "", "only this platform, linux/amd64 or linux/arm64")
	planning.CompletePlatforms(cmd)
}

// carryOut runs one step of the selected targets, parents first, and prints
// what became of each. with makes the step of what to work
// with and of where to show progress.
func (o *single) carryOut(ctx context.Context, a *app.App, images []string, wanted string, with func(*workshop, io.Writer) step.Target) (err error) {
	if o.parallel < 1 {
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --parallel %d: expected at least 1", o.parallel))
	}
	p, err := o.load(ctx, a, images)
	if err != nil {
		return err
	}
	if err := published(p); err != nil {
		return err
	}
	if wanted == model.StepBuild && o.file == "" {
		images = nil // the plan has what was named and what that is built from, and nothing else
	}
	part, err := selected(p, images, o.platform, wanted)
	if err != nil {
		return err
	}
	several := len(part.Entries) > 1 && o.parallel > 1
	w, err := openWorkshop(ctx, a, p, several)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	run := on(p, step.ForTarget(wanted, a.Log, with(w, o.output(a, several))))
	steps := walk.Steps{Build: run, Test: run}
	result, err := walk.Walk(ctx, part, steps, walk.Options{Parallel: o.parallel, Progress: o.progress(a, part, several)})
	if err != nil {
		return err
	}
	if err := printResult(a, part, result, nil); err != nil {
		return err
	}
	if several && result.Err() != nil {
		return failed(result)
	}
	return result.Err()
}

// output is where steps show what they do; nobody sees it with -q.
func (o *single) output(a *app.App, several bool) io.Writer {
	switch {
	case a.Quiet:
		return nil
	case several:
		return &lines{w: a.Err}
	}
	return a.Err // as it is: a display needs a terminal
}

// progress says at once what failed when there is more to come.
func (o *single) progress(a *app.App, part *model.Plan, several bool) func(walk.Event) {
	return func(e walk.Event) {
		if o.ended != nil {
			o.ended(part, e)
		}
		if why, untested := step.IsUntested(e.Err); untested {
			if !a.Quiet {
				fmt.Fprintf(a.Err, "%s: untested: %v\n", e.Name, why)
			}
			return
		}
		if _, skipped := step.Skipped(e.Err); several && e.Err != nil && !skipped && !errors.Is(e.Err, context.Canceled) {
			a.PrintError(e.Err)
		}
	}
}

// selected is the plan with the targets that were asked for and one step to
// run on each. It is only walked: steps are given the whole plan, because they
// look at other platforms, too.
func selected(p *model.Plan, names []string, platform, wanted string) (*model.Plan, error) {
	if _, err := indexes(p, names); err != nil {
		return nil, err
	}
	var only model.Platform
	if platform != "" {
		var err error
		if only, err = model.ParsePlatform(platform); err != nil {
			return nil, app.Fail(app.ExitUsage, fmt.Errorf("--platform: %w", err))
		}
	}
	part := *p
	part.Entries, part.Indexes = nil, nil
	for _, e := range p.Entries {
		if e.Action == model.ActionRetire || platform != "" && e.Platform != only || !named(names, e.ID()) {
			continue
		}
		e.Steps = map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
		e.Steps[wanted] = model.StepRun
		part.Entries = append(part.Entries, e)
	}
	if len(part.Entries) == 0 && len(names) > 0 {
		return nil, app.Fail(app.ExitUsage, fmt.Errorf("%s is not made for %s", strings.Join(names, ", "), platform))
	}
	return &part, nil
}

func named(names []string, id model.TargetID) bool {
	if len(names) == 0 {
		return true
	}
	for _, name := range names {
		if plan.Means(name, id) {
			return true
		}
	}
	return false
}

// on gives a step the whole plan where the walk has a part of it.
func on(whole *model.Plan, s step.Target) step.Target {
	return func(ctx context.Context, _ *model.Plan, e *model.Entry) (model.Receipt, error) {
		return s(ctx, whole, e)
	}
}
