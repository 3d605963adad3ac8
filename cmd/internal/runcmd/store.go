package runcmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
)

// storeHelp describes the flag --store, which manifest, promote and run share.
const storeHelp = "where the channel documents are: git, git:BRANCH or file:FOLDER (default: git in CI, else file:" + deskStore + ")"

// deskStore is where a desk keeps its channels: beside its registry.
const deskStore = ".cache/channels"

// openStore opens the store that was named, or the default one. branch is the
// settings' channel branch.
func openStore(a *app.App, spec, branch string) (channel.Store, error) {
	root, err := a.Root()
	if err != nil {
		return nil, err
	}
	switch {
	case spec == "" && a.CI(), spec == "git":
		spec = "git"
		if branch != "" {
			spec += ":" + branch
		}
	case spec == "":
		spec = "file:" + filepath.FromSlash(deskStore)
	}
	o := channel.Options{Dir: root, Token: a.Env("ROOTFSGEN_PUSH_TOKEN")}
	if a.Env("GITLAB_CI") != "" {
		o.User = "gitlab-ci-token" // what GitLab wants for its job tokens, and accepts for any other
	}
	s, err := channel.Open(spec, o)
	if err != nil {
		return nil, app.Fail(app.ExitUsage, fmt.Errorf("--store: %w", err))
	}
	return s, nil
}

// settings reads the fleet's settings.
func settings(ctx context.Context, a *app.App, o planning.Options) (set model.Settings, err error) {
	s, err := planning.Load(ctx, a, o)
	if err != nil {
		return model.Settings{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Now.Fleet.Settings, nil
}

// committed keeps what was never committed out of a channel that others read.
func committed(ctx context.Context, s channel.Store, p *model.Plan) error {
	g, isGit := s.(*channel.Git)
	if !isGit || p.To.Commit != "" || !g.Shared(ctx) {
		return nil
	}
	return app.Fail(app.ExitUsage, fmt.Errorf("the plan is of uncommitted work, and others read %s\n"+
		"hint: commit first, or name another place with --store file:FOLDER", s))
}
