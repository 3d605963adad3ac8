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

// Choice says which version of prod is meant; the zero value is the one before
// the last change of what is rolled back.
type Choice struct {
	Version string    // its id, or a beginning of it that no other has
	At      time.Time // what prod was then
}

// Restored is an image that a rollback brings back.
type Restored struct {
	ID       string         `json:"id"`
	From, To manifest.Image `json:"-"`
	Because  string         `json:"because,omitempty"` // the image that it is built on, where that was rolled back
	Version  string         `json:"version"`           // of the document that it is taken from
}

// errMoved is a document that changed between two looks.
var errMoved = errors.New("the document changed meanwhile")

// Rollback makes images of prod what they were in an earlier version of its
// document, with every image that is built on what goes away; without ids all
// of them. What comes back must be in the registry still, and must not have
// been withdrawn. It is not judged again: it is the way out when what is there
// now is worse, and its record says so.
func (s Step) Rollback(ctx context.Context, c Choice, ids []string) (out Result, restored []Restored, err error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	for range floatTries {
		now, err := s.document(ctx, channel.Prod)
		if err != nil {
			return out, nil, err
		}
		if now == nil {
			return out, nil, fmt.Errorf("%s does not exist in %s: nothing was promoted yet", channel.Prod, s.Store)
		}
		next, restored, err := s.earlier(ctx, now, c, ids)
		if err != nil {
			return out, nil, err
		}
		images, err := s.comingBack(ctx, restored)
		if err != nil {
			return out, nil, asRollback(err)
		}
		out, err = s.replace(ctx, now, next, images)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return out, nil, asRollback(err)
		}
		return out, restored, asRollback(s.settleRollback(ctx, out.Document, restored, images))
	}
	return out, nil, fmt.Errorf("rolling back: %w, %d times", errMoved, floatTries)
}

// asRollback is a refusal that speaks of a rollback.
func asRollback(err error) error {
	if refused, is := errors.AsType[*Refused](err); is {
		refused.Rollback = true
	}
	return err
}

// replace writes a document in the place of one that is still there, unless
// what it brings back was withdrawn meanwhile.
func (s Step) replace(ctx context.Context, now, next *manifest.Document, images []*verified) (out Result, err error) {
	out.Document = now
	prod := s.inProd()
	out.Written, err = channel.Update(ctx, s.Store, channel.Prod, func(b []byte) ([]byte, error) {
		d, err := manifest.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", channel.Prod, err)
		}
		if !d.Same(now) {
			return nil, errMoved
		}
		if err := prod.usable(ctx, images); err != nil {
			return nil, err
		}
		if next.Same(now) {
			return nil, nil
		}
		out.Document = next
		return next.Encode()
	})
	return out, err
}

// history reads the versions of prod, the newest first.
type history struct {
	step     Step
	versions []channel.Version
	read     map[string]*manifest.Document
}

func (s Step) history(ctx context.Context) (*history, error) {
	versions, err := s.Store.Versions(ctx, channel.Prod)
	return &history{step: s, versions: versions, read: map[string]*manifest.Document{}}, err
}

func (h *history) at(ctx context.Context, v channel.Version) (*manifest.Document, error) {
	if d := h.read[v.ID]; d != nil {
		return d, nil
	}
	b, err := h.step.Store.ReadVersion(ctx, channel.Prod, v.ID)
	if err != nil {
		return nil, err
	}
	d, err := manifest.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s as of %s: %w", channel.Prod, v.ID, err)
	}
	h.read[v.ID] = d
	return d, nil
}

