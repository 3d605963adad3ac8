// Package locking looks at the world outside a repository and writes down
// what it found: images.lock, and a desk's own lock beside it.
package locking

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// RuleBasePlatform is an outside base that is not there for a platform of the
// image that is built from it.
const RuleBasePlatform = "base-platform"

// RuleBaseAbsent is an outside base that its registry does not have.
const RuleBaseAbsent = "base-absent"

// parallel bounds how many questions are asked at a time.
const parallel = 4

// Locker asks the world.
type Locker struct {
	Registry *registry.Client
	Cache    string // folder of package lists and packages
	Update   bool   // ask for everything anew, not only for what old lacks
}

// base is one outside base and who wants it.
type base struct {
	repository string
	platforms  map[string]diag.Pos // where it stands; a frontend is wanted for every platform that it has
	pos        diag.Pos
	frontend   bool
}

// Lock returns what the fleet needs of the world: what old has of it, and the
// rest as it is now. What old has beyond that is left out. Mistakes of the
// fleet, such as a base that is not there for a platform, are in the list.
func (l Locker) Lock(ctx context.Context, fleet *model.Fleet, g *graph.Graph, old model.Lock) (model.Lock, diag.List, error) {
	if l.Update {
		old = model.Lock{}
	}
	now := model.Lock{Bases: map[string]model.LockedBase{}, Debian: map[string]model.LockedSuite{}}
	list, err := l.bases(ctx, wantedBases(g), old, now.Bases)
	if err != nil {
		return model.Lock{}, nil, err
	}
	if err := l.debian(ctx, fleet, old, now.Debian); err != nil {
		return model.Lock{}, nil, err
	}
	return now, list.Sorted(), nil
}

// wantedBases are the outside bases of all targets, by normalised reference.
func wantedBases(g *graph.Graph) map[string]*base {
	wanted := map[string]*base{}
	add := func(b graph.Base, frontend bool) {
		w := wanted[b.Normalized]
		if w == nil {
			w = &base{repository: b.Repository, platforms: map[string]diag.Pos{}, pos: b.Pos, frontend: frontend}
			wanted[b.Normalized] = w
		}
		w.frontend = w.frontend && frontend
		if _, seen := w.platforms[b.Platform]; !seen && b.Platform != "" {
			w.platforms[b.Platform] = b.Pos
		}
	}
	for _, id := range g.Targets() {
		n, _ := g.Node(id)
		for _, b := range n.Bases {
			add(b, false)
		}
		if n.Syntax != nil {
			add(*n.Syntax, true)
		}
	}
	return wanted
}

func (l Locker) bases(ctx context.Context, wanted map[string]*base, old model.Lock, now map[string]model.LockedBase) (diag.List, error) {
	refs := slices.Sorted(maps.Keys(wanted))
	found := make([]model.LockedBase, len(refs))
	lists := make([]diag.List, len(refs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, ref := range refs {
		if locked, ok := complete(old.Bases[ref], wanted[ref]); ok {
			found[i] = locked
			continue
		}
		g.Go(func() (err error) {
			found[i], lists[i], err = l.base(gctx, ref, wanted[ref])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list diag.List
	for i, ref := range refs {
		now[ref] = found[i]
		list = append(list, lists[i]...)
	}
	return list, nil
}

// complete tells whether the lock has everything that is wanted of a base, and
// returns that alone.
func complete(locked model.LockedBase, w *base) (model.LockedBase, bool) {
	if !locked.Digest.Valid() {
		return locked, false
	}
	if w.frontend {
		return locked, true
	}
	out := model.LockedBase{Digest: locked.Digest, Platforms: map[string]model.LockedVariant{}}
	for p := range w.platforms {
		v, found := locked.Platforms[p]
		if !found {
			return locked, false
		}
		out.Platforms[p] = v
	}
	return out, true
}

// base asks a registry for one base, with all platforms that are wanted of it:
// half an index would fail a build later, on a machine that nobody watches.
func (l Locker) base(ctx context.Context, ref string, w *base) (model.LockedBase, diag.List, error) {
	var list diag.List
	tag := strings.TrimLeft(strings.TrimPrefix(ref, w.repository), ":@")
	if _, digest, found := strings.Cut(ref, "@"); found {
		tag = digest
	}
	raw, d, err := l.Registry.Manifest(ctx, w.repository, cmp.Or(tag, "latest"))
	if errors.Is(err, registry.ErrAbsent) {
		list.Errorf(RuleBaseAbsent, w.pos, "correct the reference, or log in to the registry", "there is no image %s", ref)
		return model.LockedBase{}, list, nil
	}
	if err != nil {
		return model.LockedBase{}, nil, fmt.Errorf("locking %s: %w", ref, err)
	}
	locked := model.LockedBase{Digest: d.Digest, Platforms: map[string]model.LockedVariant{}}
	if w.frontend {
		return locked, nil, nil
	}
	manifests, err := l.manifests(ctx, w.repository, raw, d)
	if err != nil {
		return model.LockedBase{}, nil, fmt.Errorf("locking %s: %w", ref, err)
	}
	for _, p := range slices.Sorted(maps.Keys(w.platforms)) {
		digest, found := manifests[p]
		if !found {
			list.Errorf(RuleBasePlatform, w.platforms[p], "choose another base, or leave the platform out of the image's arch",
				"%s is not there for %s: it has %s", ref, p, strings.Join(slices.Sorted(maps.Keys(manifests)), ", "))
			continue
		}
		config, err := l.Registry.Config(ctx, w.repository, digest)
		if err != nil {
			return model.LockedBase{}, nil, fmt.Errorf("locking %s for %s: %w", ref, p, err)
		}
		locked.Platforms[p] = model.LockedVariant{Digest: digest, Config: model.BaseConfig{
			Env: config.Config.Env, WorkingDir: config.Config.WorkingDir, User: config.Config.User, OnBuild: config.Config.OnBuild,
		}}
	}
	return locked, list, nil
}

// manifests are the manifests of an index by platform, or the one that there
// is.
func (l Locker) manifests(ctx context.Context, repo string, raw []byte, d registry.Descriptor) (map[string]model.Digest, error) {
	out := map[string]model.Digest{}
	if !d.IsIndex() {
		config, err := l.Registry.Config(ctx, repo, d.Digest)
		if err != nil {
			return nil, err
		}
		out[config.OS+"/"+config.Architecture] = d.Digest
		return out, nil
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	for _, m := range index.Manifests {
		digest := model.Digest(m.Digest.String())
		if m.Platform == nil || !m.MediaType.IsImage() || !digest.Valid() {
			continue
		}
		p := m.Platform.OS + "/" + m.Platform.Architecture
		// Of several variants the first is what a builder takes, but for arm64,
		// where v8 is the plain one.
		if _, seen := out[p]; !seen || m.Platform.Variant == "" {
			out[p] = digest
		}
	}
	return out, nil
}
