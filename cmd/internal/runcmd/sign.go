package runcmd

import (
	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
)

func signCommand(a *app.App) *cobra.Command {
	var o signing
	cmd := &cobra.Command{
		Use: "sign [IMAGE...]", Short: "Sign merged images: each index, and each of its platforms",
		Long: `Sign merged images: each index, and each of its platforms.

A signature lies beside the digest that it is of, as cosign 3 writes and reads
it. rootfsgen.yaml says under "sign" with which key, or that the job signs as
itself. What is signed already by the same key is left alone; without a key, by
one of trust.signers.`,
		Example:           "  rootfsrun sign --plan plan.json\n  rootfsrun sign python --key file:cosign.key",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return o.each(ctx, a, args, func(s attest.Step, i *attest.Image) ([]attest.Attached, error) { return s.Sign(ctx, i) })
		},
	}
	o.flags(a, cmd)
	return cmd
}
