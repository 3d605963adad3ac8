package gencmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// schemaCommand prints the JSON schema of one of the files that people write.
func schemaCommand(a *app.App) *cobra.Command {
	names := source.SchemaNames()
	return &cobra.Command{
		Use: "schema NAME", Short: "Print the JSON schema of rootfsgen.yaml, image.yaml or images.lock",
		Long:      "Print the JSON schema of a file, for editors and other programs. NAME is " + strings.Join(names, ", ") + ".",
		Example:   "  rootfsgen schema image > image.schema.json",
		ValidArgs: names,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			schema, ok := source.Schema(args[0])
			if !ok {
				return app.Fail(app.ExitUsage, fmt.Errorf("there is no schema %q", args[0]))
			}
			_, err := a.Out.Write(schema)
			return err
		},
	}
}
