package promote

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
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
			tests, err := s.tests(ctx, v)
			if err != nil {
				return err
			}
			return s.putRecord(ctx, repo, model.Promotion{
				Digest: model.Digest(v.entry.Digest), Image: v.entry.ID, From: v.entry.Image, To: to,
				Commit: commit, Verdicts: v.verdicts, Tests: tests, Reason: s.Reason,
			})
		})
	}
	return g.Wait()
}

// tests are the receipts that showed what was tested, with the digests that they
// have: a tag can be written again.
func (s Step) tests(ctx context.Context, v *verified) ([]model.PromotionTest, error) {
	for n := range v.tests {
		at, _, err := s.Registry.Resolve(ctx, v.repo, v.tests[n].Receipt)
		if err != nil {
			return nil, err
		}
		v.tests[n].Artifact = at.Digest
	}
	return v.tests, nil
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
