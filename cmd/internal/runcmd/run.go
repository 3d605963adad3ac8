package runcmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/services"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// running is the flags of run.
type running struct {
	given
	parallel int
	most     int      // targets that may be built at all; negative is any number
	devices  []string // what this machine has of what tests may need
	open     bool     // images whose builds need secrets are left out
	store    string
	source   string
	one      replaying
}

func runCommand(a *app.App) *cobra.Command {
	o := running{}
	cmd := &cobra.Command{
		Use: "run [IMAGE... | PLAN --job JOB]", Short: "Build, test and publish the fleet on this machine",
		Long: `Build, test and publish the fleet on this machine.

Where there is a scan-policy.yaml, each image is listed, scanned and judged before
its platforms are merged. What it refuses is not published, and neither is what is
built from it.

What the registry has already is not built again. Parents come before what is
built from them, as much at once as --parallel allows. An image that fails stops
only what stands on it, and is tried again the next time. At the end a table
says what became of each image.

On a desk a buildkitd and a registry are started below .cache where none runs,
and go on running. A run may be interrupted at any time: what it had done is in
the registry, and the next run goes on from there.

With images, only these and what they are built from are considered. Images with
needs_device stay untested and unpublished, unless --device says that this
machine has what their tests need.

With --job one job of a pipeline is carried out alone, from the plan that CI kept
as an artifact: PLAN is its plan.json. On a desk it writes to the local registry
and reads what it needs from CI's. A job that tests takes over what CI has built;
one that merges wants every platform to have been replayed before.`,
		Example:           "  rootfsrun run\n  rootfsrun run plan.json --list-jobs\n  rootfsrun run plan.json --job build/python/arm64\n  rootfsrun run python --force python\n  rootfsrun run --except pytorch --except tensorflow --parallel 4",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.one.wanted() {
				return o.replay(cmd.Context(), a, args)
			}
			return o.run(cmd.Context(), a, args)
		},
	}
	o.flags(a, cmd)
	o.one.flags(a, cmd, &o.file)
	o.options.PlatformsFlag(cmd)
	f := cmd.Flags()
	o.devicesFlag(cmd)
	f.IntVar(&o.most, "max-targets", -1, "where more targets than this were to be built, only say so, with exit code 0")
	f.BoolVar(&o.open, "without-secrets", false, "leave out images whose builds need secrets, and what is built from them")
	f.IntVar(&o.parallel, "parallel", max(2, runtime.NumCPU()), "builds and tests at once")
	f.StringVar(&o.store, "store", "", storeHelp)
	f.StringVar(&o.source, "source", manifest.DefaultSource, "what the manifest names as its origin")
	return cmd
}

// devicesFlag says what this machine has of what tests may need.
func (o *running) devicesFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.devices, "device", nil, "run the tests of images that need this `device`, for example gpu, which this machine has; may be repeated")
}

