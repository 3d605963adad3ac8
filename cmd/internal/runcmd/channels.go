package runcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// channels is where the channels are that a command works on: the flags, and
// what they and the settings come to.
type channels struct {
	store    string
	registry string
	prod     string

	set    model.Settings
	policy model.Policy
	fleet  *model.Fleet
	opened channel.Store
}

func (o *channels) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.store, "store", "", storeHelp)
	f.StringVar(&o.registry, "registry", "", "address that the testing images lie below (default: that of the settings; on a desk the local registry)")
	f.StringVar(&o.prod, "prod-registry", "", "address that the prod images lie below (default: that of the settings; on a desk the local registry)")
}

// open reads the settings, the policy and the fleet, and opens the store.
func (o *channels) open(ctx context.Context, a *app.App) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	s, err := planning.Load(ctx, a, planning.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	o.set, o.policy, o.fleet = s.Now.Fleet.Settings, s.Policy, s.Now.Fleet
	return o.openStore(ctx, a)
}

// openAnyhow is open for the way out of an incident, and for looking at what
// was promoted, which must not depend on what is wrong in the work tree: of the
// fleet and the policy it takes what can be understood. The settings say where
// everything lies, and must be right.
func (o *channels) openAnyhow(ctx context.Context, a *app.App) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	if o.fleet, o.policy, err = planning.Understand(ctx, a); err != nil {
		return err
	}
	o.set = o.fleet.Settings
	return o.openStore(ctx, a)
}

func (o *channels) check() error {
	for _, prefix := range []string{o.registry, o.prod} {
		if err := model.CheckPrefix(prefix); prefix != "" && err != nil {
			return app.Fail(app.ExitUsage, err)
		}
	}
	return nil
}

func (o *channels) openStore(ctx context.Context, a *app.App) (err error) {
	if err := o.prefixes(ctx, a); err != nil {
		return err
	}
	o.opened, err = openStore(a, o.store, o.set, model.ScopeProd)
	return err
}

// prefixes fills in the registries that were not named.
func (o *channels) prefixes(ctx context.Context, a *app.App) error {
	testing, prod := o.set.Registry.Testing, o.set.Registry.Prod
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

// client speaks to the registry as a scope.
func (o *channels) client(a *app.App, scope string) *registry.Client {
	return registry.New(planning.Sealed(a, registry.Options{Bootstrap: o.set.Registry.Bootstrap, Scope: scope, Log: a.Log}, nil, &o.set.Trust))
}

// step is what all that changes prod has in common.
func (o *channels) step(a *app.App) promote.Step {
	s := promote.Step{Registry: o.client(a, model.ScopeProd), Store: o.opened, Testing: o.registry, Prod: o.prod, Policy: o.policy, Fleet: o.fleet}
	s.Actor, s.Job = whoever(a)
	return s
}

// whoever says who started this, and the address of the job that it is.
func whoever(a *app.App) (actor, job string) {
	j := forge.OriginOf(a.Env)
	if j.Forge == "" {
		return a.Env("USER"), ""
	}
	return j.Actor, j.Address
}

// known demands images that the fleet or a channel has: a mistyped name must
// not read as one that nothing is to be done for.
func known(ids []string, has func(id string) bool) error {
	var missing []string
	for _, id := range ids {
		if !has(id) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return app.Fail(app.ExitUsage, fmt.Errorf("prod never had %s\nhint: rootfsrun history", strings.Join(missing, ", ")))
}
