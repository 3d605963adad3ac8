package locking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// RuleBaseFresh is of a base that moved too lately to be taken.
const RuleBaseFresh = "base-fresh"

// fresh says that a base is held back, because an image in it was made less
// than Debounce ago: whoever publishes it may still mend or finish it. When it
// was made is what its configuration says, so that nothing need be remembered
// between two runs; an image that does not say is not held back, and neither
// is a base that was named or is not locked yet.
func (l Locker) fresh(ctx context.Context, ref string, w *base, old, now model.LockedBase) (diag.List, error) {
	var list diag.List
	if l.Debounce == 0 || l.Only != nil || !old.Digest.Valid() || old.Digest == now.Digest {
		return list, nil
	}
	var newest time.Time
	for _, v := range now.Platforms {
		made, err := l.made(ctx, w.repository, v.Digest)
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", ref, err)
		}
		if made.After(newest) {
			newest = made
		}
	}
	if until := newest.Add(l.Debounce); until.After(l.Now) {
		list.Warnf(RuleBaseFresh, w.pos, "name it to take it now: rootfsgen lock --update "+ref,
			"%s moved to %s, which was made at %s: it is held back until %s", ref, now.Digest.Short(), newest.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339))
	}
	return list, nil
}

// made is when an image was made, as it says, from wherever it was found.
func (l Locker) made(ctx context.Context, repository string, digest model.Digest) (time.Time, error) {
	var errs []error
	for _, repo := range append(slices.Clone(l.Mirrors.Of(repository)), repository) {
		config, err := l.Registry.Config(ctx, repo, digest)
		if err == nil {
			return config.Created.Time, nil
		}
		errs = append(errs, err)
	}
	return time.Time{}, errors.Join(errs...)
}