func (o *running) run(ctx context.Context, a *app.App, images []string) (err error) {
	if o.parallel < 1 {
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --parallel %d: expected at least 1", o.parallel))
	}
	for _, name := range images {
		if o.file == "" && strings.HasSuffix(name, ".json") {
			return app.Fail(app.ExitUsage, fmt.Errorf("%s is no image\nhint: name a plan with --plan, and a job of it with --job", name))
		}
	}
	p, err := o.prepare(ctx, a, images)
	if err != nil {
		return err
	}
	if err := published(p); err != nil {
		return err
	}
	if much, err := o.tooMuch(a, p); much || err != nil {
		return err
	}
	if p, err = o.refresh(ctx, a, p, images); err != nil {
		return err
	}
	w, err := openWorkshop(ctx, a, p, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.devices = o.devices
	steps := w.steps()
	if err := w.judge(p, &steps); err != nil {
		return err
	}
	progress := newProgress(a, p)
	result, walkErr := walk.Walk(ctx, p, steps, walk.Options{Parallel: o.parallel, Progress: func(e walk.Event) {
		progress.event(e)
		w.tests.event(p, e)
	}})
	w.tests.summarize(a)
	if walkErr == nil {
		err = o.finish(ctx, a, p, w)
	}
	if printed := printResult(a, p, result, o.options.Except); printed != nil {
		return printed
	}
	switch {
	case walkErr != nil:
		return walkErr
	case result.Err() != nil:
		return errors.Join(failed(result), err)
	case err != nil || a.CI() || o.file != "":
		return err
	}
	return planning.Remember(a, p.To)
}

// load is the plan, with the services of a desk: the plan asks the registry.
// They are started when nothing is wrong with the fleet.
func (o *running) load(ctx context.Context, a *app.App, images []string) (*model.Plan, error) {
	return o.loadWith(ctx, a, images, o.start)
}

// start makes sure that a desk has its services.
func (o *running) start(ctx context.Context, a *app.App) error {
	if a.CI() || o.file != "" || o.options.Registry != "" {
		return nil
	}
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	_, err = services.Start(ctx, cache, serviceOptions(a, cache))
	return err
}

// prepare makes or reads the plan, restricted to the images that were named.
func (o *running) prepare(ctx context.Context, a *app.App, images []string) (*model.Plan, error) {
	p, err := o.load(ctx, a, images)
	if err != nil {
		return nil, err
	}
	if o.file != "" {
		if p, err = narrowed(p, images, o.options.Except); err != nil {
			return nil, err
		}
	}
	if !a.Quiet {
		for _, n := range p.Notes {
			fmt.Fprintln(a.Err, n)
		}
	}
	if o.open {
		return withoutSecrets(a, p), nil
	}
	return p, nil
}

// narrowed restricts a plan that was given to the images that were named.
func narrowed(p *model.Plan, images, except []string) (*model.Plan, error) {
	for _, names := range [][]string{images, except} {
		if _, err := indexes(p, names); err != nil {
			return nil, err
		}
	}
	means := func(names []string) func(model.TargetID) bool {
		if len(names) == 0 {
			return nil
		}
		return func(id model.TargetID) bool {
			return slices.ContainsFunc(names, func(name string) bool { return plan.Means(name, id) })
		}
	}
	return walk.Narrow(p, means(images), means(except)), nil
}

// finish writes down what there is now: the testing channel, and a file for
// each index, also for those that this run did not make.
func (o *running) finish(ctx context.Context, a *app.App, p *model.Plan, w *workshop) error {
	d, err := o.manifest(ctx, a, p)
	return errors.Join(err, w.report(ctx, p, d), w.reportVerdicts())
}

// manifest brings the testing channel up to date; no other scope has one. The
// document is nil where it does not speak of this plan.
func (o *running) manifest(ctx context.Context, a *app.App, p *model.Plan) (*manifest.Document, error) {
	if p.Scope != model.ScopeTesting {
		return nil, nil
	}
	s, err := planned(ctx, a, o.store)
	if err != nil {
		return nil, err
	}
	r, err := writeManifest(ctx, a, p, s, o.source, false)
	if err != nil || r.Note != "" {
		return nil, err
	}
	return r.Document, nil
}

// failed is what a run with failures ends with: the table and the lines above
// it have said what they were.
func failed(r walk.Result) error {
	n := 0
	for _, o := range append(append([]walk.Outcome{}, r.Targets...), r.Indexes...) {
		if o.Err != nil {
			n++
		}
	}
	code := app.ExitFailed
	if f, ok := errors.AsType[*walk.Failure](r.Err()); ok {
		code = f.ExitCode()
	}
	what := "1 step"
	if n != 1 {
		what = fmt.Sprintf("%d steps", n)
	}
	return app.Fail(code, fmt.Errorf("%s failed; the next run tries again", what))
}

// artifactsIn is the folder for what steps say about what they made.
func artifactsIn(a *app.App) (string, error) {
	root, err := a.Root()
	return filepath.Join(root, artifacts), err
}
