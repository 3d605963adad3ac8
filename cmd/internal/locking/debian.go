package locking

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
)

// archive is the value of refresh that makes a suite's state an input.
const archive = "archive"

// suite is one Debian suite and who needs it.
type suite struct {
	debian  model.Debian // whose archive tells the suite's state
	targets []target
}

// target is one image from packages, for one platform.
type target struct {
	id     model.TargetID
	debian model.Debian
}

// wantedSuites are the suites of all images. A suite's state is that of
// Debian's own archive, where any image takes it from there.
func wantedSuites(fleet *model.Fleet) map[string]*suite {
	wanted := map[string]*suite{}
	get := func(d model.Debian) *suite {
		s := wanted[d.Suite]
		if s == nil {
			s = &suite{debian: d}
			wanted[d.Suite] = s
		}
		if d.Mirror == "" && d.Snapshot == "" {
			s.debian = d
		}
		return s
	}
	for i := range fleet.Images {
		image := &fleet.Images[i]
		switch {
		case image.Builder == model.BuilderDebian:
			s := get(image.Debian)
			for _, id := range image.Targets() {
				s.targets = append(s.targets, target{id, image.Debian})
			}
		case image.Refresh == archive:
			get(model.Debian{Suite: image.Debian.Suite})
		}
	}
	return wanted
}

// current tells whether locked packages can be those of d: what was asked for
// since then is in them.
func current(locked map[string]string, d model.Debian) bool {
	if len(locked) == 0 {
		return false
	}
	return !slices.ContainsFunc(d.Packages, func(p string) bool { _, found := locked[p]; return !found })
}

func (l Locker) debian(ctx context.Context, fleet *model.Fleet, old model.Lock, now map[string]model.LockedSuite) error {
	wanted := wantedSuites(fleet)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		locked, err := l.suite(ctx, wanted[name], old.Debian[name])
		if err != nil {
			return err
		}
		now[name] = locked
	}
	return nil
}

// suite locks one suite. Its state moves when any of its targets does, so that
// it names a moment at which their packages were there.
func (l Locker) suite(ctx context.Context, s *suite, old model.LockedSuite) (model.LockedSuite, error) {
	out := model.LockedSuite{InRelease: old.InRelease, Images: map[string]map[string]string{}}
	var missing []target
	for _, t := range s.targets {
		key := model.DebianLockKey(t.id)
		if locked := old.Images[key]; current(locked, t.debian) {
			out.Images[key] = locked
			continue
		}
		missing = append(missing, t)
	}
	if len(missing) > 0 || !out.InRelease.Valid() {
		state, err := debian.InRelease(ctx, l.Cache, s.debian)
		if err != nil {
			return out, err
		}
		out.InRelease = state
	}
	resolved, err := resolve(ctx, l.Cache, missing)
	if err != nil {
		return out, err
	}
	for i, t := range missing {
		out.Images[model.DebianLockKey(t.id)] = resolved[i].Packages
	}
	return out, nil
}

// resolve asks for the packages of each target, several at a time.
func resolve(ctx context.Context, cache string, targets []target) ([]*debian.Resolved, error) {
	out := make([]*debian.Resolved, len(targets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, t := range targets {
		g.Go(func() (err error) {
			out[i], err = debian.Resolve(ctx, cache, t.debian, t.id.Platform)
			return err
		})
	}
	return out, g.Wait()
}
