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
		Use: "why IMAGE[:TAG]...", Short: "Say why an image is, or is not, built",
		Long: `Say why an image is, or is not, built.

First what lies behind it, nearest first: an edit of its own, or the way over
its parents to one of theirs. Then all that differs between its key then and
now: every file, argument, option, parent and base with what it was and what
it is, and the instructions as a diff. Values under names such as API_TOKEN are
not shown. Without --platform, platforms to which the same happens share one
answer; --platform also shows keys and digests, which differ by platform.`,
		Example: `  rootfsgen why python
  rootfsgen why python:3.13
  rootfsgen why python --platform linux/arm64 --from v12
  rootfsgen why python --json`,
		Args:              app.AtLeastOne("an image"),
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
			explained := planning.Explain(p, s.Then, s.Now, func(t model.TargetID) bool { return slices.Contains(match, t) })
			if a.JSON {
				return printJSON(a, explained)
			}
			links, err := s.LinksOf(cmd.Context(), explained)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(a.Out, planning.Text(explained, links)); err != nil {
				return err
			}
			printNotes(a, p.Notes)
			return nil
		},
	}
	o.Flags(cmd, planning.CompleteImages(a))
	o.DetectFlag(cmd)
	cmd.Flags().StringVar(&platform, "platform", "", "only this one, for example linux/arm64")
	planning.CompletePlatforms(cmd)
	return cmd
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
