package gencmd

import (
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.JSON {
				format = "json"
			}
			if !slices.Contains(planning.Formats(), format) {
				return app.Fail(app.ExitUsage, fmt.Errorf("invalid --format %q: expected %s", format, strings.Join(planning.Formats(), ", ")))
			}
			o.Images = args
			return planning.Print(cmd.Context(), a, o, format, func(s *model.Settings) error {
				sayIfUnpublished(a, o, s)
				return nil
			})
		},
	}
	o.Flags(cmd, planning.CompleteImages(a))
	o.PlatformsFlag(cmd)
	o.DetectFlag(cmd)
	o.CodeQualityFlag(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "how the plan is printed: "+strings.Join(planning.Formats(), ", "))
	app.Values(cmd, "format", planning.Formats()...)
	return cmd
}

// sayIfUnpublished says that no later job of a pipeline will push: it has no
// address to push to.
func sayIfUnpublished(a *app.App, o planning.Options, s *model.Settings) {
	if a.CI() && o.Registry == "" && s.Registry.Prefix(o.Scope) == "" {
		a.Log.Warn(pipeline.Unpublished)
	}
}
