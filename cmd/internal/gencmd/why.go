package gencmd

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

func whyCommand(a *app.App) *cobra.Command {
	var o planning.Options
	var platform string
	cmd := &cobra.Command{
		Use: "why IMAGE...", Short: "Say why an image is, or is not, built",
		Long: `Say why an image is, or is not, built: every file, argument, parent, base and
option that differs, with what it was and what it is. A parent's own reasons
follow below it.`,
		Example: `  rootfsgen why python
  rootfsgen why python --platform linux/arm64 --from v12
  rootfsgen why python --json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := planning.Load(cmd.Context(), a, o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			p, err := s.Plan(cmd.Context())
			if err != nil {
				return err
			}
			match, err := s.Matching(p, args, platform)
			if err != nil {
				return err
			}
			explained := planning.Explain(p, func(t model.TargetID) bool { return slices.Contains(match, t) })
			if a.JSON {
				return printJSON(a, explained)
			}
			if _, err := fmt.Fprint(a.Out, planning.Text(explained)); err != nil {
				return err
			}
			printNotes(a, p.Notes)
			return nil
		},
	}
	o.Flags(cmd, planning.CompleteImages(a))
	cmd.Flags().StringVar(&platform, "platform", "", "only this one, for example linux/arm64")
	planning.CompletePlatforms(cmd)
	return cmd
}
