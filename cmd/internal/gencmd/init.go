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
	"github.com/rootfsgen/rootfsgen/cmd/internal/proposal"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// initOptions are the flags of init, and what is known without any.
type initOptions struct {
	policy  bool   // scan-policy.yaml is written, too
	noLock  bool   // images.lock is not
	url     string // address of the release's files; empty is the default one
	release string // that this program is of; empty for any other build
}

// initCommand writes the first rootfsgen.yaml.
func initCommand(a *app.App) *cobra.Command {
	o := initOptions{release: app.Released()}
	cmd := &cobra.Command{
		Use: "init", Short: "Write rootfsgen.yaml and images.lock for the images that are there",
		Long: `Write rootfsgen.yaml for the images that are there: which folders are images, how they are called, and what the
references between their Dockerfiles mean, as far as the tree says it. What was understood is printed, and what was
not: build files that were left out, arguments of FROMs without a value, references that look like an image of this
repository and are none. In a repository without images a first one is written too. What is there is never
overwritten.

A released program pins its own release in rootfsgen.yaml, by version and SHA-256, so that jobs have the programs
on any machine: as "rootfsgen lock --programs" does, from where releases lie, or from --programs-url. images.lock is
written, too, as "rootfsgen lock" does, unless --no-lock is given. What cannot be reached is a warning, and printed
as a command for later.

With --scan-policy scan-policy.yaml is written, too, with the default that holds without it. Where rootfsgen.yaml is
there already, it is all that is written.`,
		Example: "  rootfsgen init\n  rootfsgen init -C ../fleet --json\n  rootfsgen init --no-lock\n  rootfsgen init --scan-policy",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd.Context(), a, o) },
	}
	cmd.Flags().BoolVar(&o.policy, "scan-policy", false, "write scan-policy.yaml, too: what blocks a promotion")
	cmd.Flags().BoolVar(&o.noLock, "no-lock", false, "ask no registry, and write no images.lock")
	cmd.Flags().StringVar(&o.url, "programs-url", "", "where the files of this program's release lie, with {version}, {program}, {os} and {arch}")
	return cmd
}

// check refuses an address that nothing would be fetched from.
func (o *initOptions) check() error {
	switch {
	case o.url == "":
		return nil
	case o.release == "":
		return app.Fail(app.ExitUsage, fmt.Errorf("--programs-url: this program (%s) is no release that could be pinned: leave it out, and afterwards name one with rootfsgen lock --programs VERSION --url ADDRESS", app.Version()))
	}
	if err := model.CheckProgramsURL(o.url); err != nil {
		return app.Fail(app.ExitUsage, fmt.Errorf("--programs-url: %w", err))
	}
	return nil
}

func runInit(ctx context.Context, a *app.App, o initOptions) (err error) {
	if a.Config != "" && a.Config != source.DefaultConfig {
		return app.Fail(app.ExitUsage, fmt.Errorf("init writes %s in the root of the repository: leave out --config", source.DefaultConfig))
	}
	if err := o.check(); err != nil {
		return err
	}
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	if _, err := os.Lstat(filepath.Join(repo.Root(), source.DefaultConfig)); err == nil {
		if o.policy {
			return initPolicy(a, repo.Root())
		}
		return fmt.Errorf("%s is there already: `rootfsgen validate` checks it", source.DefaultConfig)
	}
	_, tree, err := repo.Worktree(ctx)
	if err != nil {
		return err
	}
	p, err := proposal.Make(ctx, tree)
	if err != nil {
		return fmt.Errorf("looking for images: %w", err)
	}
	b := &begun{Proposal: p}
	if err := b.pin(ctx, a, o); err != nil {
		return err
	}
	if o.policy {
		p.Files[policy.File] = policy.First()
	}
	if b.written, err = writeNew(repo.Root(), p.Files); err != nil {
		return err
	}
	if !a.JSON {
		if err := printProposal(a, b); err != nil {
			return err
		}
	}
	if err := b.lock(ctx, a, o, repo); err != nil {
		return err
	}
	site(ctx, a, repo.Root())
	b.rest(o)
	if a.JSON {
		return printProposalJSON(a, b)
	}
	printLeft(a, b)
	return nil
}

// initPolicy writes the policy alone.
func initPolicy(a *app.App, root string) error {
	written, err := writeNew(root, map[string][]byte{policy.File: policy.First()})
	if err != nil {
		return err
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"written": written})
	}
	fmt.Fprintln(a.Err, "wrote", policy.File)
	return nil
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
			why := ", though git ignores it: move it away"
			if name == policy.File {
				why = ": `rootfsgen validate` checks it"
			}
			return nil, fmt.Errorf("%s is there already%s", name, why)
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
