package runcmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/build"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func buildCommand(a *app.App) *cobra.Command {
	var o single
	var progress string
	var tested bool
	cmd := &cobra.Command{
		Use: "build [IMAGE...]", Short: "Build images that the registry does not have",
		Long: `Build images that the registry does not have.

Each target is looked up in the registry by its key first. What is there, made
of the parents of today, is reused; the rest is built by BuildKit from exactly
the files that its key was made of, and pushed. Without --plan, what the named
images are built from is looked at, too. BUILDKIT_HOST says which BuildKit is
meant; without it, it is the local one of "rootfsrun services".`,
		Example: `  rootfsrun build
  rootfsrun build python --platform linux/arm64
  rootfsrun build python --plan plan.json --progress plain`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(buildkit.Modes(), progress) {
				return app.Fail(app.ExitUsage, fmt.Errorf("invalid --progress %q: expected %s", progress, strings.Join(buildkit.Modes(), ", ")))
			}
			return o.carryOut(cmd.Context(), a, args, model.StepBuild, func(w *workshop, out io.Writer) step.Target {
				if a.NoColor && progress == "auto" {
					progress = "plain" // the display of a terminal is always coloured
				}
				return build.Step{
					Registry: w.registry, BuildKit: w.buildKit, Objects: w.objects, Cache: w.cache, Artifacts: w.artifacts,
					Progress: progress, Output: out, Attribute: w.shared, Tested: tested, Log: a.Log, Env: a.Env,
				}.Run
			})
		},
	}
	o.flags(a, cmd)
	cmd.Flags().StringVar(&progress, "progress", "auto", "how builds are shown: "+strings.Join(buildkit.Modes(), ", "))
	cmd.Flags().BoolVar(&tested, "tested", false, "fail where a parent has not passed the tests that the plan runs on it")
	app.Values(cmd, "progress", buildkit.Modes()...)
	return cmd
}
