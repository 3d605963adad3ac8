package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/withdraw"
)

// withdrawing is the flags of withdraw.
type withdrawing struct {
	channels
	reason string
	dryRun bool
}

func withdrawCommand(a *app.App) *cobra.Command {
	var o withdrawing
	cmd := &cobra.Command{
		Use: "withdraw DIGEST", Short: "Take a digest, and all that was built on it, out of use",
		Long: `Take a digest, and all that was built on it, out of use.

DIGEST is that of an image's index, or of one of its platforms. The receipts of
all builds say what was built on it, across images and platforms; each is marked
by a record in every registry that has it, and all leave both channels together.
What is marked is never merged, reused or promoted again: the next plan builds
it anew, from what was mended meanwhile. Nothing is deleted.`,
		Example: `  rootfsrun withdraw sha256:4f0c... --reason "the signing key leaked into a layer"
  rootfsrun withdraw sha256:4f0c... --reason test --dry-run`,
		Args: app.ExactlyOne("the digest"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args[0]) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.reason, "reason", "", "why, for the record")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be withdrawn")
	_ = cmd.MarkFlagRequired("reason") // the flag is there
	return cmd
}

func (o *withdrawing) run(ctx context.Context, a *app.App, arg string) error {
	digest, err := model.ParseDigest(arg)
	if err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	if strings.TrimSpace(o.reason) == "" {
		return app.Fail(app.ExitUsage, errors.New("--reason: a record without a reason helps nobody"))
	}
	if err := o.openAnyhow(ctx, a); err != nil || inert(a, o.registry) {
		return err
	}
	if o.registry == "" && o.prod == "" {
		return app.Fail(app.ExitUsage, errors.New("no registry: write registry.testing and registry.prod into rootfsgen.yaml, or name them with --registry and --prod-registry"))
	}
	places, err := o.places(ctx, a)
	if err != nil {
		return err
	}
	s := withdraw.Step{Places: places, Store: o.opened, Reason: o.reason}
	s.Actor, s.Job = whoever(a)
	if o.dryRun {
		f, err := s.Find(ctx, digest)
		if err != nil {
			return err
		}
		return printWithdrawn(a, withdraw.Result{Items: f.Items(), Retired: map[string][]string{}})
	}
	r, err := s.Run(ctx, digest)
	if err != nil {
		return err
	}
	left, err := o.step(a).Settle(ctx, r.Digests())
	if err != nil {
		return err
	}
	for _, ref := range left {
		a.Log.Warn(ref + " is still at what was withdrawn, and prod has no other version: delete that tag")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Retired)) {
		if ids := r.Retired[name]; len(ids) > 0 {
			a.Log.Info(fmt.Sprintf("%s: without %s now, in %s", name, strings.Join(ids, ", "), o.opened))
		}
	}
	return printWithdrawn(a, r)
}

// places are the repositories of the fleet as it is, and of all that the
// channels ever held.
func (o *withdrawing) places(ctx context.Context, a *app.App) ([]withdraw.Place, error) {
	repositories := map[string]bool{}
	for _, i := range o.fleet.Images {
		repositories[i.ImageName] = true
	}
	for _, name := range []string{channel.Testing, channel.Prod} {
		versions, err := o.opened.Versions(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			d, err := documentAt(ctx, o.opened, name, v.ID)
			if err != nil {
				return nil, err
			}
			for _, i := range d.Images {
				if i.Repository != "" {
					repositories[i.Repository] = true
				}
			}
		}
	}
	var places []withdraw.Place
	for _, scope := range []struct{ name, prefix string }{{model.ScopeTesting, o.registry}, {model.ScopeProd, o.prod}} {
		if scope.prefix == "" {
			continue
		}
		client := o.client(a, scope.name)
		for _, r := range slices.Sorted(maps.Keys(repositories)) {
			places = append(places, withdraw.Place{Registry: client, Repo: scope.prefix + "/" + r})
		}
	}
	return places, nil
}

// documentAt reads one version of a channel.
func documentAt(ctx context.Context, s channel.Store, name, id string) (*manifest.Document, error) {
	b, err := s.ReadVersion(ctx, name, id)
	if err != nil {
		return nil, err
	}
	d, err := manifest.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s as of %s: %w", name, id, err)
	}
	return d, nil
}

func printWithdrawn(a *app.App, r withdraw.Result) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	t := term.NewTable("IMAGE", "PLATFORM", "DIGEST", "BECAUSE OF", "REPOSITORIES")
	for _, i := range r.Items {
		because := ""
		if i.Because != i.Digest {
			because = digestFor(a, i.Because)
		}
		t.Row(i.Image, i.Platform, digestFor(a, i.Digest), because, strings.Join(i.Repos, " "))
	}
	return t.Write(a.Out, a.OutTTY)
}
