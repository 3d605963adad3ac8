package runcmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/build"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// workshop is everything that the steps of a plan are done with. What it takes
// to open a part is done when that part is needed.
type workshop struct {
	app       *app.App
	registry  *registry.Client
	objects   *gitcontext.Repository
	cache     string
	artifacts string
	scope     string // of the registry that is written to
	shared    bool   // several targets are worked on at once
	devices   []string
	tests     suites
	fileName  func(model.TargetID) string

	mu         sync.Mutex
	builder    *buildkit.Client
	judging    *judging
	subjects   []gate.Subject
	unreported error // why reports of tests are missing
}

// openWorkshop opens what every step needs. Close it.
func openWorkshop(ctx context.Context, a *app.App, p *model.Plan, shared bool) (*workshop, error) {
	w := &workshop{app: a, registry: registryOf(a, p), scope: p.Scope, shared: shared, fileName: p.FileName}
	var err error
	if w.cache, err = a.Cache(); err != nil {
		return nil, err
	}
	if w.artifacts, err = artifactsIn(a); err != nil {
		return nil, err
	}
	w.objects, err = gitcontext.OpenRepository(ctx, a.Dir)
	return w, err
}

func (w *workshop) close() error {
	err := errors.Join(w.objects.Close(), w.judging.close())
	if w.builder != nil {
		err = errors.Join(err, w.builder.Close())
	}
	return err
}

// buildKit connects to the builder when the first step needs it, and starts
// one where none runs. A failure is tried again by the next step.
func (w *workshop) buildKit(ctx context.Context) (*buildkit.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.builder != nil {
		return w.builder, nil
	}
	state, err := services.Ensure(ctx, w.cache, serviceOptions(w.app, w.cache))
	if err != nil {
		return nil, err
	}
	if w.builder, err = buildkit.Dial(ctx, state.BuildkitAddr); err != nil {
		return nil, err
	}
	w.builder.Scope, w.builder.Proxies = w.scope, proxies(w.app)
	return w.builder, nil
}

// proxies are those of this process's surroundings, which builds see, too.
func proxies(a *app.App) map[string]string {
	values := map[string]string{}
	for _, name := range buildkit.ProxyVariables() {
		values[name] = cmp.Or(a.Env(name), a.Env(strings.ToUpper(name)))
	}
	return values
}

// steps are those of a walk, but for those that judge.
func (w *workshop) steps() walk.Steps {
	var out io.Writer
	if w.app.Verbose {
		out = &lines{w: w.app.Err}
	}
	log := w.app.Log
	return walk.Steps{
		Build: step.ForTarget(model.StepBuild, log, build.Step{
			Registry: w.registry, BuildKit: w.buildKit, Objects: w.objects, Cache: w.cache, Artifacts: w.artifacts,
			Progress: "plain", Output: out, Attribute: w.shared, Log: log, Env: w.app.Env,
		}.Run),
		Test: step.ForTarget(model.StepTest, log, imagetest.Step{
			Registry: w.registry, BuildKit: w.buildKit, Output: out, Results: w.junit, Devices: w.devices, Job: forge.OriginOf(w.app.Env).Address, Log: log,
		}.Run),
		Merge: step.ForIndex(model.StepMerge, log, w.index().Run),
	}
}

// lines lets several targets write to one place.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