// Pick finds the version that a choice means; false for the zero value.
func Pick(versions []channel.Version, c Choice) (channel.Version, bool, error) {
	switch {
	case c.Version != "":
		var found []channel.Version
		for _, v := range versions {
			if v.ID == c.Version {
				return v, true, nil
			}
			if len(c.Version) >= 6 && strings.HasPrefix(v.ID, c.Version) {
				found = append(found, v)
			}
		}
		if len(found) != 1 {
			return channel.Version{}, false, fmt.Errorf("there is no version %q of %s\nhint: rootfsrun history", c.Version, channel.Prod)
		}
		return found[0], true, nil
	case !c.At.IsZero():
		for _, v := range versions {
			if !v.Time.After(c.At) {
				return v, true, nil
			}
		}
		return channel.Version{}, false, fmt.Errorf("%s did not exist yet on %s", channel.Prod, c.At.UTC().Format(time.DateOnly))
	}
	return channel.Version{}, false, nil
}

// earlier composes the document that a rollback leads to.
func (s Step) earlier(ctx context.Context, now *manifest.Document, c Choice, ids []string) (*manifest.Document, []Restored, error) {
	h, err := s.history(ctx)
	if err != nil {
		return nil, nil, err
	}
	fixed, chosen, err := Pick(h.versions, c)
	if err != nil {
		return nil, nil, err
	}
	next := *now
	next.GeneratedAt, next.Images = s.Now().UTC().Format(time.RFC3339), slices.Clone(now.Images)
	var restored []Restored
	if len(ids) == 0 {
		restored, err = s.wholeBack(ctx, h, now, &next, fixed, chosen)
	} else {
		restored, err = s.someBack(ctx, h, now, &next, fixed, chosen, ids)
	}
	if err != nil {
		return nil, nil, err
	}
	return &next, restored, nil
}

