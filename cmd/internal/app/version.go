package app

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// released is set by the linker for a release.
var released string

// Released is the version of the release that the program is of, empty for any
// other build.
func Released() string { return released }

// Version is the program's version: of the release, of the module, or of the
// commit that it was built from.
func Version() string {
	if released != "" {
		return released
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

// VersionCommand prints the version, and with --json what it was built with.
func VersionCommand(name string) Command {
	return func(a *App) *cobra.Command {
		return &cobra.Command{
			Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			Example: "  " + name + " version --json",
			RunE: func(*cobra.Command, []string) error {
				if !a.JSON {
					_, err := fmt.Fprintln(a.Out, name, Version())
					return err
				}
				return json.NewEncoder(a.Out).Encode(map[string]string{
					"name": name, "version": Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			},
		}
	}
}
