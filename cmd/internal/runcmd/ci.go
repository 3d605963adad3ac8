package runcmd

import (
	"errors"

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

// notInJob is what commands say that need a forge, and have none.
func notInJob() error {
	return app.Fail(app.ExitUsage, errors.New("this is for jobs of GitHub or GitLab\n"+
		"hint: elsewhere set GITHUB_ACTIONS=true, GITHUB_REPOSITORY=OWNER/NAME and ROOTFSGEN_FORGE_TOKEN,\n"+
		"    or GITLAB_CI=true, CI_API_V4_URL, CI_PROJECT_ID and ROOTFSGEN_FORGE_TOKEN"))
}