// wholeBack takes every image of an earlier document.
func (s Step) wholeBack(ctx context.Context, h *history, now, next *manifest.Document, v channel.Version, chosen bool) ([]Restored, error) {
	if !chosen {
		var found bool
		for _, v = range h.versions {
			d, err := h.at(ctx, v)
			if err != nil {
				return nil, err
			}
			if found = !sameDigests(d, now); found {
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no earlier version of %s to go back to", channel.Prod)
		}
	}
	d, err := h.at(ctx, v)
	if err != nil {
		return nil, err
	}
	next.Images = slices.Clone(d.Images)
	var restored []Restored
	for n, e := range next.Images {
		old, _ := now.Find(e.ID)
		e.Commit = old.Commit // what is older than that may not replace it
		next.Images[n] = e
		if old.Digest != e.Digest {
			restored = append(restored, Restored{ID: e.ID, From: old, To: e, Version: v.ID})
		}
	}
	return restored, nil
}

func sameDigests(a, b *manifest.Document) bool { return maps.Equal(digests(a), digests(b)) }

func digests(d *manifest.Document) map[string]manifest.Digest {
	out := map[string]manifest.Digest{}
	for _, i := range d.Images {
		out[i.ID] = i.Digest
	}
	return out
}

// someBack takes some images of an earlier document, and all that is built on
// what they are now.
func (s Step) someBack(ctx context.Context, h *history, now, next *manifest.Document, fixed channel.Version, chosen bool, ids []string) ([]Restored, error) {
	var restored []Restored
	taken := map[string]bool{}
	take := func(id, because string, v channel.Version) error {
		d, err := h.at(ctx, v)
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
		taken[id] = true
		old, _ := now.Find(id)
		e.Commit = old.Commit // what is older than that may not replace it
		if old.Digest != e.Digest {
			restored = append(restored, Restored{ID: id, From: old, To: e, Because: because, Version: v.ID})
		}
		next.Images = append(without(next.Images, []manifest.Image{e}), e)
		return nil
	}
	versions := map[string]channel.Version{}
	for _, id := range ids {
		v := fixed
		if !chosen {
			var err error
			if v, err = h.before(ctx, now, id); err != nil {
				return nil, err
			}
		}
		versions[id] = v
		if err := take(id, "", v); err != nil {
			return nil, err
		}
	}
	made, err := s.materials(ctx, now)
	if err != nil {
		return nil, err
	}
	for n := 0; n < len(restored); n++ { // grows: dependants have dependants
		from := restored[n]
		for _, id := range slices.Sorted(maps.Keys(made)) {
			if taken[id] || !builtOn(made[id], from.From) {
				continue
			}
			v := versions[from.ID]
			versions[id] = v
			if err := take(id, from.ID, v); err != nil {
				return nil, err
			}
		}
	}
	return restored, nil
}

// before is the newest version in which an image was another.
func (h *history) before(ctx context.Context, now *manifest.Document, id string) (channel.Version, error) {
	current, listed := now.Find(id)
	for _, v := range h.versions {
		d, err := h.at(ctx, v)
		if err != nil {
			return v, err
		}
		if e, found := d.Find(id); found && (!listed || e.Digest != current.Digest) {
			return v, nil
		}
	}
	return channel.Version{}, fmt.Errorf("prod had no other %s before\nhint: rootfsrun history %s", id, id)
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

// inProd is the step for what lies in prod already, wherever that was when it
// came there.
func (s Step) inProd() Step {
	s.Testing = ""
	return s
}

// comingBack reads what is to come back, and refuses what is gone or was
// withdrawn. The result is nil for a fixed reference.
func (s Step) comingBack(ctx context.Context, restored []Restored) ([]*verified, error) {
	s = s.inProd()
	out := make([]*verified, len(restored))
	refused := &Refused{}
	for n, r := range restored {
		if r.To.Digest == "" {
			continue
		}
		c := &checking{id: r.ID}
		repo, ok := s.repository(r.To, "")
		if !ok {
			c.refuse("its reference %s is not one of ours", r.To.Image)
			refused.Missing = append(refused.Missing, c.refused...)
			continue
		}
		v := &verified{entry: r.To, repo: repo}
		identity, err := s.readIndex(ctx, v, c, model.Digest(r.To.Digest))
		if err == nil && len(c.refused) == 0 { // for what it was built on, as far as that is told
			err = s.readReceipts(ctx, v, &checking{}, identity, model.Digest(r.To.Digest))
		}
		if err == nil && len(c.refused) == 0 {
			err = s.everPromoted(ctx, v, c)
		}
		if err != nil {
			return nil, err
		}
		out[n] = v
		refused.Missing = append(refused.Missing, c.refused...)
	}
	gone, err := s.withdrawn(ctx, out)
	if err != nil {
		return nil, err
	}
	if refused.Missing = append(refused.Missing, s.accuse(ctx, out, gone)...); len(refused.Missing) > 0 {
		return nil, refused
	}
	return out, nil
}

// everPromoted refuses what stood in prod's document without having been
// promoted: merged by somebody, and then refused.
func (s Step) everPromoted(ctx context.Context, v *verified, c *checking) error {
	at, err := s.recorded(ctx, v.repo, v.entry)
	if err == nil && at.IsZero() {
		c.refuse("it was never promoted, though prod's document had it; choose another version (--to)")
	}
	return err
}

// settleRollback moves the floating tags back, and records what came back.
func (s Step) settleRollback(ctx context.Context, d *manifest.Document, restored []Restored, images []*verified) error {
	var leave []model.Digest
	var back []manifest.Image
	for _, r := range restored {
		leave, back = append(leave, model.Digest(r.From.Digest)), append(back, r.To)
	}
	if err := s.float(ctx, d, back, leave); err != nil {
		return err
	}
	if err := s.inProd().stand(ctx, images); err != nil {
		return err
	}
	for _, r := range restored {
		repo, ok := s.repository(r.To, "")
		if r.To.Digest == "" || !ok {
			continue
		}
		reason := "rollback to version " + r.Version
		if r.Because != "" {
			reason += ", with " + r.Because
		}
		if s.Reason != "" {
			reason += ": " + s.Reason
		}
		err := s.putRecord(ctx, repo, model.Promotion{
			Digest: model.Digest(r.To.Digest), Image: r.ID, From: r.From.Image, To: r.To.Image, Commit: d.Commit, Reason: reason,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
