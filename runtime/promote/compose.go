package promote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// write replaces the document, and returns what it was before, too. Whether
// anything was withdrawn is asked each time that the document is composed.
func (s Step) write(ctx context.Context, source *manifest.Document, images []*verified, entries []manifest.Image, whole bool) (out Result, before *manifest.Document, err error) {
	out = Result{Promoted: entries}
	compose := func(b []byte) ([]byte, error) {
		if err := s.usable(ctx, images); err != nil {
			return nil, err
		}
		var old *manifest.Document
		if b != nil {
			if old, err = manifest.Decode(b); err != nil {
				return nil, fmt.Errorf("reading %s: %w", channel.Prod, err)
			}
		}
		out.Document, before = old, old
		next, err := s.compose(ctx, source, old, entries, whole)
		if err != nil {
			return nil, err
		}
		if next.Same(old) {
			return nil, nil
		}
		out.Document = next
		return next.Encode()
	}
	if s.Propose != nil {
		out.Written, err = s.propose(ctx, compose)
	} else {
		out.Written, err = channel.Update(ctx, s.Store, channel.Prod, compose)
	}
	if _, ok := errors.AsType[*manifest.Superseded](err); ok {
		err = fmt.Errorf("promoting commit %.12s: %w", source.Commit, err)
	}
	return out, before, err
}

// compose is the document that follows old, which nothing newer may be lost
// of: neither what it holds as a whole, nor what came to it by itself since.
func (s Step) compose(ctx context.Context, source, old *manifest.Document, entries []manifest.Image, whole bool) (*manifest.Document, error) {
	next := &manifest.Document{Version: manifest.Version, GeneratedAt: s.Now().UTC().Format(time.RFC3339), Source: source.Source, Commit: source.Commit}
	for _, e := range entries {
		e.Commit = ""
		had, there := old.Find(e.ID)
		if !whole && there && sameEntry(had, e) {
			e = had
		}
		next.Images = append(next.Images, e)
	}
	if old == nil {
		return next, nil
	}
	if err := standIns(old, next.Images); err != nil {
		return nil, err
	}
	if err := s.newer(ctx, source.Commit, old, next.Images, whole); err != nil {
		return nil, err
	}
	if whole {
		return next, nil
	}
	next.Commit = old.Commit
	for n := range next.Images {
		if had, there := old.Find(next.Images[n].ID); (!there || !sameEntry(had, next.Images[n])) && source.Commit != old.Commit {
			next.Images[n].Commit = source.Commit
		}
	}
	next.Images = append(without(old.Images, entries), next.Images...)
	return next, nil
}

// newer demands that a commit descends from those of all that it replaces. An
// image that is not there was left out by the document's commit.
func (s Step) newer(ctx context.Context, commit string, old *manifest.Document, entries []manifest.Image, whole bool) error {
	held := []string{}
	if whole {
		held = append(held, old.Commit)
		for _, had := range old.Images {
			held = append(held, had.Commit)
		}
	} else {
		for _, e := range entries {
			if had, there := old.Find(e.ID); !there || !sameEntry(had, e) {
				held = append(held, cmp.Or(had.Commit, old.Commit))
			}
		}
	}
	slices.Sort(held)
	for _, c := range slices.Compact(held) {
		if err := manifest.MayReplace(ctx, s.Order, channel.Prod, commit, &manifest.Document{Commit: c}); err != nil {
			return err
		}
	}
	return nil
}

// sameEntry tells whether two entries differ in nothing but the commit that
// they came from.
func sameEntry(a, b manifest.Image) bool {
	a.Commit, b.Commit = "", ""
	return (&manifest.Document{Images: []manifest.Image{a}}).Same(&manifest.Document{Images: []manifest.Image{b}})
}

// propose offers what compose makes of the document, where that differs.
func (s Step) propose(ctx context.Context, compose func([]byte) ([]byte, error)) (bool, error) {
	b, version, err := s.Store.Read(ctx, channel.Prod)
	if err != nil {
		return false, err
	}
	doc, err := compose(b)
	if err != nil || doc == nil {
		return false, err
	}
	return true, s.Propose(ctx, doc, version)
}

// without is images less those that entries replace.
func without(images, entries []manifest.Image) []manifest.Image {
	return slices.DeleteFunc(slices.Clone(images), func(i manifest.Image) bool {
		return slices.ContainsFunc(entries, func(e manifest.Image) bool { return e.ID == i.ID })
	})
}
