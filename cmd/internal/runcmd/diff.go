package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/notes"
)

// differing is the flags of diff.
type differing struct {
	channels
	format string
	notes  bool
}

func diffCommand(a *app.App) *cobra.Command {
	var o differing
	cmd := &cobra.Command{
		Use: "diff [A] [B]", Short: "Say what differs between two states of the channels",
		Long: `Say what differs between two states of the channels: images, digests, packages
and findings, from the lists and scans that lie beside the images.

A and B are "prod", "testing", "prod~1" (before its last change),
"prod@VERSION", "prod@2026-11-20", or files. Without them, what a promotion
would bring: prod and testing. With --notes, what the last one has brought:
prod~1 and prod, as Markdown for the body of a release.`,
		Example: `  rootfsrun diff
  rootfsrun diff prod@2026-11-01 prod --format markdown
  rootfsrun diff --notes > notes.md`,
		Args: app.AtMost(2, "two states"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "text, markdown or json")
	f.BoolVar(&o.notes, "notes", false, "release notes of the last promotion")
	app.Complete(cmd, "format", cobra.FixedCompletions([]string{"text", "markdown", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *differing) run(ctx context.Context, a *app.App, args []string) error {
	sides := []string{model.ScopeProd, model.ScopeTesting}
	if o.notes {
		sides, o.format = []string{model.ScopeProd + "~1", model.ScopeProd}, "markdown"
	}
	copy(sides, args)
	if a.JSON {
		o.format = "json"
	}
	if o.format != "text" && o.format != "markdown" && o.format != "json" {
		return app.Fail(app.ExitUsage, errors.New("--format: expected text, markdown or json"))
	}
	if err := o.openAnyhow(ctx, a); err != nil {
		return err
	}
	from, err := documentOf(ctx, o.opened, sides[0])
	if err != nil {
		return err
	}
	to, err := documentOf(ctx, o.opened, sides[1])
	if err != nil {
		return err
	}
	n, err := notes.Compare(ctx, o.client(a, model.ScopeProd), from, to)
	if err != nil {
		return err
	}
	switch o.format {
	case "json":
		return json.NewEncoder(a.Out).Encode(n)
	case "markdown":
		_, err := io.WriteString(a.Out, n.Markdown())
		return err
	}
	return printNotes(a, n)
}

func printNotes(a *app.App, n notes.Notes) error {
	t := term.NewTable("IMAGE", "", "FROM", "TO", "PACKAGES", "FINDINGS")
	for _, i := range n.Images {
		packages, gone, come, known, listed := 0, 0, 0, false, true
		for _, p := range i.Platforms {
			listed = listed && p.Listed
			packages = max(packages, len(p.Packages))
			if p.Findings != nil {
				known, gone, come = true, max(gone, len(p.Findings.Gone)), max(come, len(p.Findings.New))
			}
		}
		said, findings := "", ""
		if len(i.Platforms) > 0 && listed {
			said = fmt.Sprintf("%d changed", packages)
		}
		if known {
			findings = fmt.Sprintf("-%d +%d", gone, come)
		}
		t.Row(i.ID, i.Kind, i.From, i.To, said, findings)
	}
	if err := t.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	if !a.Quiet {
		fmt.Fprintf(a.Err, "%d images are the same\n", n.Same)
		for _, f := range n.Fixed {
			fmt.Fprintf(a.Err, "%s is %q, which is somebody else's: nobody scans or judges it\n", f.ID, f.Reference)
		}
	}
	return nil
}
