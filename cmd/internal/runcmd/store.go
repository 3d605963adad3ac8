package runcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// storeHelp describes the flag --store, which manifest, promote and run share.
const storeHelp = "where the channel documents are: git, git:BRANCH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:FOLDER (default: that of the settings in CI, else file:" + deskStore + ")"

// deskStore is where a desk keeps its channels: beside its registry.
const deskStore = ".cache/channels"

// openStore opens the store that was named, or the default one: in CI that of
// the settings. scope says as whom it is written, where a job may be several.
func openStore(a *app.App, spec string, set model.Settings, scope string) (channel.Store, error) {
	root, err := a.Root()
	if err != nil {
		return nil, err
	}
	if spec == "" && a.CI() {
		spec = cmp.Or(set.Channels.Store, "git")
	}
	switch {
	case spec == "git" && set.ChannelBranch != "":
		spec += ":" + set.ChannelBranch
	case spec == "":
		spec = "file:" + filepath.FromSlash(deskStore)
	}
	o := channel.Options{Dir: root, Token: a.Env("ROOTFSGEN_PUSH_TOKEN"), Getenv: a.Env, Google: &login.Google{Scope: scope}}
	if forge.OriginOf(a.Env).Forge == forge.GitLab {
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
	shared := false
	switch s := s.(type) {
	case *channel.Git:
		shared = s.Shared(ctx)
	case *channel.Bucket:
		shared = true
	}
	if p.To.Commit != "" || !shared {
		return nil
	}
	return app.Fail(app.ExitUsage, fmt.Errorf("the plan is of uncommitted work, and others read %s\n"+
		"hint: commit first, or name another place with --store file:FOLDER", s))
}
