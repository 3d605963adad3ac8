package promote

import (
	"context"
	"errors"
	"fmt"
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
			return out, nil, RollingBack.of(err)
		}
		out, err = s.replace(ctx, now, next, images)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return out, nil, RollingBack.of(err)
		}
		return out, restored, RollingBack.of(s.settleRollback(ctx, out.Document, restored, images))
	}
	return out, nil, fmt.Errorf("rolling back: %w, %d times", errMoved, floatTries)
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
