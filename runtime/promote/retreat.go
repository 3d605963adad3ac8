package promote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// retreat composes the document that a rollback leads to.
type retreat struct {
	step     Step
	history  *history
	now      *manifest.Document
	chosen   *channel.Version // nil: the one before the last change
	next     manifest.Document
	restored []Restored
	from     map[string]channel.Version // of which version an image is taken, by its id
}

// earlier is the document before, and what comes back with it: all images where
// no ids are given.
func (s Step) earlier(ctx context.Context, now *manifest.Document, c Choice, ids []string) (*manifest.Document, []Restored, error) {
	h, err := s.history(ctx)
	if err != nil {
		return nil, nil, err
	}
	fixed, chosen, err := Pick(h.versions, c)
	if err != nil {
		return nil, nil, err
	}
	r := &retreat{step: s, history: h, now: now, next: *now, from: map[string]channel.Version{}}
	if chosen {
		r.chosen = &fixed
	}
	r.next.GeneratedAt, r.next.Images = s.Now().UTC().Format(time.RFC3339), slices.Clone(now.Images)
	if len(ids) == 0 {
		err = r.all(ctx)
	} else {
		err = r.some(ctx, ids)
	}
	if err != nil {
		return nil, nil, err
	}
	return &r.next, r.restored, nil
}

// all takes every image of an earlier document.
func (r *retreat) all(ctx context.Context) error {
	v, err := r.version(ctx)
	if err != nil {
		return err
	}
	d, err := r.history.at(ctx, v)
	if err != nil {
		return err
	}
	r.next.Images = slices.Clone(d.Images)
	for n, e := range r.next.Images {
		r.next.Images[n] = r.restore(e, "", v)
	}
	return nil
}

// version is the newest in which any image was another, unless one was chosen.
func (r *retreat) version(ctx context.Context) (channel.Version, error) {
	if r.chosen != nil {
		return *r.chosen, nil
	}
	for _, v := range r.history.versions {
		d, err := r.history.at(ctx, v)
		if err != nil {
			return v, err
		}
		if !sameDigests(d, r.now) {
			return v, nil
		}
	}
	return channel.Version{}, fmt.Errorf("there is no earlier version of %s to go back to", channel.Prod)
}

// restore is an entry of a version as prod gets it, and notes that it comes
// back, because of another image or of none.
func (r *retreat) restore(e manifest.Image, because string, v channel.Version) manifest.Image {
	old, _ := r.now.Find(e.ID)
	e.Commit = old.Commit // what is older than that may not replace it
	if old.Digest != e.Digest {
		r.restored = append(r.restored, Restored{ID: e.ID, From: old, To: e, Because: because, Version: v.ID})
	}
	return e
}

// some takes some images of an earlier document, and all that is built on what
// they are now.
func (r *retreat) some(ctx context.Context, ids []string) error {
	for _, id := range ids {
		v, err := r.before(ctx, id)
		if err != nil {
			return err
		}
		if err := r.take(ctx, id, "", v); err != nil {
			return err
		}
	}
	made, err := r.step.materials(ctx, r.now)
	if err != nil {
		return err
	}
	for n := 0; n < len(r.restored); n++ { // grows: dependants have dependants
		parent := r.restored[n]
		for _, id := range slices.Sorted(maps.Keys(made)) {
			if _, taken := r.from[id]; taken || !builtOn(made[id], parent.From) {
				continue
			}
			if err := r.take(ctx, id, parent.ID, r.from[parent.ID]); err != nil {
				return err
			}
		}
	}
	return nil
}

// take takes one image of a version.
func (r *retreat) take(ctx context.Context, id, because string, v channel.Version) error {
	d, err := r.history.at(ctx, v)
	if err != nil {
		return err
	}
	e, found := d.Find(id)
	if !found {
		if because != "" {
			return fmt.Errorf("%s is built on %s, and prod had none in version %s\nhint: name another version with --to, or roll everything back", id, because, v.ID)
		}
		return fmt.Errorf("prod had no %s in version %s", id, v.ID)
	}
	r.from[id] = v
	e = r.restore(e, because, v)
	r.next.Images = append(without(r.next.Images, []manifest.Image{e}), e)
	return nil
}

// before is the newest version in which an image was another, unless one was
// chosen.
func (r *retreat) before(ctx context.Context, id string) (channel.Version, error) {
	if r.chosen != nil {
		return *r.chosen, nil
	}
	current, listed := r.now.Find(id)
	for _, v := range r.history.versions {
		d, err := r.history.at(ctx, v)
		if err != nil {
			return v, err
		}
		if e, found := d.Find(id); found && (!listed || e.Digest != current.Digest) {
			return v, nil
		}
	}
	return channel.Version{}, fmt.Errorf("prod had no other %s before\nhint: rootfsrun history %s", id, id)
}

func sameDigests(a, b *manifest.Document) bool { return maps.Equal(digests(a), digests(b)) }

func digests(d *manifest.Document) map[string]manifest.Digest {
	out := map[string]manifest.Digest{}
	for _, i := range d.Images {
		out[i.ID] = i.Digest
	}
	return out
}

// materials are the digests that each image of prod was built from.
func (s Step) materials(ctx context.Context, d *manifest.Document) (map[string]map[model.Digest]bool, error) {
	out := map[string]map[model.Digest]bool{}
	for _, e := range d.Images {
		if e.Digest == "" {
			continue
		}
		from, err := s.madeFrom(ctx, e)
		if err != nil {
			return nil, err
		}
		out[e.ID] = from
	}
	return out, nil
}

// madeFrom reads the receipts of an image's builds. Without them nobody knows
// what must go with what, so that is an error.
func (s Step) madeFrom(ctx context.Context, e manifest.Image) (map[model.Digest]bool, error) {
	repo, ok := s.repository(e, "")
	if !ok {
		return nil, fmt.Errorf("%s: its reference %s is not one of ours", e.ID, e.Image)
	}
	v, c := &verified{entry: e, repo: repo}, &checking{id: e.ID}
	identity, err := s.readIndex(ctx, v, c, model.Digest(e.Digest))
	if err == nil && len(c.refused) == 0 {
		err = s.readReceipts(ctx, v, c, identity, model.Digest(e.Digest))
	}
	if err != nil {
		return nil, err
	}
	if len(c.refused) > 0 {
		return nil, errors.New(strings.Join(c.refused, "; "))
	}
	from := map[model.Digest]bool{}
	for _, m := range v.materials {
		from[m.Digest] = true
	}
	return from, nil
}

func builtOn(from map[model.Digest]bool, e manifest.Image) bool {
	for _, d := range e.Platforms {
		if from[d] {
			return true
		}
	}
	return from[model.Digest(e.Digest)]
}
