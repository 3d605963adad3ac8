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
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// The rules of outside bases that cannot be locked.
const (
	RuleBasePlatform   = "base-platform"   // it is not there for a platform of the image that is built from it
	RuleBaseAbsent     = "base-absent"     // its registry does not have it, or does not show it
	RuleBaseIncomplete = "base-incomplete" // its index names a manifest that its registry does not have
)

// parallel bounds how many questions are asked at a time.
const parallel = 4

// Locker asks the world.
type Locker struct {
	Registry *registry.Client
	Cache    string  // folder of package lists and packages
	Mirrors  Mirrors // where images are looked for before their own registry
	Update   bool    // ask for what old has, too
	// Debounce is how long before Now a base must have been made to replace the
	// locked one; 0 is not at all. See fresh.
	Debounce time.Duration
	// Backoff and Quarantine say what becomes of updates that Failed knows of,
	// by reference; see spared. 0 is nothing.
	Backoff    time.Duration
	Quarantine int
	Failed     map[string]model.FailedBase
	Now        time.Time
	// Only are the references and the targets that Update means; nil means
	// all.
	Only func(ref string, t model.TargetID) bool
}

// base is one outside base and who wants it.
type base struct {
	repository string
	platforms  map[string]diag.Pos // where it stands; a frontend is wanted for every platform that it has
	users      []model.TargetID
	pos        diag.Pos
	frontend   bool
}

// Lock returns what the fleet needs of the world: what old has of it, and the
// rest as it is now. What old has beyond that is left out. Of a base that is
// not complete, of which the list says why, and of what could not be asked
// for, which is the error, it keeps what old has; nothing else is held up by
// that, so the lock is to be written in any case. Where what is kept will do,
// and the base was not named, the list only warns.
func (l Locker) Lock(ctx context.Context, fleet *model.Fleet, g *graph.Graph, old model.Lock) (model.Lock, diag.List, error) {
	now := model.Lock{Bases: map[string]model.LockedBase{}, Debian: map[string]model.LockedSuite{}}
	wanted, moved := wantedBases(g), map[string]model.Digest{}
	list, err := l.bases(ctx, wanted, old, now.Bases, moved)
	now.Failed = l.remembered(wanted, old, moved)
	if ctx.Err() != nil {
		return old, nil, context.Cause(ctx)
	}
	return now, list.Sorted(), errors.Join(err, l.debian(ctx, fleet, old, now.Debian))
}

// anew tells whether what is locked is to be asked for again.
func (l Locker) anew(ref string, users ...model.TargetID) bool {
	if !l.Update || l.Only == nil {
		return l.Update
	}
	return l.Only(ref, model.TargetID{}) || slices.ContainsFunc(users, func(t model.TargetID) bool { return l.Only("", t) })
}

// wantedBases are the outside bases of all targets, by normalised reference.
func wantedBases(g *graph.Graph) map[string]*base {
	wanted := map[string]*base{}
	add := func(b graph.Base, user model.TargetID, frontend bool) {
		w := wanted[b.Normalized]
		if w == nil {
			w = &base{repository: b.Repository, platforms: map[string]diag.Pos{}, pos: b.Pos, frontend: frontend}
			wanted[b.Normalized] = w
		}
		w.frontend = w.frontend && frontend
		w.users = append(w.users, user)
		if _, seen := w.platforms[b.Platform]; !seen && b.Platform != "" {
			w.platforms[b.Platform] = b.Pos
		}
	}
	for _, id := range g.Targets() {
		n, _ := g.Node(id)
		for _, b := range n.Bases {
			add(b, id, false)
		}
		if n.Syntax != nil {
			add(*n.Syntax, id, true)
		}
	}
	return wanted
}

