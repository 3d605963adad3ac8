package promote

import (
	"context"
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// Settle takes the floating tags of prod from digests that were withdrawn, to
// the highest version that prod has, or ever had, and that was not. Tags for
// which there is none stay where they are, and are returned, as references:
// somebody has to remove them.
func (s Step) Settle(ctx context.Context, withdrawn []model.Digest) (left []string, err error) {
	if s.Prod == "" {
		return nil, nil
	}
	h, err := s.history(ctx)
	if err != nil {
		return nil, err
	}
	gone := func(e manifest.Image) bool {
		return slices.Contains(withdrawn, model.Digest(e.Digest)) || slices.ContainsFunc(slices.Collect(maps.Values(e.Platforms)), func(d model.Digest) bool {
			return slices.Contains(withdrawn, d)
		})
	}
	var standing, past []manifest.Image
	for _, v := range h.versions {
		d, err := h.at(ctx, v)
		if err != nil {
			return nil, err
		}
		for _, e := range d.Images {
			if e.Image != s.target(e)+":"+e.VersionTag {
				continue
			}
			if gone(e) {
				past = append(past, e)
			} else {
				standing = append(standing, e)
			}
		}
	}
	now, err := s.document(ctx, channel.Prod)
	if err != nil {
		return nil, err
	}
	if err := s.float(ctx, now, nil, withdrawn); err != nil {
		return nil, err
	}
	if standing, err = s.unmarked(ctx, standing); err != nil {
		return nil, err
	}
	return s.takeFrom(ctx, withdrawn, wanted(past), wanted(standing))
}

// unmarked are the images of which nothing was withdrawn at another time.
func (s Step) unmarked(ctx context.Context, images []manifest.Image) ([]manifest.Image, error) {
	s = s.inProd()
	read := make([]*verified, len(images))
	for n, e := range images {
		read[n] = listed(e, s.target(e))
	}
	gone, err := s.withdrawn(ctx, read)
	if err != nil {
		return nil, err
	}
	var out []manifest.Image
	for n, e := range images {
		if len(gone[n]) == 0 {
			out = append(out, e)
		}
	}
	return out, nil
}

// takeFrom moves the tags that are still at a withdrawn digest.
func (s Step) takeFrom(ctx context.Context, withdrawn []model.Digest, past, standing map[string]map[string]manifest.Image) (left []string, err error) {
	for _, repository := range slices.Sorted(maps.Keys(past)) {
		repo := s.Prod + "/" + repository
		for _, alias := range slices.Sorted(maps.Keys(past[repository])) {
			held, found, err := s.Registry.Resolve(ctx, repo, alias)
			if err != nil {
				return nil, err
			}
			if !found || !slices.Contains(withdrawn, held.Digest) {
				continue
			}
			next, is := standing[repository][alias]
			if !is {
				left = append(left, repo+":"+alias)
				continue
			}
			if err := s.Registry.MoveTag(ctx, repo, model.Digest(next.Digest), alias); err != nil {
				return nil, err
			}
		}
	}
	return left, nil
}
