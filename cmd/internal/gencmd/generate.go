package gencmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/tree"
)

type generateOptions struct {
	plan    planning.Options
	check   bool
	diff    bool
	force   bool
	pins    bool // a pin that a bot moved is no difference
	changed bool
	out     string
	forge   string
}

func generateCommand(a *app.App) *cobra.Command {
	o := &generateOptions{}
	cmd := &cobra.Command{
		Use: "generate", Short: "Write the pipelines of the fleet", Args: cobra.NoArgs,
		Long: `Write the GitHub and GitLab pipelines of the fleet.

What is written depends on the images and on rootfsgen.yaml, never on what
changed: the pipelines hold every image and decide when they run what they do.
Only files that differ are written, each in one step; files that are no longer
generated are removed when they are as the generator wrote them.

A file that was edited by hand keeps the edit: it is joined with what is
generated now. Where both say something else the file gets conflict markers,
and the exit code is 4; so it is for what else a person must decide. --force
gives edits up.

With --changed, pipelines of only what differs from an earlier revision, and of
what is built from it, are written below another folder.`,
		Example: "  rootfsgen generate\n  rootfsgen generate --check --diff\n  rootfsgen generate --changed --from v12 --out /tmp/changed",
		RunE:    func(cmd *cobra.Command, _ []string) error { return runGenerate(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.check, "check", false, "write nothing; exit code 4 when a file differs")
	f.BoolVar(&o.diff, "diff", false, "write nothing; print what would change")
	f.BoolVar(&o.force, "force", false, "give up edits by hand of generated files")
	f.BoolVar(&o.pins, "allow-moved-pins", false, "with --check, an action that a bot moved to a later version is no difference")
	f.BoolVar(&o.changed, "changed", false, "only what changed, and what is built from it; needs --out")
	f.StringVar(&o.plan.From, "from", "", "with --changed, compare with this revision (default: the last release tag)")
	f.StringVar(&o.out, "out", "", "write below this `folder` instead of into the repository")
	f.StringVar(&o.forge, "forge", "all", "github, gitlab or all")
	app.Values(cmd, "forge", pipeline.GitHub, pipeline.GitLab, "all")
	return cmd
}

// validate refuses flags that do not go together.
func (o *generateOptions) validate() error {
	switch {
	case o.changed && o.out == "":
		return app.Fail(app.ExitUsage, errors.New("--changed needs --out: the repository's own pipelines hold every image"))
	case !o.changed && o.plan.From != "":
		return app.Fail(app.ExitUsage, errors.New("--from needs --changed: what is generated never depends on what changed"))
	case o.pins && !o.check:
		return app.Fail(app.ExitUsage, errors.New("--allow-moved-pins needs --check: generating always takes them over"))
	case o.forge != "all" && o.forge != pipeline.GitHub && o.forge != pipeline.GitLab:
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --forge %q: expected github, gitlab or all", o.forge))
	}
	return nil
}

func runGenerate(ctx context.Context, a *app.App, o *generateOptions) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	o.plan.State = planning.StateOff
	s, err := planning.Load(ctx, a, o.plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if o.changed && sameFolder(o.out, s.Repo.Root()) {
		return keepsEvery(o.out)
	}
	p, err := layout(ctx, s, o.changed)
	if err != nil {
		return err
	}
	if o.forge != "all" {
		if !slices.Contains(p.Forges, o.forge) {
			return app.Fail(app.ExitUsage, fmt.Errorf("--forge %s: the fleet's forges are %s", o.forge, strings.Join(p.Forges, ", ")))
		}
		p.Forges = []string{o.forge}
	}
	if !a.Quiet {
		a.PrintDiagnostics(p.Warnings(&s.Now.Fleet.Settings))
	}
	disk, pins, err := readPins(ctx, s.Repo)
	if err != nil {
		return err
	}
	for _, action := range pins.On(p.GitHub) {
		a.Log.Info(action + " is at " + pins[action].Version + ": later versions do not run on a GitHub Enterprise Server")
	}
	files, limits, err := renderAll(a, p, disk, pins)
	if err != nil {
		return err
	}
	if o.changed {
		if err := sparesCommitted(ctx, s.Repo, o.out, files); err != nil {
			return err
		}
	}
	root, err := openOut(s.Repo.Root(), o.out)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := tree.Compare(ctx, root, files, tree.Options{Past: past{s.Repo}, Force: o.force})
	if err != nil {
		return err
	}
	found.Changes = slices.DeleteFunc(found.Changes, o.ignores)
	return finishGenerate(a, o, root, found, limits)
}

// layout decides on the jobs, of all images or of what changed.
func layout(ctx context.Context, s *planning.Session, changed bool) (*pipeline.Pipeline, error) {
	var o pipeline.Options
	if changed {
		plan, err := s.Plan(ctx)
		if err != nil {
			return nil, err
		}
		o = pipeline.Selected(plan)
	}
	p, list, err := pipeline.Layout(s.Now.Fleet, pipeline.EdgesOf(s.Now.Graph), o)
	if err := errors.Join(err, list.Err()); err != nil {
		return nil, err
	}
	if err := errors.Join(takeTemplates(ctx, s.Tree, p), checkOwnJobs(ctx, s.Tree, p)); err != nil {
		return nil, err
	}
	return p, nil
}

// readPins reads the pins of the repository, and what a bot has moved in its
// workflows.
func readPins(ctx context.Context, repo *history.Repo) (disk []byte, pins render.Pins, err error) {
	root, err := os.OpenRoot(repo.Root())
	if err != nil {
		return nil, nil, fmt.Errorf("reading pins: %w", err)
	}
	defer root.Close()
	disk, err = root.ReadFile(render.PinsFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading pins: %w", err)
	}
	if pins, err = render.ParsePins(disk); err != nil {
		return nil, nil, err
	}
	return disk, pins, tree.AdoptPins(ctx, root, past{repo}, pins)
}

// renderAll writes down the pipelines of the fleet's forges, with these pins,
// and tells where the layout is not the one that is normally chosen. disk is
// the text that holds the pins, nil where there is none.
func renderAll(a *app.App, p *pipeline.Pipeline, disk []byte, pins render.Pins) (render.Files, []render.Limit, error) {
	all := render.Files{}
	var limits []render.Limit
	for _, f := range p.Forges {
		w, err := render.Write(p, f, pins)
		if err != nil {
			return nil, nil, err
		}
		if why := w.Why(); why != "" {
			a.Log.Info(f + ": " + why)
		}
		limits = append(limits, w.Limits...)
		if _, has := w.Files[render.PinsFile]; has {
			w.Files[render.PinsFile] = render.KeepPins(disk, pins)
		}
		maps.Copy(all, w.Files)
	}
	return all, limits, nil
}

// ignores tells whether a change is none for these options: the other forge's
// files, where one is asked for, and pins that were moved.
func (o *generateOptions) ignores(c tree.Change) bool {
	return o.forge != "all" && (c.Kind == tree.Extra || c.Kind == tree.Left) || o.pins && c.Kind == tree.Pin
}
