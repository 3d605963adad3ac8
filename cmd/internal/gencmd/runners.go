package gencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// runnersOptions are the flags of runners.
type runnersOptions struct {
	render.RunnersOptions
	forge, out string
	machines   []string
}

// runnersCommand writes how the machines are set up that jobs run on.
func runnersCommand(a *app.App) *cobra.Command {
	o := runnersOptions{RunnersOptions: render.RunnersOptions{Families: render.DefaultFamilies()}}
	cmd := &cobra.Command{
		Use: "runners", Short: "Write how the machines of each class are set up",
		Long: `Write how the machines of each class in rootfsgen.yaml are set up.

For GitHub: values of the chart gha-runner-scale-set, one for each class, whose
pods have a rootless BuildKit of their own architecture beside them, or with
--buildkit one that is there already; and for each class a ComputeClass of GKE,
which takes Spot machines while there are any, and buys others then. For GitLab:
a template of the runner's configuration for each class, with a machine for each
job, and the commands that make the group it starts them in.

Classes that are the forge's own are left out. What is written is a beginning,
and yours to edit; the same settings give the same files.`,
		Example: `  rootfsgen runners --forge github --repository https://github.com/acme/images --image REF@sha256:... --buildkit-image REF@sha256:...
  rootfsgen runners --forge gitlab --project acme-ci --zone europe-west4-a --image REF@sha256:...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringVar(&o.forge, "forge", "", "github or gitlab (default: those of the settings)")
	f.StringVar(&o.out, "out", "runners", "`folder` to write to")
	f.StringVar(&o.Repository, "repository", "", "address of the repository or organisation on GitHub that has the runners")
	f.StringVar(&o.Secret, "secret", "arc-github-app", "Kubernetes secret of the app that registers GitHub's runners")
	f.StringVar(&o.URL, "url", "https://gitlab.com", "address of GitLab")
	f.StringVar(&o.Project, "project", "", "Google project of GitLab's machines")
	f.StringVar(&o.Zone, "zone", "", "zone of GitLab's machines")
	f.StringVar(&o.Image, "image", "", "image that jobs run in, by digest")
	f.StringVar(&o.BuildKitImage, "buildkit-image", "", "rootless BuildKit that stands beside each job, by digest")
	f.StringVar(&o.BuildKit, "buildkit", "", "address of a BuildKit that is there already, with {arch} for its architecture")
	f.StringArrayVar(&o.machines, "machines", nil, "machine families in order of preference, `ARCH=FAMILY,...`; may be repeated (default: amd64=n2d,n2 and arm64=c4a,t2a)")
	f.IntVar(&o.Most, "most", 8, "machines of a class at once")
	app.Values(cmd, "forge", pipeline.GitHub, pipeline.GitLab)
	return cmd
}

func (o *runnersOptions) run(ctx context.Context, a *app.App) (err error) {
	for _, given := range o.machines {
		arch, families, _ := strings.Cut(given, "=")
		if _, known := o.Families[arch]; !known || families == "" {
			return app.Fail(app.ExitUsage, fmt.Errorf("invalid --machines %q: expected amd64= or arm64= and the names of families", given))
		}
		o.Families[arch] = strings.Split(families, ",")
	}
	s, err := planning.Load(ctx, a, planning.Options{To: history.WorktreeRef})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	set := &s.Now.Fleet.Settings
	forges := set.Forges
	if o.forge != "" {
		if forges, err = oneOf("--forge", o.forge, pipeline.GitHub, pipeline.GitLab); err != nil {
			return err
		}
	}
	files, err := render.Runners(set, forges, o.RunnersOptions)
	if err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	out := o.out
	if !filepath.IsAbs(out) {
		out = filepath.Join(s.Repo.Root(), out)
	}
	root, err := openOut(s.Repo.Root(), out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return o.write(a, root, files)
}

func (o *runnersOptions) write(a *app.App, root *os.Root, files render.Files) error {
	written := slices.Sorted(maps.Keys(files))
	for _, name := range written {
		path := filepath.FromSlash(name)
		if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing the machines: %w", err)
		}
		if err := root.WriteFile(path, files[name], 0o644); err != nil {
			return fmt.Errorf("writing the machines: %w", err)
		}
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "files": append([]string{}, written...)})
	}
	if len(written) == 0 {
		a.Log.Info("every class of machines is the forge's own: there is nothing to set up")
	}
	for _, name := range written {
		if _, err := fmt.Fprintln(a.Out, "wrote "+filepath.ToSlash(filepath.Join(o.out, name))); err != nil {
			return err
		}
	}
	return nil
}
