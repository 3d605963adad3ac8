package runcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// given is the plan that a command works on: one that was written before, or
// one that is made now.
type given struct {
	file    string
	options planning.Options
}

// flags adds the flags that say which plan is meant.
func (g *given) flags(a *app.App, cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.file, "plan", "", "plan.json to carry out (default: plan now)")
	g.options.Flags(cmd, planning.CompleteImages(a))
}

// flagsToLook is flags for a command that builds nothing: those that say what
// is built anew have no meaning for people there.
func (g *given) flagsToLook(a *app.App, cmd *cobra.Command) {
	g.flags(a, cmd)
	for _, name := range []string{"all", "force", "rebuild-bases", "except"} {
		_ = cmd.Flags().MarkHidden(name) // the flags are there
	}
}

// load reads the plan, or makes it, for the named images and what they are
// built from.
func (g *given) load(ctx context.Context, a *app.App, images []string) (p *model.Plan, err error) {
	return g.loadWith(ctx, a, images, nil)
}

// loadWith is load; ready is called, where a plan is made, when the fleet was
// understood and before the registry is asked.
func (g *given) loadWith(ctx context.Context, a *app.App, images []string, ready func(context.Context, *app.App) error) (p *model.Plan, err error) {
	if g.file != "" {
		return readPlan(a, g.file)
	}
	o := g.options
	o.Images = images
	s, err := planning.Load(ctx, a, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if ready != nil {
		if err := ready(ctx, a); err != nil {
			return nil, err
		}
	}
	return s.Plan(ctx)
}

// readPlan reads plan.json. Its path is relative to where the command was
// called, or to the repository.
func readPlan(a *app.App, file string) (*model.Plan, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(file) {
		b, err = os.ReadFile(filepath.Join(a.Dir, file))
	}
	if err != nil {
		return nil, app.Unread("--plan", err)
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, app.Damaged("--plan "+file, err)
	}
	return p, nil
}

// indexes are those of a plan that names mean, all of them where there are no
// names.
func indexes(p *model.Plan, names []string) ([]*model.Index, error) {
	var out []*model.Index
	known := map[string]bool{}
	hit := map[string]bool{}
	for n := range p.Indexes {
		i := &p.Indexes[n]
		known[i.Image] = true
		wanted := len(names) == 0
		for _, name := range names {
			if plan.Means(name, model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}) {
				wanted, hit[name] = true, true
			}
		}
		if wanted {
			out = append(out, i)
		}
	}
	for _, name := range names {
		if !hit[name] {
			return nil, &plan.UnknownImageError{Name: name, Known: sortedKeys(known)}
		}
	}
	return out, nil
}

// registryOf is a client for what a plan speaks of.
func registryOf(a *app.App, p *model.Plan) *registry.Client {
	o := registry.Options{Bootstrap: p.Bootstrap, Scope: p.Scope, Log: a.Log}
	if p.Scope == model.ScopePR {
		o.Unjudged = p.Prefix
	}
	return registry.New(planning.Sealed(a, o, p.Signing, p.Trust))
}

// inert tells whether a pipeline's job has nowhere to push to, and says so:
// that is no failure of the job.
func inert(a *app.App, prefix string) bool {
	if !a.CI() || prefix != "" {
		return false
	}
	a.Log.Warn(pipeline.Unpublished)
	return true
}

// published demands a plan that says where images go.
func published(p *model.Plan) error {
	if p.Prefix == "" {
		return app.Fail(app.ExitUsage, fmt.Errorf("the plan's scope %s has no registry\n"+
			"hint: name it in rootfsgen.yaml under registry.%s, or with --registry; on a desk run \"rootfsrun services start\"", p.Scope, p.Scope))
	}
	return nil
}
