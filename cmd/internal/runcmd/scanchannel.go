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
	if err := at.openAnyhow(ctx, a); err != nil { // prod is judged every day, whatever the work tree is like
		return err
	}
	prefix := at.registry
	if o.channel == model.ScopeProd && at.prod != "" { // without a registry of prod its images stay where they are
		prefix = at.prod
	}
	if inert(a, prefix) {
		return nil
	}
	requests, err := o.named(ctx, &at, prefix)
	if err != nil {
		return unknown(ctx, o.channel, err)
	}
	if len(requests) == 0 {
		a.Log.Info(o.channel + " names no images of ours: nothing is promoted yet, and nothing is scanned")
		if a.JSON {
			return printScans(a, nil, nil)
		}
		return nil
	}
	c := at.client(a, model.ScopeRead)
	o.readOnly, o.anew = true, at.anew(c)
	s, end, err := o.step(ctx, a, c, at.policy, requests)
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

// named are the platforms of the images that a channel names.
func (o *searching) named(ctx context.Context, at *channels, prefix string) ([]scan.Request, error) {
	d, err := documentOf(ctx, at.opened, o.channel)
	if err != nil {
		return nil, err
	}
	return channelRequests(d, prefix)
}

// unknown is a channel of which nobody can say what it names: that is no clean
// scan, and trying again may help.
func unknown(ctx context.Context, channel string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return app.Fail(app.ExitIncomplete, fmt.Errorf("nobody can say what %s names: %w", channel, err))
}

// channelRequests are the platforms of the images that a document names. One
// without a repository, a fixed reference of somebody else's, is left out:
// nothing of ours runs there.
func channelRequests(d *manifest.Document, prefix string) ([]scan.Request, error) {
	var requests []scan.Request
	for n := range d.Images {
		i := &d.Images[n]
		if i.Repository == "" {
			continue
		}
		if len(i.Platforms) == 0 {
			return nil, fmt.Errorf("reading the channel: %s has no digests", i.ID)
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
