package gencmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

func planCommand(a *app.App) *cobra.Command {
	var o planning.Options
	var format string
	cmd := &cobra.Command{
		Use: "plan [IMAGE...]", Short: "Say what would be built now, and why",
		Long: `Say what would be built now, and why.

Two trees are compared: the last release tag before this commit (for a request
the merge base, for a tag the tag before it) with HEAD, or with the work tree
where it has uncommitted edits. The registry is asked what it has already; on a
desk only where "rootfsrun services" runs one or --registry names one.

What is unchanged is counted; -v lists it. --format json prints plan.json and
nothing else, markdown is for a comment on a request, github and gitlab are for
the log of a job there.

With images, only these and what they are built from are planned.`,
		Example: `  rootfsgen plan
  rootfsgen plan python --from v12 --format json
  rootfsgen plan --force debian-base
  rootfsgen plan --scope pr --snapshot-id pr-123 --format markdown`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if a.JSON {
				format = "json"
			}
			if !slices.Contains(planning.Formats(), format) {
				return app.Fail(app.ExitUsage, fmt.Errorf("invalid --format %q: expected %s", format, strings.Join(planning.Formats(), ", ")))
			}
			o.Images = args
			s, err := planning.Load(cmd.Context(), a, o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if err := publishes(a, o, &s.Now.Fleet.Settings); err != nil {
				return err
			}
			p, err := s.Plan(cmd.Context())
			if err != nil {
				return err
			}
			if err := planning.Write(a.Out, p, format, a.OutTTY, a.Verbose); err != nil {
				return err
			}
			if format == "text" && !a.OutTTY && !a.Quiet {
				fmt.Fprintln(a.Err, planning.Summary(p, planning.Unlisted(a.Verbose)))
			}
			if a.Verbose && format != "json" {
				printNotes(a, planning.Outside(s.Now.Graph))
			}
			if format == "text" || format == "gitlab" {
				printNotes(a, p.Notes)
			}
			return nil
		},
	}
	o.Flags(cmd, planning.CompleteImages(a))
	o.DetectFlag(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "how the plan is printed: "+strings.Join(planning.Formats(), ", "))
	app.Values(cmd, "format", planning.Formats()...)
	return cmd
}

// publishes refuses to plan what no later job could push: without an address
// the planning job of a pipeline would succeed and nothing after it.
func publishes(a *app.App, o planning.Options, s *model.Settings) error {
	if !a.CI() || o.Scope != model.ScopeTesting || o.Registry != "" || o.State == planning.StateOff || s.Registry.Testing != "" {
		return nil
	}
	return app.Fail(app.ExitInvalid, errors.New("scope testing has no registry, so nothing can be published: "+pipeline.RegistryHint+", or name one with --registry"))
}

// printNotes prints what a person should know beside the result.
func printNotes(a *app.App, notes []string) {
	if a.Quiet {
		return
	}
	for _, n := range notes {
		fmt.Fprintln(a.Err, n)
	}
}
