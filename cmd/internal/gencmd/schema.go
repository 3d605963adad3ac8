package gencmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// schemaCommand prints the JSON schema of one of the files that people write.
func schemaCommand(a *app.App) *cobra.Command {
	names := source.SchemaNames()
	return &cobra.Command{
		Use: "schema NAME", Short: "Print the JSON schema of rootfsgen.yaml, image.yaml, images.lock or scan-policy.yaml",
		Long:      "Print the JSON schema of a file, for editors and other programs. NAME is " + strings.Join(names, ", ") + ".",
		Example:   "  rootfsgen schema image > image.schema.json",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(names, args[0]) {
				return nil
			}
			wanted := "name one of the schemas " + strings.Join(names, ", ")
			if len(args) != 1 {
				return errors.New(wanted)
			}
			return fmt.Errorf("there is no schema %q: %s", args[0], wanted)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			schema, _ := source.Schema(args[0]) // Args has seen to that
			_, err := a.Out.Write(schema)
			return err
		},
	}
}
