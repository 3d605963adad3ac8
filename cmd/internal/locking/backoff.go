package locking

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The rules of updates that are held back because an image failed with them.
const (
	RuleBaseWaits      = "base-waits"      // it is tried again later
	RuleBaseQuarantine = "base-quarantine" // it is not tried again
)

// maxBackoff is the longest that an update waits.
const maxBackoff = 90 * 24 * time.Hour

// Blame notes which updates an offered lock has with which images failed: those
// of every base that a failed target is built from, directly or not, and that
// moved. Each image is counted by itself, and an update waits by the image that
// failed with it most often: several that fail once each, by chance, are not one
// that fails again and again. A base without an update, or in no failed target, keeps its note; so
// does an update that failed before. The notes are those of both locks, and
// where both have one of the same update the worse.
func Blame(g *graph.Graph, old, offered model.Lock, failed map[model.TargetID]bool, now time.Time) map[string]model.FailedBase {
	notes := maps.Clone(old.Failed)
	if notes == nil {
		notes = map[string]model.FailedBase{}
	}
	for ref, f := range offered.Failed {
		if n := notes[ref]; n.Digest != f.Digest || n.Failures < f.Failures {
			notes[ref] = f
		}
	}
	wanted := wantedBases(g)
	for _, ref := range slices.Sorted(maps.Keys(wanted)) {
		moved := offered.Bases[ref].Digest
		if !moved.Valid() || moved == old.Bases[ref].Digest || !old.Bases[ref].Digest.Valid() {
			continue
		}
		blamed := failedOf(g, wanted[ref].users, failed)
		if len(blamed) == 0 {
			continue
		}
		n := notes[ref]
		if n.Digest != moved {
			n = model.FailedBase{Digest: moved}
		}
		counts, before := maps.Clone(n.Images), n.Failures
		if counts == nil {
			counts = map[string]int{}
		}
		for _, image := range blamed {
			if n.Images == nil { // who failed before is not known
				counts[image] = before
			}
			counts[image]++
			n.Failures = max(n.Failures, counts[image])
		}
		n.Images, n.Last = counts, now.UTC().Format(time.RFC3339)
		notes[ref] = n
	}
	return notes
}

// failedOf are the images that failed, by node and sorted, of those that some
// targets are of, or are built from.
func failedOf(g *graph.Graph, targets []model.TargetID, failed map[model.TargetID]bool) []string {
	users := map[model.TargetID]bool{}
	for _, id := range targets {
		users[id] = true
	}
	maps.Copy(users, g.Dependants(users))
	var out []string
	for id := range users {
		if failed[id] {
			out = append(out, id.Node())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// With names the images that failed with an update, those that did so most
// often first; "images" where they are not known.
func With(f model.FailedBase) string {
	const shown = 3
	names := slices.SortedFunc(maps.Keys(f.Images), func(a, b string) int { return cmp.Or(f.Images[b]-f.Images[a], cmp.Compare(a, b)) })
	switch {
	case len(names) == 0:
		return "images"
	case len(names) > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// Times is how often images failed with an update, for people.
func Times(f model.FailedBase) string {
	switch {
	case f.Failures == 1:
		return "once"
	case len(f.Images) > 1:
		return fmt.Sprintf("up to %d times", f.Failures)
	}
	return fmt.Sprintf("%d times", f.Failures)
}

// spared says that an update is held back because of how it failed. A base that
// was named is taken all the same.
func (l Locker) spared(ref string, w *base, old, now model.LockedBase) diag.List {
	var list diag.List
	f := l.Failed[ref]
	if l.Only != nil || !old.Digest.Valid() || old.Digest == now.Digest || f.Digest != now.Digest {
		return list
	}
	hint := "name it to take it now: rootfsgen lock --update " + ref
	if l.Quarantine > 0 && f.Failures >= l.Quarantine {
		list.Warnf(RuleBaseQuarantine, w.pos, hint,
			"%s moved to %s, with which %s failed %s, the last time at %s: it is in quarantine until it moves again", ref, now.Digest.Short(), With(f), Times(f), f.Last)
		return list
	}
	if until := l.again(f); until.After(l.Now) {
		list.Warnf(RuleBaseWaits, w.pos, hint,
			"%s moved to %s, with which %s failed %s: it is tried again at %s", ref, now.Digest.Short(), With(f), Times(f), until.Format(time.RFC3339))
	}
	return list
}

// again is when an update that failed is tried again: after one back-off the
// first time, and after twice the time each further one.
func (l Locker) again(f model.FailedBase) time.Time {
	last, err := time.Parse(time.RFC3339, f.Last)
	if err != nil || l.Backoff == 0 {
		return time.Time{}
	}
	wait := l.Backoff
	for n := 1; n < f.Failures && wait < maxBackoff; n++ {
		wait *= 2
	}
	return last.Add(min(wait, maxBackoff)).UTC()
}

// remembered are the notes that still mean something: of updates that are
// neither taken into the repository nor replaced by another one. moved is what
// was found, where it was asked for.
func (l Locker) remembered(wanted map[string]*base, old model.Lock, moved map[string]model.Digest) map[string]model.FailedBase {
	var out map[string]model.FailedBase
	for ref, f := range l.Failed {
		if wanted[ref] == nil || old.Bases[ref].Digest == f.Digest || cmp.Or(moved[ref], f.Digest) != f.Digest {
			continue
		}
		if out == nil {
			out = map[string]model.FailedBase{}
		}
		out[ref] = f
	}
	return out
}
