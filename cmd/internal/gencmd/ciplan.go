package gencmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

type ciOutputsOptions struct {
	plan   string
	forge  string
	layout string
	out    string
}

// ciOutputsCommand is for generated pipelines, not for people.
func ciOutputsCommand(a *app.App) *cobra.Command {
	o := &ciOutputsOptions{}
	cmd := &cobra.Command{
		Use: "ci-outputs", Short: "Tell a forge which jobs a plan runs", Args: cobra.NoArgs, Hidden: true,
		Long: `Tell a forge which jobs a plan runs: for GitHub as outputs of the planning job,
for GitLab as a child pipeline. Generated pipelines call this. The committed
pipeline must have every job that is named; if it does not, the exit code is 4.`,
		Example: "  rootfsgen ci-outputs --forge github --plan plan.json --out \"$GITHUB_OUTPUT\"",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runCIOutputs(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.plan, "plan", "", "the plan, as \"rootfsgen plan --format json\" wrote it")
	f.StringVar(&o.forge, "forge", "", "github or gitlab")
	f.StringVar(&o.layout, "layout", model.LayoutGraph, "how the committed pipeline arranges jobs: graph or waves")
	f.StringVar(&o.out, "out", "", "file to append to (github) or to write (gitlab)")
	for _, name := range []string{"plan", "forge", "out"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	app.Values(cmd, "forge", pipeline.GitHub, pipeline.GitLab)
	app.Values(cmd, "layout", model.LayoutGraph, model.LayoutWaves)
	return cmd
}

// validate refuses values that no pipeline gives.
func (o *ciOutputsOptions) validate() error {
	switch {
	case o.forge != pipeline.GitHub && o.forge != pipeline.GitLab:
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --forge %q: expected github or gitlab", o.forge))
	case o.layout != model.LayoutGraph && o.layout != model.LayoutWaves:
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --layout %q: expected graph or waves", o.layout))
	}
	return nil
}

func runCIOutputs(ctx context.Context, a *app.App, o *ciOutputsOptions) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	raw, err := os.ReadFile(o.plan)
	if err != nil {
		return app.Unread("--plan", err)
	}
	decided, err := plan.Decode(raw)
	if err != nil {
		return app.Damaged("--plan "+o.plan, err)
	}
	published := pipeline.Published(decided)
	if published != decided {
		if err := sayUnpublished(a, o); err != nil {
			return err
		}
	}
	s, err := planning.Load(ctx, a, planning.Options{State: planning.StateOff})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if decided.To.Tree != s.Now.Revision.Tree {
		return fmt.Errorf("reading the plan: it is for the tree %s, the checkout has %s", decided.To.Tree, s.Now.Revision.Tree)
	}
	text, err := outputs(ctx, s, o, published, raw)
	if err != nil {
		return err
	}
	return writeOutputs(o, text)
}

// outputs is what the planning job tells, for the pipeline that is committed.
func outputs(ctx context.Context, s *planning.Session, o *ciOutputsOptions, decided *model.Plan, raw []byte) ([]byte, error) {
	edges := pipeline.EdgesOf(s.Now.Graph)
	all, list, err := pipeline.Layout(s.Now.Fleet, edges, pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		return nil, err
	}
	some, _, err := pipeline.Layout(s.Now.Fleet, edges, pipeline.Selected(decided))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(takeTemplates(ctx, s.Tree, all), takeTemplates(ctx, s.Tree, some)); err != nil {
		return nil, err
	}
	all.Layout = o.layout
	name := render.GitHubFleet
	if o.forge == pipeline.GitLab {
		name = render.GitLabFleet
	}
	committed, err := s.Tree.Read(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the pipeline: %w", err)
	}
	return render.Outputs(all, some, o.forge, decided, raw, committed)
}

// sayUnpublished says where people look why no job does anything.
func sayUnpublished(a *app.App, o *ciOutputsOptions) error {
	a.Log.Warn(pipeline.Unpublished)
	summary := a.Env("GITHUB_STEP_SUMMARY")
	if o.forge != pipeline.GitHub || summary == "" {
		return nil
	}
	f, err := os.OpenFile(summary, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	_, err = f.WriteString("**" + pipeline.Unpublished + "**\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// writeOutputs appends to the file that GitHub collects outputs in; what is
// there already stays.
func writeOutputs(o *ciOutputsOptions, text []byte) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if o.forge == pipeline.GitHub {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(o.out, flags, 0o644)
	if err != nil {
		return fmt.Errorf("writing outputs: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing outputs: %w", err)
	}
	return nil
}
