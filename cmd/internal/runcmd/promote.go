package runcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// promotion is the flags of promote.
type promotion struct {
	plan     string
	store    string
	images   []string
	registry string
	prod     string
	replace  bool
}

func promoteCommand(a *app.App) *cobra.Command {
	var o promotion
	cmd := &cobra.Command{
		Use: "promote [IMAGE...]", Short: "Write manifest.json: what prod holds, out of what testing holds",
		Long: `Write manifest.json: what prod holds, out of what testing holds.

Every digest is read from the registry again, with the receipts of its builds,
its tests and its merge. If any is missing nothing is promoted, and everything
that is missing is named. The images are copied, by digest, to the registry of
the prod scope where there is one, and then the document is replaced in one
step.

With --plan what is promoted is what that plan's commit made, even when the
testing channel has moved on since. With images, the others stay as they are.`,
		Example:           "  rootfsrun promote\n  rootfsrun promote python --store file:channels\n  rootfsrun promote --plan plan.json",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.images = append(o.images, args...)
			return o.run(cmd.Context(), a)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.plan, "plan", "", "promote what this plan.json made (default: what the testing channel holds)")
	f.StringVar(&o.store, "store", "", storeHelp)
	f.StringArrayVar(&o.images, "image", nil, "promote only this `image`; may be repeated")
	f.StringVar(&o.registry, "registry", "", "address that the testing images lie below (default: that of the settings; on a desk the local registry)")
	f.StringVar(&o.prod, "prod-registry", "", "address that the images are copied below (default: that of the settings; on a desk the local registry)")
	f.BoolVar(&o.replace, "replace", false, "replace the document whatever its commit is, after a rewritten history")
	app.Complete(cmd, "image", planning.CompleteImages(a))
	return cmd
}

func (o *promotion) run(ctx context.Context, a *app.App) error {
	for _, prefix := range []string{o.registry, o.prod} {
		if err := model.CheckPrefix(prefix); prefix != "" && err != nil {
			return app.Fail(app.ExitUsage, err)
		}
	}
	set, err := settings(ctx, a, planning.Options{})
	if err != nil {
		return err
	}
	if err := o.prefixes(ctx, a, set); err != nil || inert(a, o.registry) {
		return err
	}
	store, err := openStore(a, o.store, set.ChannelBranch)
	if err != nil {
		return err
	}
	root, err := a.Root()
	if err != nil {
		return err
	}
	s := promote.Step{
		Registry: registry.New(registry.Options{Bootstrap: set.Registry.Bootstrap, Scope: model.ScopeProd, Log: a.Log}),
		Store:    store, Testing: o.registry, Prod: o.prod,
	}
	if !o.replace {
		s.Order = manifest.GitOrder(root)
	}
	source, err := o.source(ctx, a, s)
	if err != nil {
		return err
	}
	r, err := s.Run(ctx, source, o.images)
	if err != nil {
		return err
	}
	state := "nothing new"
	if r.Written {
		state = "written"
	}
	a.Log.Info(fmt.Sprintf("%s: %s, in %s", channel.Prod, state, store))
	return printDocument(a, r.Document)
}

// prefixes fills in the registries that were not named.
func (o *promotion) prefixes(ctx context.Context, a *app.App, set model.Settings) error {
	testing, prod := set.Registry.Testing, set.Registry.Prod
	if !a.CI() && o.registry == "" {
		cache, err := a.Cache()
		if err != nil {
			return err
		}
		state, _, err := services.Status(ctx, cache, serviceOptions(a, cache))
		if err != nil {
			return err
		}
		if state.Registry != "" {
			testing, prod = state.Registry+"/"+model.ScopeTesting, state.Registry+"/"+model.ScopeProd
		}
	}
	if o.registry == "" {
		o.registry = testing
	} else if o.prod == "" && !a.CI() {
		prod = "" // somebody else's registry is not written to unasked
	}
	if o.prod == "" {
		o.prod = prod
	}
	return nil
}

// source is what a plan made, nil for what the testing channel holds. While
// the channel still holds what the plan made, it is the better source: an image
// that failed is there with its last good state.
func (o *promotion) source(ctx context.Context, a *app.App, s promote.Step) (*manifest.Document, error) {
	if o.plan == "" {
		return nil, nil
	}
	p, err := readPlan(a, o.plan)
	if err != nil {
		return nil, err
	}
	b, _, err := s.Store.Read(ctx, channel.Testing)
	if err != nil {
		return nil, err
	}
	if b != nil {
		d, err := manifest.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", channel.Testing, err)
		}
		if d.Commit == p.To.Commit {
			return d, nil
		}
	}
	d, missing, err := manifest.Step{Registry: s.Registry}.View(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 && len(o.images) == 0 {
		r := &promote.Refused{}
		for _, id := range missing {
			r.Missing = append(r.Missing, id+": not every step has passed at commit "+p.To.Commit[:min(12, len(p.To.Commit))])
		}
		return nil, r
	}
	return d, nil
}
