package runcmd

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

func manifestCommand(a *app.App) *cobra.Command {
	var from given
	var store, source string
	var replace bool
	cmd := &cobra.Command{
		Use: "manifest", Short: "Write manifest.testing.json: what the testing channel holds now",
		Long: `Write manifest.testing.json: what the testing channel holds now.

For each image it names the newest index whose steps have all passed. An image
that failed keeps its entry, with "stale_since"; one that left the fleet leaves;
one that was never published is not listed. A run whose commit is older than
the document's leaves it as it is.

In CI the document lies on a git branch of its own. To push there over HTTP the
variable ROOTFSGEN_PUSH_TOKEN may hold a token.`,
		Example: "  rootfsrun manifest --plan plan.json\n  rootfsrun manifest --store file:channels --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			p, err := from.load(ctx, a, nil)
			if err != nil || inert(a, p.Prefix) {
				return err
			}
			s, err := planned(ctx, a, store)
			if err != nil {
				return err
			}
			r, err := writeManifest(ctx, a, p, s, source, replace)
			if err != nil {
				return err
			}
			return printDocument(a, r.Document)
		},
	}
	from.flags(a, cmd)
	f := cmd.Flags()
	f.StringVar(&store, "store", "", storeHelp)
	f.StringVar(&source, "source", manifest.DefaultSource, "what the document names as its origin")
	f.BoolVar(&replace, "replace", false, "replace the document whatever its commit is, after a rewritten history")
	return cmd
}

// planned opens the store, that of the settings where none is given.
func planned(ctx context.Context, a *app.App, store string) (channel.Store, error) {
	var set model.Settings
	if store == "git" || store == "" && a.CI() {
		var err error
		if set, err = settings(ctx, a, planning.Options{}); err != nil {
			return nil, err
		}
	}
	return openStore(a, store, set, model.ScopeTesting)
}

// writeManifest brings the testing channel up to date and says what happened.
func writeManifest(ctx context.Context, a *app.App, p *model.Plan, s channel.Store, source string, replace bool) (manifest.Result, error) {
	if err := published(p); err != nil {
		return manifest.Result{}, err
	}
	if err := committed(ctx, s, p); err != nil {
		return manifest.Result{}, err
	}
	m := manifest.Step{Registry: registryOf(a, p), Store: s, Source: source}
	if !replace {
		root, err := a.Root()
		if err != nil {
			return manifest.Result{}, err
		}
		m.Order = manifest.GitOrder(root)
	}
	r, err := m.Run(ctx, p)
	if err != nil {
		return r, err
	}
	switch {
	case r.Note != "":
		a.Log.Warn(r.Note)
	case r.Written:
		a.Log.Info(fmt.Sprintf("%s: written, in %s", channel.Testing, s))
	default:
		a.Log.Info(fmt.Sprintf("%s: nothing new, in %s", channel.Testing, s))
	}
	return r, nil
}

// printDocument prints what a channel holds.
func printDocument(a *app.App, d *manifest.Document) error {
	if d == nil {
		d = &manifest.Document{Version: manifest.Version, Source: manifest.DefaultSource}
	}
	if a.JSON {
		b, err := d.Encode()
		if err != nil {
			return err
		}
		_, err = a.Out.Write(b)
		return err
	}
	t := term.NewTable("ID", "PRIORITY", "IMAGE", "DIGEST", "STALE SINCE")
	for _, i := range d.Images {
		since := i.StaleSince
		if i.Untested {
			since = strings.TrimSpace(since + " (untested)")
		}
		t.Row(i.ID, strconv.Itoa(i.Priority), i.Image, digestFor(a, model.Digest(i.Digest)), since)
	}
	return t.Write(a.Out, a.OutTTY)
}
