package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/account"
	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/earlier"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/packages"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func ciBuiltCommand(a *app.App) *cobra.Command {
	var o summing
	cmd := &cobra.Command{
		Use: "built [IMAGE...]", Short: "Show people what an image weighs and holds now, beside the version before",
		Long: `Show people what an image weighs and holds now, beside the version before.

Sizes are what is fetched: compressed layers, configuration and manifest. Packages
are those that dpkg or apk wrote down in the layers of both versions; of an image
without such a database they are said to be not known. A request is compared with
the newest version of the scope that it may read. An image that is not merged is
left out. It goes where "rootfsrun ci summary" does, and is no failure either.`,
		Example:           "  rootfsrun ci built python --plan plan.json",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.built(cmd.Context(), a, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "plan", "", "the plan, as \"rootfsgen plan --format json\" wrote it")
	f.StringVar(&o.out, "out", "", "`file` to write to")
	_ = cmd.MarkFlagRequired("plan") // the flag is there
	return cmd
}

func (o *summing) built(ctx context.Context, a *app.App, images []string) error {
	p, err := readPlan(a, o.file)
	if err != nil || inert(a, p.Prefix) {
		return err
	}
	if err := published(p); err != nil {
		return err
	}
	wanted, err := indexes(p, images)
	if err != nil {
		return err
	}
	client := registry.New(registry.Options{Bootstrap: p.Bootstrap, Scope: p.Scope, Attempts: 2})
	all := []account.Built{}
	for _, i := range wanted {
		b, found, err := compare(ctx, client, p, i)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			a.Log.Warn("what changed in " + i.ID().Node() + " is not known: " + err.Error())
		case found:
			all = append(all, b)
		}
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "built": all})
	}
	var text strings.Builder
	for n := range all {
		if page := all[n].Markdown(); text.Len()+len(page) < planning.SummaryBytes {
			text.WriteString(page)
		}
	}
	return o.show(a, text.String())
}

// compare reads an index as it is now, and the version before it.
func compare(ctx context.Context, c *registry.Client, p *model.Plan, i *model.Index) (account.Built, bool, error) {
	b := account.Built{Image: p.Called()(i.ID())}
	r, found, err := index.Merged(ctx, c, p, i)
	if err != nil || !found {
		return b, false, err
	}
	now, err := earlier.At(ctx, c, p.Prefix+"/"+i.Repository, r.VersionTag)
	if err != nil {
		return b, false, err
	}
	before, has, err := earlier.Newest(ctx, c, p, i, now.Digest)
	if err != nil {
		return b, false, err
	}
	b.Tag = now.Tag
	if has {
		b.Before = before.Tag
	}
	for n := range now.Images {
		image := &now.Images[n]
		out := account.Platform{Platform: image.Platform.String(), Size: image.Size, Packages: []account.Change{}}
		if has {
			if old := before.Image(image.Platform); old != nil {
				out.Before = old.Size
				differ(ctx, c, &out, now, image, before, old)
			}
		}
		b.Platforms = append(b.Platforms, out)
	}
	return b, true, nil
}

// differ finds the packages of one platform that are others than before.
func differ(ctx context.Context, c *registry.Client, out *account.Platform, now *earlier.Version, image *earlier.Image, before *earlier.Version, old *earlier.Image) {
	if image.Digest == old.Digest {
		return
	}
	has, err := packages.Of(ctx, c, now.Repository, image.Digest)
	if err == nil {
		var had packages.Set
		if had, err = packages.Of(ctx, c, before.Repository, old.Digest); err == nil {
			out.Packages = account.Changes(versions(had), versions(has))
			return
		}
	}
	out.Unknown = err.Error()
	if unreadable, is := errors.AsType[*packages.Unreadable](err); is {
		out.Unknown = unreadable.Why
	}
}

// versions are the packages of a set by name. One that is there for several
// architectures, or in several versions, has all of these.
func versions(s packages.Set) map[string]string {
	out := map[string]string{}
	for _, p := range s {
		switch had := out[p.Name]; {
		case had == "":
			out[p.Name] = p.Version
		case !slices.Contains(strings.Split(had, " "), p.Version):
			out[p.Name] = had + " " + p.Version
		}
	}
	return out
}
