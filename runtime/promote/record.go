package promote

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// record says at each image that was promoted when, by whom and on which
// verdicts. What prod had already gets a record only where it has none: a
// crash may have come between the document and the record.
func (s Step) record(ctx context.Context, images []*verified, before *manifest.Document, commit string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for _, v := range images {
		if v == nil {
			continue
		}
		g.Go(func() error {
			repo, to := v.repo, v.entry.Image
			if s.Prod != "" {
				repo, to = s.target(v.entry), s.target(v.entry)+":"+v.entry.VersionTag
			}
			if old, had := before.Find(v.entry.ID); had && old.Digest == v.entry.Digest {
				records, err := s.Registry.Artifacts(ctx, repo, model.Digest(v.entry.Digest), model.PromotionArtifactType)
				if err != nil || len(records) > 0 {
					return err
				}
			}
			return s.putRecord(ctx, repo, model.Promotion{
				Digest: model.Digest(v.entry.Digest), Image: v.entry.ID, From: v.entry.Image, To: to,
				Commit: commit, Verdicts: v.verdicts, Reason: s.Reason,
			})
		})
	}
	return g.Wait()
}

// Finish moves the floating tags to where prod's document has them, and records
// what has no record yet: after somebody merged a request, or a promotion was
// cut off.
func (s Step) Finish(ctx context.Context) (Result, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	d, err := s.document(ctx, channel.Prod)
	if err != nil {
		return Result{}, err
	}
	if d == nil {
		return Result{}, fmt.Errorf("%s does not exist in %s: nothing was promoted yet", channel.Prod, s.Store)
	}
	out := Result{Document: d}
	if err := s.float(ctx, d, nil); err != nil {
		return out, err
	}
	anywhere := s.inProd()
	for _, e := range d.Images {
		repo, ok := anywhere.repository(e)
		if e.Digest == "" || !ok {
			continue
		}
		records, err := s.Registry.Artifacts(ctx, repo, model.Digest(e.Digest), model.PromotionArtifactType)
		if err != nil {
			return out, err
		}
		if len(records) > 0 {
			continue
		}
		verdicts, err := s.verdicts(ctx, repo, e)
		if err != nil {
			return out, err
		}
		err = s.putRecord(ctx, repo, model.Promotion{
			Digest: model.Digest(e.Digest), Image: e.ID, From: e.Image, To: e.Image, Commit: d.Commit, Verdicts: verdicts, Reason: s.Reason,
		})
		if err != nil {
			return out, err
		}
		out.Promoted = append(out.Promoted, e)
	}
	return out, nil
}

// verdicts are the newest ones that came along with an image.
func (s Step) verdicts(ctx context.Context, repo string, e manifest.Image) ([]model.PromotionVerdict, error) {
	var out []model.PromotionVerdict
	for _, platform := range slices.Sorted(maps.Keys(e.Platforms)) {
		digest := e.Platforms[platform]
		found, err := s.Registry.Artifacts(ctx, repo, digest, verdictType)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		body, subject, _, err := s.Registry.ReadArtifact(ctx, repo, found[0].Digest, maxRecord)
		if err != nil {
			return nil, err
		}
		var v model.Verdict
		if err := json.Unmarshal(body, &v); err != nil || subject != digest || v.Digest != digest {
			continue // it speaks of nothing that was promoted
		}
		out = append(out, model.PromotionVerdict{Platform: platform, Digest: digest, Outcome: v.Outcome, Policy: v.Policy, Artifact: found[0].Digest})
	}
	return out, nil
}

func (s Step) putRecord(ctx context.Context, repo string, p model.Promotion) error {
	p.Version, p.Actor, p.Run, p.Time = model.PromotionVersion, s.Actor, s.Job, s.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("recording the promotion of %s: %w", p.Image, err)
	}
	_, err = s.Registry.PutArtifact(ctx, repo, registry.Artifact{
		Subject: p.Digest, Type: model.PromotionArtifactType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: p.Time},
	})
	return err
}
