package promote

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// copy brings one image to prod with everything that speaks for it, byte by
// byte. The merge receipt comes last: where it is, the image and its tags are.
func (s Step) copy(ctx context.Context, v *verified) error {
	target, digest := s.target(v.entry), model.Digest(v.entry.Digest)
	last := model.ReceiptTag(v.merge.Step, v.merge.StepKey)
	r, found, err := s.Registry.Receipt(ctx, target, last)
	if err != nil {
		return err
	}
	there := found && r.Digest == digest && r.VersionTag == v.merge.VersionTag
	if !there {
		if err := s.Registry.Copy(ctx, v.repo, target, digest); err != nil {
			return err
		}
		if err := s.tag(ctx, v, target); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	for n, d := range v.digests() {
		g.Go(func() error {
			found := v.evidence[d]
			if n > 0 && s.Own == nil && s.Policy.Mode != model.EnforceOff { // it was scanned meanwhile
				var err error
				if found, err = s.Registry.Artifacts(gctx, v.repo, d, ""); err != nil {
					return err
				}
			}
			if err := s.copyEvidence(gctx, v, target, d, found, there); err != nil {
				return err
			}
			return s.copyOwn(gctx, v.repo, target, d)
		})
	}
	if !there {
		g.Go(func() error { return s.copyReceipts(gctx, v, target) })
	}
	if err := g.Wait(); err != nil || there {
		return err
	}
	copied, err := s.Registry.CopyReceipt(ctx, v.repo, target, last)
	if err == nil && !copied {
		err = fmt.Errorf("promoting %s: the receipt of its merge went away", v.entry.ID)
	}
	return err
}

// copyReceipts copies what is known by its tag: the receipts of builds, tests
// and the gate. Others come along where the registry lists them.
func (s Step) copyReceipts(ctx context.Context, v *verified, target string) error {
	tags := slices.Clone(v.receipts)
	if s.Policy.Mode != model.EnforceOff {
		for _, c := range v.children {
			tags = append(tags, model.ReceiptTag(model.StepGate, model.GateStepKey(c.digest, s.Policy.Digest())))
		}
	}
	for _, tag := range tags {
		if _, err := s.Registry.CopyReceipt(ctx, v.repo, target, tag); err != nil {
			return err
		}
	}
	return nil
}

// copyScanReceipt copies the receipt of a scan, without which the scan counts
// for nothing; its tag follows from what the scan says of itself.
func (s Step) copyScanReceipt(ctx context.Context, v *verified, target string, subject, artifact model.Digest) error {
	body, about, _, err := s.Registry.ReadArtifact(ctx, v.repo, artifact, scan.MaxDocument)
	if err != nil {
		return err
	}
	var said model.Scan
	if json.Unmarshal(body, &said) != nil || about != subject || said.Digest != subject {
		return nil //nolint:nilerr // it speaks for nothing
	}
	tag := model.ReceiptTag(model.StepScan, model.ScanStepKey(said.Digest, said.Source, said.Tool, said.Database))
	_, err = s.Registry.CopyReceipt(ctx, v.repo, target, tag)
	return err
}

// copyOwn brings the lists and scans of ours about a digest to the target, each
// with a receipt that is written anew: that in testing may be another by now.
func (s Step) copyOwn(ctx context.Context, from, target string, subject model.Digest) error {
	for _, e := range s.own(from, subject) {
		r, found, err := s.Registry.Receipt(ctx, target, model.ReceiptTag(e.Receipt.Step, e.Receipt.StepKey))
		if err == nil && found && slices.Equal(r.Inputs, e.Receipt.Inputs) {
			continue
		}
		if err == nil {
			err = s.Registry.CopyArtifact(ctx, from, target, e.Artifact, nil)
		}
		if err == nil {
			err = s.Registry.PutReceipt(ctx, target, e.Receipt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byTag are the steps whose receipts are copied by their tags.
var byTag = []string{model.StepBuild, model.StepTest, model.StepGate, model.StepMerge, model.StepScan}

// tag gives the copy its tags. The version's never moves; the others say of
// which bytes it is made, and follow.
func (s Step) tag(ctx context.Context, v *verified, target string) error {
	digest := model.Digest(v.entry.Digest)
	winner, err := s.Registry.PutOnce(ctx, target, v.index.raw, v.index.mediaType, v.entry.VersionTag)
	if err == nil && winner != digest {
		err = fmt.Errorf("promoting %s: %s:%s was taken by %s meanwhile", v.entry.ID, target, v.entry.VersionTag, winner.Short())
	}
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.tagAbsent(ctx, target, v.index, model.IdentityTag(v.merge.Key)) })
	for _, c := range v.children {
		g.Go(func() error {
			raw, d, err := s.Registry.Manifest(ctx, target, c.digest.String())
			if err != nil {
				return err
			}
			tags := []string{v.entry.VersionTag + "-" + c.platform.Dashed()}
			if c.key.Valid() {
				tags = append(tags, model.ContentTag(c.key, v.merge.Generation))
			}
			return s.tagAbsent(ctx, target, piece{raw, d.MediaType}, tags...)
		})
	}
	return g.Wait()
}

// tagAbsent gives a manifest those of the tags that nothing has yet.
func (s Step) tagAbsent(ctx context.Context, target string, m piece, tags ...string) error {
	for _, tag := range tags {
		_, found, err := s.Registry.Resolve(ctx, target, tag)
		if err == nil && !found {
			_, err = s.Registry.PutManifest(ctx, target, m.raw, m.mediaType, tag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyEvidence brings what is about a digest to the target: receipts, lists of
// packages, scans, verdicts, signatures, as far as they count. One after the other, because a
// registry without a list of its own loses one of two.
func (s Step) copyEvidence(ctx context.Context, v *verified, target string, subject model.Digest, found []registry.Found, again bool) error {
	known := map[model.Digest]bool{}
	if again { // only what is new
		there, err := s.Registry.Artifacts(ctx, target, subject, "")
		if err != nil {
			return err
		}
		for _, f := range there {
			known[f.Digest] = true
		}
	}
	for _, f := range found {
		if known[f.Digest] || s.strange(registry.Kind{Type: f.Type}) || f.Type == model.PromotionArtifactType || f.Type == model.WithdrawalArtifactType {
			continue
		}
		if f.Type == registry.ReceiptArtifactType && slices.Contains(byTag, f.Annotations[registry.ReceiptAnnotation]) {
			continue
		}
		if err := s.Registry.CopyArtifact(ctx, v.repo, target, f.Digest, s.strange); err != nil {
			return err
		}
		if f.Type == scan.ArtifactType {
			if err := s.copyScanReceipt(ctx, v, target, subject, f.Digest); err != nil {
				return err
			}
		}
		if s.Verifier == nil {
			continue
		}
		// A list of packages may itself be signed.
		about, err := s.Registry.Artifacts(ctx, v.repo, f.Digest, "")
		if err != nil {
			return err
		}
		for _, a := range about {
			if err := s.Registry.CopyArtifact(ctx, v.repo, target, a.Digest, s.strange); err != nil {
				return err
			}
		}
	}
	return nil
}
