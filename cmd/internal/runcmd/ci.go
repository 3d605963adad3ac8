package runcmd

import (
	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
)

// ciCommand gathers what jobs of the generated pipelines ask of their forge.
func ciCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "ci", Short: "Speak to the forge that runs this job", Args: cobra.NoArgs,
		Example: "  rootfsrun ci request --branch rootfsgen/lock --title \"Update images.lock\" images.lock",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(ciRequestCommand(a), ciLostCommand(a), ciSummaryCommand(a), ciBuiltCommand(a), ciCommentCommand(a), ciReportsCommand(a), ciTriedCommand(a), ciVerdictCommand(a), ciIssueCommand(a), ciReleaseCommand(a))
	return cmd
}
