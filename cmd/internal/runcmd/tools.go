package runcmd

import (
	"encoding/json"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

func toolsCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tools", Short: "List the outside programs that the steps need, or install those of Debian",
		Example: "  rootfsrun tools --json\n  rootfsrun tools install",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := a.Cache()
			if err != nil {
				return err
			}
			list := tools.List(cmd.Context(), filepath.Join(cache, "bin"))
			if a.JSON {
				return json.NewEncoder(a.Out).Encode(list)
			}
			table := term.NewTable("PROGRAM", "PATH", "VERSION", "NEEDED FOR")
			for _, t := range list {
				path := t.Path
				if path == "" {
					path = "missing: " + t.Get
				}
				table.Row(t.Name, path, t.Version, t.Use)
			}
			return table.Write(a.Out, a.OutTTY)
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use: "install", Short: "Install the missing Debian packages with apt, as root", Args: cobra.NoArgs,
		Example: "  rootfsrun tools install",
		RunE:    func(cmd *cobra.Command, _ []string) error { return tools.Install(cmd.Context(), a.Err) },
	})
	return cmd
}
