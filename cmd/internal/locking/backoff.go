package locking

import (
	"cmp"
	"maps"
	"slices"
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
// moved. A base without an update, or in no failed target, keeps its note; so
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
		users := map[model.TargetID]bool{}
		for _, id := range wanted[ref].users {
			users[id] = true
		}
		for id := range g.Dependants(users) {
			users[id] = true
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(users)), func(id model.TargetID) bool { return failed[id] }) {
			continue
		}
		n := notes[ref]
		if n.Digest != moved {
			n = model.FailedBase{Digest: moved}
		}
		n.Failures, n.Last = n.Failures+1, now.UTC().Format(time.RFC3339)
		notes[ref] = n
	}
	return notes
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
			"%s moved to %s, with which images failed %d times, the last time at %s: it is in quarantine until it moves again", ref, now.Digest.Short(), f.Failures, f.Last)
		return list
	}
	if until := l.again(f); until.After(l.Now) {
		list.Warnf(RuleBaseWaits, w.pos, hint,
			"%s moved to %s, with which images failed %d times: it is tried again at %s", ref, now.Digest.Short(), f.Failures, until.Format(time.RFC3339))
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
