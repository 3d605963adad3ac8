package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// maxRecord bounds what is read of one record, in bytes.
const maxRecord = 1 << 20

// evidence lists what is about the image, and checks that each platform's
// packages are known, where anything is asked at all.
func (s Step) evidence(ctx context.Context, v *verified, c *checking) error {
	v.evidence = map[model.Digest][]registry.Found{}
	for _, d := range v.digests() {
		found, err := s.Registry.Artifacts(ctx, v.repo, d, "")
		if err != nil {
			return err
		}
		v.evidence[d] = found
	}
	if s.Policy.Mode == model.EnforceOff || s.Own != nil { // see unlisted
		return nil
	}
	for _, p := range v.children {
		receipt, ok, err := s.hasSBOM(ctx, v, p.digest)
		if err != nil {
			return err
		}
		if !ok {
			c.refuse("%s: there is no SBOM of it", p.platform)
			continue
		}
		if !slices.ContainsFunc(v.evidence[p.digest], isListReceipt) { // else it comes along as evidence
			v.receipts = append(v.receipts, receipt)
		}
	}
	return nil
}

// own is the evidence of ours about a digest of an image.
func (s Step) own(repo string, digest model.Digest) []Evidence {
	if s.Own == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Own()), func(e Evidence) bool { return e.Repo != repo || e.Receipt.Digest != digest })
}

// unlisted says which platforms have no list of packages that we have made: it
// was tried, so that nobody can say what is in them.
func (s Step) unlisted(images []*verified) (unfinished []string) {
	if s.Own == nil {
		return nil
	}
	for _, v := range images {
		if v == nil {
			continue
		}
		for _, p := range v.children {
			if !slices.ContainsFunc(s.own(v.repo, p.digest), func(e Evidence) bool { return e.Receipt.Step == model.StepSBOM }) {
				unfinished = append(unfinished, fmt.Sprintf("%s: %s: it could not be listed, so there is no SBOM of it", v.entry.ID, p.platform))
			}
		}
	}
	return unfinished
}

// strange is what is left in testing where nobody knows who wrote it: lists of
// packages, scans, and their receipts.
func (s Step) strange(k registry.Kind) bool {
	return s.Own != nil && (k.Type == scan.ArtifactType || slices.Contains(sbom.MediaTypes(), k.Type) || k.Step == model.StepSBOM || k.Step == model.StepScan)
}

// isListReceipt tells whether an artifact says that it is a receipt of a list.
func isListReceipt(f registry.Found) bool {
	return f.Type == registry.ReceiptArtifactType && f.Annotations[registry.ReceiptAnnotation] == model.StepSBOM
}

// hasSBOM tells whether a list of packages is about just this digest, is there as
// a whole, and was written by the step that lists, whose receipt says so under
// a tag: those who sign receipts answer for it.
func (s Step) hasSBOM(ctx context.Context, v *verified, digest model.Digest) (receipt string, ok bool, err error) {
	for _, f := range v.evidence[digest] {
		if !slices.Contains(sbom.MediaTypes(), f.Type) {
			continue
		}
		body, subject, artifactType, err := s.Registry.ReadArtifact(ctx, v.repo, f.Digest, sbom.MaxDocument)
		if errors.Is(err, registry.ErrAbsent) {
			continue
		}
		if err != nil {
			return "", false, err
		}
		if _, err := sbom.Packages(body); err != nil || subject != digest || artifactType != f.Type {
			continue
		}
		if receipt, ok, err = sbom.Vouched(ctx, s.Registry, v.repo, digest, f, body); err != nil || ok {
			return receipt, ok, err
		}
	}
	return "", false, nil
}

// signed asks the verifier about the index and each platform.
func (s Step) signed(ctx context.Context, v *verified, c *checking) error {
	if s.Verifier == nil {
		return nil
	}
	for n, d := range v.digests() {
		missing, err := s.Verifier.Verify(ctx, v.repo, d)
		if err != nil {
			return err
		}
		where := "the index"
		if n > 0 {
			where = v.children[n-1].platform.String()
		}
		for _, m := range missing {
			c.refuse("%s: %s", where, m)
		}
	}
	return nil
}
