package runcmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// scanChannel scans what a channel's document names, by what the registry has
// under each digest, and keeps nothing in the registry: whoever looks need not
// be who may write there.
func (o *searching) scanChannel(ctx context.Context, a *app.App) (err error) {
	if o.channel != model.ScopeProd && o.channel != model.ScopeTesting {
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --channel %q: expected %s or %s", o.channel, model.ScopeTesting, model.ScopeProd))
	}
	var at channels
	at.store = o.store
	if err := at.open(ctx, a); err != nil {
		return err
	}
	prefix := at.registry
	if o.channel == model.ScopeProd && at.prod != "" { // without a registry of prod its images stay where they are
		prefix = at.prod
	}
	if inert(a, prefix) {
		return nil
	}
	d, err := documentOf(ctx, at.opened, o.channel)
	if err != nil {
		return err
	}
	requests, err := channelRequests(d, prefix)
	if err != nil {
		return err
	}
	o.readOnly = true
	s, end, err := o.step(ctx, a, at.client(a, model.ScopeRead), at.policy, requests)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	scans, err := s.Run(ctx, requests)
	if err != nil {
		return err
	}
	return printScans(a, scans, func(t model.TargetID) string { return t.Image })
}

// channelRequests are the platforms of the images that a document names. One
// whose digests it does not know, a fixed reference of somebody else's, is left
// out: nothing of ours runs there.
func channelRequests(d *manifest.Document, prefix string) ([]scan.Request, error) {
	var requests []scan.Request
	for n := range d.Images {
		i := &d.Images[n]
		if i.Repository == "" || len(i.Platforms) == 0 {
			continue
		}
		target, err := targetOf(i)
		if err := errors.Join(err, model.CheckRepository(i.Repository)); err != nil {
			return nil, fmt.Errorf("reading the channel: %w", err)
		}
		for _, name := range slices.Sorted(maps.Keys(i.Platforms)) {
			p, err := model.ParsePlatform(name)
			if err == nil && !i.Platforms[name].Valid() {
				err = fmt.Errorf("%s has no digest", i.ID)
			}
			if err != nil {
				return nil, fmt.Errorf("reading the channel: %w", err)
			}
			target.Platform = p
			requests = append(requests, scan.Request{Repo: prefix + "/" + i.Repository, Target: target, Digest: i.Platforms[name]})
		}
	}
	return requests, nil
}

// targetOf is what an entry of a document is of: its id is the image's name,
// and has tag and variant behind it where the image has several.
func targetOf(i *manifest.Image) (model.TargetID, error) {
	name, tag, several := strings.Cut(i.ID, ":")
	tag, variant, variants := strings.Cut(tag, ":")
	t := model.TargetID{Image: name, Tag: tag, Variant: variant}
	if !several {
		t.Tag = i.ComponentVersion
	}
	err := model.CheckImageName(name)
	if several {
		err = errors.Join(err, model.CheckTag(tag))
	}
	if variants {
		err = errors.Join(err, model.CheckTag(variant))
	}
	return t, err
}
