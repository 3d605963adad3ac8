package promote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// Finish ends a promotion that somebody has merged, or that was cut off: it
// moves the floating tags to where prod's document has them, and records what
// has no record since it came there. The document is not believed: people may
// have edited it, and time has passed since it was offered. What has no record
// yet is verified and judged as in any promotion, and of everything it is asked
// whether it was withdrawn; where anything is missing no tag moves. A document
// that changes meanwhile is looked at again.
func (s Step) Finish(ctx context.Context) (Result, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	for range floatTries {
		d, err := s.document(ctx, channel.Prod)
		if err != nil {
			return Result{}, err
		}
		if d == nil {
			return Result{}, fmt.Errorf("%s does not exist in %s: nothing was promoted yet", channel.Prod, s.Store)
		}
		out, err := s.finish(ctx, d)
		if errors.Is(err, errMoved) {
			continue
		}
		return out, err
	}
	return Result{}, fmt.Errorf("finishing the promotion: %w, %d times", errMoved, floatTries)
}

// finish does so for one state of the document; errMoved where it is another
// by now.
func (s Step) finish(ctx context.Context, d *manifest.Document) (Result, error) {
	out := Result{Document: d, Notes: s.notes(d.Images)}
	fresh, known, err := s.unrecorded(ctx, d)
	if err != nil {
		return out, err
	}
	images, err := s.verifyAll(ctx, fresh, s.lies())
	if err != nil {
		return out, Finishing.of(err)
	}
	prod := s.inProd() // which a withdrawal has marked; who may write to testing only takes nothing from prod
	if err := prod.usable(ctx, known); err != nil {
		return out, Finishing.of(err)
	}
	if out.Verdicts, err = s.judge(ctx, images); err != nil {
		return out, Finishing.of(err)
	}
	now, err := s.document(ctx, channel.Prod)
	if err != nil {
		return out, err
	}
	if !now.Same(d) {
		return out, errMoved
	}
	if s.Prod != "" {
		if err := s.floatOnce(ctx, d, d.Images, nil); err != nil {
			return out, err
		}
	}
	if err := s.stand(ctx, images); err != nil {
		return out, err
	}
	if err := prod.stand(ctx, known); err != nil {
		return out, err
	}
	for _, v := range images {
		if v == nil {
			continue
		}
		tests, err := s.tests(ctx, v)
		if err == nil {
			err = s.putRecord(ctx, v.repo, model.Promotion{
				Digest: model.Digest(v.entry.Digest), Image: v.entry.ID, From: v.entry.Image, To: v.entry.Image,
				Commit: cmp.Or(v.entry.Commit, d.Commit), Verdicts: v.verdicts, Tests: tests, Reason: s.Reason,
			})
		}
		if err != nil {
			return out, err
		}
		out.Promoted = append(out.Promoted, v.entry)
	}
	if now, err = s.document(ctx, channel.Prod); err == nil && !now.Same(d) {
		err = errMoved
	}
	return out, err
}

// lies is the registry prefix that the images of prod lie below.
func (s Step) lies() string {
	if s.Prod != "" {
		return s.Prod
	}
	return s.Testing
}

// unrecorded divides a document into what has no record of a promotion since
// it came there, with all that is not ours to have one, and the rest.
func (s Step) unrecorded(ctx context.Context, d *manifest.Document) (fresh []manifest.Image, known []*verified, err error) {
	h, err := s.history(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range d.Images {
		repo, ours := s.repository(e, s.lies())
		if e.Digest == "" || !ours {
			fresh = append(fresh, e)
			continue
		}
		at, err := s.recorded(ctx, repo, e)
		if err != nil {
			return nil, nil, err
		}
		since := false
		if !at.IsZero() {
			if since, err = h.since(ctx, e, at); err != nil {
				return nil, nil, err
			}
		}
		if since {
			known = append(known, listed(e, repo))
		} else {
			fresh = append(fresh, e)
		}
	}
	return fresh, known, nil
}

// listed is an image as its entry has it, for asking about withdrawals.
func listed(e manifest.Image, repo string) *verified {
	v := &verified{entry: e, repo: repo}
	for _, d := range e.Platforms {
		v.children = append(v.children, child{digest: d})
	}
	return v
}

// recorded is when the newest record of an entry's promotion was written, zero
// where there is none.
func (s Step) recorded(ctx context.Context, repo string, e manifest.Image) (newest time.Time, err error) {
	records, err := s.Registry.Artifacts(ctx, repo, model.Digest(e.Digest), model.PromotionArtifactType)
	if err != nil {
		return newest, err
	}
	for _, f := range records {
		body, subject, _, err := s.Registry.ReadArtifact(ctx, repo, f.Digest, maxRecord)
		if err != nil {
			return newest, err
		}
		var p model.Promotion
		if json.Unmarshal(body, &p) != nil || subject != model.Digest(e.Digest) || p.Digest != subject || p.Image != e.ID || p.To != e.Image {
			continue // it speaks of another
		}
		at, err := time.Parse(time.RFC3339, p.Time)
		if err == nil && at.After(newest) && !at.After(s.Now()) {
			newest = at
		}
	}
	return newest, nil
}

// since tells whether an entry has been what it is in every version since a
// moment: what left and came back, or was edited, has come anew. A version
// counts as no older than those before it, whatever it says.
func (h *history) since(ctx context.Context, e manifest.Image, at time.Time) (bool, error) {
	latest := make([]time.Time, len(h.versions))
	for n := len(h.versions) - 1; n >= 0; n-- {
		latest[n] = h.versions[n].Time
		if n+1 < len(latest) && latest[n+1].After(latest[n]) {
			latest[n] = latest[n+1]
		}
	}
	for n, v := range h.versions {
		d, err := h.at(ctx, v)
		if err != nil {
			return false, err
		}
		if was, there := d.Find(e.ID); !there || !sameImage(was, e) {
			return false, nil
		}
		if !latest[n].After(at) {
			return true, nil
		}
	}
	return false, nil
}

// sameImage tells whether two entries name the same bytes in the same place.
func sameImage(a, b manifest.Image) bool {
	return a.Digest == b.Digest && a.Image == b.Image && a.Repository == b.Repository && a.VersionTag == b.VersionTag && maps.Equal(a.Platforms, b.Platforms)
}
