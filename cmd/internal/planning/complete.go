package planning

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// CompleteImages offers a shell the images of the work tree, without those
// that the command has already: by their names, and once a colon was typed
// with their tags. Where the fleet cannot be read it offers nothing: a shell
// that completes has no place for mistakes.
func CompleteImages(a *app.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		images, err := imagesOf(cmd.Context(), a)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []cobra.Completion
		for i := range images {
			name := images[i].ID
			if strings.Contains(typed, ":") {
				name += ":" + images[i].Node().Tag
			}
			if strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
				offers = append(offers, cobra.CompletionWithDesc(name, images[i].Label))
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompletePlatforms offers a shell the values of --platform.
func CompletePlatforms(cmd *cobra.Command) {
	app.Values(cmd, "platform", model.LinuxAMD64.String(), model.LinuxARM64.String())
}

// imagesOf loads what image.yaml and the settings say, and nothing else.
func imagesOf(ctx context.Context, a *app.App) (_ []model.Image, err error) {
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	_, tree, err := repo.Worktree(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{Repo: repo, app: a}
	if err := s.findConfig(tree); err != nil {
		return nil, err
	}
	described, _ := written(tree.Entries())
	if err := repo.Prefetch(ctx, described); err != nil {
		return nil, err
	}
	fleet, _, err := source.Load(ctx, tree, source.Options{Config: s.config, ConfigData: s.configData})
	if err != nil {
		return nil, err
	}
	return fleet.Images, nil
}
