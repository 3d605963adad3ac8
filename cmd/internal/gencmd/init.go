package gencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// initCommand writes the first rootfsgen.yaml.
func initCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Write rootfsgen.yaml for the images that are there",
		Long: `Write rootfsgen.yaml for the images that are there, and print which folders were taken for images, under which
names, and which were not. In a repository without images a first one is written too. What is there is never
overwritten.`,
		Example: "  rootfsgen init\n  rootfsgen init -C ../fleet --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd.Context(), a) },
	}
}

func runInit(ctx context.Context, a *app.App) (err error) {
	if a.Config != "" && a.Config != source.DefaultConfig {
		return app.Fail(app.ExitUsage, fmt.Errorf("init writes %s in the root of the repository: leave out --config", source.DefaultConfig))
	}
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	if _, err := os.Lstat(filepath.Join(repo.Root(), source.DefaultConfig)); err == nil {
		return fmt.Errorf("%s is there already: `rootfsgen validate` checks it", source.DefaultConfig)
	}
	_, tree, err := repo.Worktree(ctx)
	if err != nil {
		return err
	}
	p, err := source.Init(ctx, tree)
	if err != nil {
		return fmt.Errorf("looking for images: %w", err)
	}
	written, err := writeNew(repo.Root(), p.Files)
	if err != nil {
		return err
	}
	if a.JSON {
		return printProposalJSON(a, p, written)
	}
	return printProposal(a, p, written)
}

// writeNew writes files that must not be there yet; it returns their paths.
func writeNew(root string, files map[string][]byte) ([]string, error) {
	written := slices.Sorted(maps.Keys(files))
	for _, name := range written {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s is there already, though git ignores it: move it away", name)
		}
		if err != nil {
			return nil, err
		}
		_, err = f.Write(files[name])
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return written, nil
}

func buildFile(i *model.Image) string {
	if i.Builder == model.BuilderDebian {
		return "(debian packages)"
	}
	return i.Dockerfile
}

func printProposal(a *app.App, p *source.Proposal, written []string) error {
	for _, name := range written {
		fmt.Fprintln(a.Err, "wrote", name)
	}
	table := term.NewTable("IMAGE", "REPOSITORY", "BUILT FROM")
	for i := range p.Images {
		table.Row(p.Images[i].ID, p.Images[i].ImageName, buildFile(&p.Images[i]))
	}
	if err := table.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	if len(p.LeftOut) > 0 {
		fmt.Fprintln(a.Err, "not taken for images:")
		for _, l := range p.LeftOut {
			fmt.Fprintf(a.Err, "  %s: %s\n", l.Path, l.Why)
		}
	}
	if len(p.Problems) > 0 {
		a.PrintDiagnostics(p.Problems)
	}
	fmt.Fprintln(a.Err, "next: set registry in rootfsgen.yaml, then rootfsgen validate")
	return nil
}

func printProposalJSON(a *app.App, p *source.Proposal, written []string) error {
	type image struct {
		ID         string `json:"id"`
		Dir        string `json:"dir"`
		Repository string `json:"repository"`
		Builder    string `json:"builder"`
		Dockerfile string `json:"dockerfile,omitempty"`
	}
	out := struct {
		Written  []string         `json:"written"`
		Images   []image          `json:"images"`
		LeftOut  []source.LeftOut `json:"left_out"`
		Problems diag.List        `json:"problems"`
	}{Written: written, Images: []image{}, LeftOut: append([]source.LeftOut{}, p.LeftOut...), Problems: append(diag.List{}, p.Problems...)}
	for _, i := range p.Images {
		out.Images = append(out.Images, image{ID: i.ID, Dir: i.Dir, Repository: i.ImageName, Builder: i.Builder, Dockerfile: i.Dockerfile})
	}
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