func (l Locker) bases(ctx context.Context, wanted map[string]*base, old model.Lock, now map[string]model.LockedBase, moved map[string]model.Digest) (diag.List, error) {
	refs := slices.Sorted(maps.Keys(wanted))
	found := make([]model.LockedBase, len(refs))
	lists := make([]diag.List, len(refs))
	errs := make([]error, len(refs))
	newest := make([]model.Digest, len(refs)) // of what was asked for, and is whole
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, ref := range refs {
		w := wanted[ref]
		anew := l.anew(ref, w.users...)
		locked, whole := complete(old.Bases[ref], w)
		if whole && !anew {
			found[i] = locked
			continue
		}
		g.Go(func() error {
			found[i], lists[i], errs[i] = l.base(ctx, ref, w, old.Bases[ref], anew)
			if errs[i] == nil && len(lists[i]) == 0 {
				newest[i] = found[i].Digest
			}
			if whole && errs[i] == nil && len(lists[i]) == 0 {
				lists[i], errs[i] = l.fresh(ctx, ref, w, old.Bases[ref], found[i])
			}
			if whole && errs[i] == nil && len(lists[i]) == 0 {
				lists[i] = l.spared(ref, w, old.Bases[ref], found[i])
			}
			if len(lists[i]) == 0 && errs[i] == nil {
				return nil
			}
			found[i] = old.Bases[ref]
			if !whole {
				return nil
			}
			found[i] = locked // it was whole once, and builds go on with that
			for n := range lists[i] {
				lists[i][n].Message += "; what is locked stays"
				if l.Only == nil { // nobody has asked for this one
					lists[i][n].Severity = diag.Warning
				}
			}
			return nil
		})
	}
	_ = g.Wait() // each one's error is in errs
	var list diag.List
	for i, ref := range refs {
		if found[i].Digest.Valid() {
			now[ref] = found[i]
		}
		if newest[i].Valid() && l.anew(ref, wanted[ref].users...) {
			moved[ref] = newest[i]
		}
		list = append(list, lists[i]...)
	}
	return list, errors.Join(errs...)
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

// base asks for one base, with all platforms that are wanted of it: half an
// index would fail a build later, on a machine that nobody watches. A base
// that lacks a platform in the lock is completed out of the same index, where
// that is still there.
func (l Locker) base(ctx context.Context, ref string, w *base, old model.LockedBase, anew bool) (model.LockedBase, diag.List, error) {
	if old.Digest.Valid() && !anew {
		same, list, err := l.take(ctx, ref, old.Digest.String(), w)
		if err == nil && len(list) == 0 {
			return same, nil, nil
		}
	}
	tag := strings.TrimLeft(strings.TrimPrefix(ref, w.repository), ":@")
	if _, digest, found := strings.Cut(ref, "@"); found {
		tag = digest
	}
	return l.take(ctx, ref, cmp.Or(tag, "latest"), w)
}

// take asks the mirrors of a base's registry, and then that itself, for what
// lies under a tag or digest.
func (l Locker) take(ctx context.Context, ref, tag string, w *base) (model.LockedBase, diag.List, error) {
	for _, mirror := range l.Mirrors.Of(w.repository) {
		if locked, list, err := l.takeFrom(ctx, mirror, ref, tag, w); err == nil && len(list) == 0 {
			return locked, nil, nil
		}
	}
	return l.takeFrom(ctx, w.repository, ref, tag, w)
}

func (l Locker) takeFrom(ctx context.Context, repo, ref, tag string, w *base) (model.LockedBase, diag.List, error) {
	var list diag.List
	raw, d, err := l.Registry.Manifest(ctx, repo, tag)
	if errors.Is(err, registry.ErrAbsent) {
		list.Errorf(RuleBaseAbsent, w.pos, "correct the reference, or log in to the registry", "there is no image %s", ref)
		return model.LockedBase{}, list, nil
	}
	if _, refused := errors.AsType[*registry.Denied](err); refused { // some answer this for what is not there
		list.Errorf(RuleBaseAbsent, w.pos, "correct the reference, or log in to the registry", "the registry refuses %s: it is not there, or needs a login", ref)
		return model.LockedBase{}, list, nil
	}
	if err != nil {
		return model.LockedBase{}, nil, fmt.Errorf("locking %s: %w", ref, err)
	}
	locked := model.LockedBase{Digest: d.Digest, Platforms: map[string]model.LockedVariant{}}
	if w.frontend {
		return locked, nil, nil
	}
	manifests, err := l.manifests(ctx, repo, raw, d)
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
		variant, err := l.variant(ctx, repo, digest)
		if errors.Is(err, registry.ErrAbsent) {
			list.Errorf(RuleBaseIncomplete, w.platforms[p], "try again later: whoever publishes it may not have finished",
				"%s is not whole: its index names %s for %s, which its registry does not have", ref, digest.Short(), p)
			continue
		}
		if err != nil {
			return model.LockedBase{}, nil, fmt.Errorf("locking %s for %s: %w", ref, p, err)
		}
		locked.Platforms[p] = variant
	}
	return locked, list, nil
}

func (l Locker) variant(ctx context.Context, repo string, digest model.Digest) (model.LockedVariant, error) {
	config, err := l.Registry.Config(ctx, repo, digest)
	if err != nil {
		return model.LockedVariant{}, err
	}
	return model.LockedVariant{Digest: digest, Config: model.BaseConfig{
		Env: config.Config.Env, WorkingDir: config.Config.WorkingDir, User: config.Config.User, OnBuild: config.Config.OnBuild,
	}}, nil
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
