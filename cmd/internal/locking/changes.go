package locking

import (
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The kinds of a Change.
const (
	KindBase     = "base"     // an outside image or frontend
	KindPlatform = "platform" // the manifest of one of its platforms
	KindConfig   = "config"   // what a build inherits from it
	KindSuite    = "suite"    // the state of a Debian suite
	KindPackage  = "package"  // the version of a Debian package
)

// Change is one difference between two locks.
type Change struct {
	Kind string   `json:"kind"`
	Name string   `json:"name"`          // of the base, suite or package; for KindConfig with what is inherited, "docker.io/library/debian:13 ENV PATH"
	Of   string   `json:"of,omitempty"`  // the platform, "linux/amd64", or the target that has the package
	Old  string   `json:"old,omitempty"` // empty for what is new
	New  string   `json:"new,omitempty"` // empty for what is not there any more, or not locked yet
	Pos  diag.Pos `json:"-"`             // where what is not locked yet stands, if it does
}

// Changes are all differences, by kind, name and platform or target.
func Changes(old, now model.Lock) []Change {
	out := []Change{}
	for _, ref := range both(old.Bases, now.Bases) {
		out = append(out, baseChanges(ref, old.Bases[ref], now.Bases[ref])...)
	}
	for _, name := range both(old.Debian, now.Debian) {
		was, is := old.Debian[name], now.Debian[name]
		if was.InRelease != is.InRelease {
			out = append(out, Change{Kind: KindSuite, Name: name, Old: was.InRelease.String(), New: is.InRelease.String()})
		}
		for _, target := range both(was.Images, is.Images) {
			a, b := was.Images[target], is.Images[target]
			for _, p := range both(a, b) {
				if a[p] != b[p] {
					out = append(out, Change{Kind: KindPackage, Name: p, Of: target, Old: a[p], New: b[p]})
				}
			}
		}
	}
	return out
}

func baseChanges(ref string, was, is model.LockedBase) []Change {
	var out []Change
	if was.Digest != is.Digest {
		out = append(out, Change{Kind: KindBase, Name: ref, Old: was.Digest.String(), New: is.Digest.String()})
	}
	for _, p := range both(was.Platforms, is.Platforms) {
		a, b := was.Platforms[p], is.Platforms[p]
		if a.Digest != b.Digest {
			out = append(out, Change{Kind: KindPlatform, Name: ref, Of: p, Old: a.Digest.String(), New: b.Digest.String()})
		}
		if a.Digest.Valid() && b.Digest.Valid() { // of what is new or gone it says nothing
			out = append(out, configChanges(ref, p, a.Config, b.Config)...)
		}
	}
	return out
}

func configChanges(ref, platform string, a, b model.BaseConfig) []Change {
	var out []Change
	add := func(what, old, now string) {
		if old != now {
			out = append(out, Change{Kind: KindConfig, Name: ref + " " + what, Of: platform, Old: old, New: now})
		}
	}
	was, is := environment(a.Env), environment(b.Env)
	for _, name := range both(was, is) {
		add("ENV "+name, was[name], is[name])
	}
	if len(out) == 0 && !slices.Equal(a.Env, b.Env) {
		add("ENV", strings.Join(a.Env, " "), strings.Join(b.Env, " "))
	}
	add("WORKDIR", a.WorkingDir, b.WorkingDir)
	add("USER", a.User, b.User)
	add("ONBUILD", strings.Join(a.OnBuild, "; "), strings.Join(b.OnBuild, "; "))
	return out
}

func environment(list []string) map[string]string {
	out := map[string]string{}
	for _, s := range list {
		name, value, _ := strings.Cut(s, "=")
		out[name] = value
	}
	return out
}

// both are the keys of two maps, sorted.
func both[V any](a, b map[string]V) []string {
	keys := slices.Collect(maps.Keys(a))
	keys = slices.AppendSeq(keys, maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Missing compares a lock with what the fleet needs, and asks nobody: it
// returns what the fleet still needs of the lock, and what the lock lacks.
func Missing(fleet *model.Fleet, g *graph.Graph, lock model.Lock) (kept model.Lock, missing []Change) {
	kept = model.Lock{Bases: map[string]model.LockedBase{}, Debian: map[string]model.LockedSuite{}, Failed: lock.Failed}
	wanted := wantedBases(g)
	for _, ref := range slices.Sorted(maps.Keys(wanted)) {
		w := wanted[ref]
		locked, whole := complete(lock.Bases[ref], w)
		switch {
		case whole:
			kept.Bases[ref] = locked
		case !lock.Bases[ref].Digest.Valid():
			missing = append(missing, Change{Kind: KindBase, Name: ref, Pos: w.pos})
		default:
			kept.Bases[ref] = lock.Bases[ref]
			for _, p := range slices.Sorted(maps.Keys(w.platforms)) {
				if _, found := lock.Bases[ref].Platforms[p]; !found {
					missing = append(missing, Change{Kind: KindPlatform, Name: ref, Of: p, Pos: w.platforms[p]})
				}
			}
		}
	}
	suites := wantedSuites(fleet)
	for _, name := range slices.Sorted(maps.Keys(suites)) {
		s := suites[name]
		locked, lacks := s.current(lock.Debian[name])
		if locked.InRelease.Valid() {
			kept.Debian[name] = locked
		} else {
			missing = append(missing, Change{Kind: KindSuite, Name: name})
		}
		for _, t := range lacks {
			missing = append(missing, Change{Kind: KindPackage, Name: strings.Join(unlocked(lock.Debian[name].Images[t.name], t.debian), " "), Of: t.name})
		}
	}
	return kept, missing
}

// unlocked are the packages that were asked for and are not locked; "*" is
// all, with what they need.
func unlocked(locked map[string]string, d model.Debian) []string {
	if len(locked) == 0 {
		return []string{"*"}
	}
	var out []string
	for _, p := range d.Packages {
		if _, found := locked[p]; !found {
			out = append(out, p)
		}
	}
	return out
}
