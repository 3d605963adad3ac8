package runcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// repeating is the flags of ci reports.
type repeating struct{ file, out string }

func ciReportsCommand(a *app.App) *cobra.Command {
	var o repeating
	cmd := &cobra.Command{
		Use: "reports", Short: "Fetch what the tests of a plan came to, from wherever they ran",
		Long: `Fetch what the tests of a plan came to, from wherever they ran.

GitLab shows the test reports of a pipeline's own jobs, and not those of its
child. A job of the parent fetches them with this command: what "rootfsrun test
--attach" laid beside each image in the registry becomes a file
junit-IMAGE-ARCH.xml in the folder of --out. A target that was not built, or
whose tests did not run, has none. What was judged becomes
gl-container-scanning-report.json, and what it is made of gl-sbom-IMAGE-ARCH.cdx.json. That a registry does not answer is a warning.`,
		Example: "  rootfsrun ci reports --plan plan.json --out build-artifacts",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "plan", "", "the plan, as \"rootfsgen plan --format json\" wrote it")
	f.StringVar(&o.out, "out", "build-artifacts", "`folder` to write to")
	_ = cmd.MarkFlagRequired("plan") // the flag is there
	return cmd
}

func (o *repeating) run(ctx context.Context, a *app.App) error {
	p, err := readPlan(a, o.file)
	if err != nil {
		return err
	}
	written := []string{}
	if p.Prefix == "" {
		a.Log.Warn("no registry is named, so there are no reports in it")
		return o.print(a, written)
	}
	c := registry.New(registry.Options{Bootstrap: p.Bootstrap, Scope: p.Scope, Attempts: 2})
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Action == model.ActionRetire || e.Steps[model.StepTest] != model.StepRun {
			continue
		}
		body, err := imagetest.Report(ctx, c, p, e)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			a.Log.Warn(err.Error())
		}
		if err != nil || body == nil {
			continue
		}
		file := filepath.Join(o.out, "junit-"+p.FileName(e.ID())+"-"+e.Platform.Arch+".xml")
		if err := writeReport(file, body); err != nil {
			return err
		}
		written = append(written, file)
	}
	more, err := o.judged(ctx, a, c, p)
	if err != nil {
		return err
	}
	return o.print(a, append(written, more...))
}

func (o *repeating) print(a *app.App, written []string) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "reports": written})
	}
	for _, file := range written {
		if _, err := fmt.Fprintln(a.Out, file); err != nil {
			return err
		}
	}
	return nil
}
