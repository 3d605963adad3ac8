package locking

import (
	"context"
	"errors"
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
	users   []model.TargetID // the targets, and those of which the state is an input
}

// target is one image from packages, for one platform.
type target struct {
	id     model.TargetID
	name   string // in images.lock
	debian model.Debian
}

func newTarget(fleet *model.Fleet, id model.TargetID, d model.Debian) target {
	return target{id: id, name: model.DebianLockKey(id, len(fleet.Tags(id.Image)) > 1), debian: d}
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
				s.targets = append(s.targets, newTarget(fleet, id, image.Debian))
				s.users = append(s.users, id)
			}
		case image.Refresh == archive:
			s := get(model.Debian{Suite: image.Debian.Suite})
			s.users = append(s.users, image.Targets()...)
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
	var errs []error
	wanted := wantedSuites(fleet)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		locked, err := l.suite(ctx, wanted[name], old.Debian[name])
		if err != nil {
			errs = append(errs, err)
		}
		if locked.InRelease.Valid() {
			now[name] = locked
		}
	}
	return errors.Join(errs...)
}

// suite locks one suite. Its state moves when any of its targets does, so that
// it names a moment at which their packages were there. With an error it is
// what old has of it.
func (l Locker) suite(ctx context.Context, s *suite, old model.LockedSuite) (model.LockedSuite, error) {
	kept, missing := s.current(old)
	anew := l.anew("", s.users...)
	if anew {
		missing = slices.DeleteFunc(slices.Clone(s.targets), func(t target) bool {
			return kept.Images[t.name] != nil && !l.anew("", t.id)
		})
	}
	if len(missing) == 0 && kept.InRelease.Valid() && !anew {
		return kept, nil
	}
	state, err := debian.InRelease(ctx, l.Cache, s.debian)
	if err != nil {
		return kept, err
	}
	resolved, err := resolve(ctx, l.Cache, missing)
	if err != nil {
		return kept, err
	}
	out := model.LockedSuite{InRelease: state, Images: maps.Clone(kept.Images)}
	for i, t := range missing {
		out.Images[t.name] = resolved[i].Packages
	}
	return out, nil
}

// current is what old has of the suite that is still wanted, and what it
// lacks.
func (s *suite) current(old model.LockedSuite) (kept model.LockedSuite, missing []target) {
	kept = model.LockedSuite{InRelease: old.InRelease, Images: map[string]map[string]string{}}
	for _, t := range s.targets {
		if locked := old.Images[t.name]; current(locked, t.debian) {
			kept.Images[t.name] = locked
			continue
		}
		missing = append(missing, t)
	}
	return kept, missing
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
