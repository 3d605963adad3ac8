package gencmd

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// runtimeProgram is what carries steps out.
const runtimeProgram = "rootfsrun"

func runCommand(*app.App) *cobra.Command {
	return &cobra.Command{
		Use: "run [ARGUMENT...]", Short: "Carry out a plan on this machine: the same as rootfsrun run",
		Long: `Carry out a plan on this machine: the same as "rootfsrun run", which gets all
arguments as they are, and whose exit code this is. The rootfsrun beside this
program is taken, else the one on PATH.`,
		Example:            "  rootfsgen run\n  rootfsgen run --help",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := findRuntime()
			if err != nil {
				return err
			}
			return tool.Become(path, append([]string{"run"}, args...))
		},
	}
}

// findRuntime is the rootfsrun that was installed with this program, if there is
// one: two of one version belong together.
func findRuntime() (string, error) {
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), runtimeProgram)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := tool.LookPath(runtimeProgram)
	if err != nil {
		return "", fmt.Errorf("%w\nhint: rootfsgen run starts %[2]s, which is a program of its own: put it beside rootfsgen, or on PATH (docs/guide/first-run.md)", err, runtimeProgram)
	}
	return path, nil
}
