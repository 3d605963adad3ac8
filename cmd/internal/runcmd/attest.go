package runcmd

import (
	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
)

func attestCommand(a *app.App) *cobra.Command {
	var o signing
	cmd := &cobra.Command{
		Use: "attest [IMAGE...]", Short: "Say, signed, what is known of merged images",
		Long: `Say, signed, what is known of merged images: what they were made from (SLSA
provenance, of the receipts), their packages (the SBOM), what a scanner found,
and what the policy decided. Each is an attestation of its own, beside each
platform's digest and beside the index's, where cosign finds it too.

What lies in the registry counts only with the receipt of the step that made it.
What is attested already is left alone; a newer scan or verdict is attested beside
the older one.`,
		Example:           "  rootfsrun attest --plan plan.json\n  rootfsrun attest python --key env:COSIGN_PRIVATE_KEY --json",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return o.each(ctx, a, args, func(s attest.Step, i *attest.Image) ([]attest.Attached, error) { return s.Attest(ctx, i) })
		},
	}
	o.flags(a, cmd)
	return cmd
}
