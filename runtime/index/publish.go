package index

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// highestN bounds how many versions one image may have on one day.
const highestN = 1000

// publish writes everything once. It is not settled when another merge turned
// out to have taken the version tag meanwhile.
func (m *merging) publish(ctx context.Context) (model.Receipt, bool, error) {
	out, err := m.earlier(ctx)
	if err != nil {
		return model.Receipt{}, false, err
	}
	if out.version == "" {
		if out, err = m.takeVersion(ctx); err != nil {
			return model.Receipt{}, false, err
		}
	}
	if err := m.tagPlatforms(ctx, out.version); err != nil {
		return model.Receipt{}, false, err
	}
	if err := m.tagIdentity(ctx, out); err != nil {
		return model.Receipt{}, false, err
	}
	// Who wrote the version tag last owns it: this is read after all writes,
	// so of two merges that raced at most one can settle on it.
	// A snapshot's tag follows whoever comes last.
	d, found, err := m.Registry.Resolve(ctx, m.repo, out.version)
	if err != nil {
		return model.Receipt{}, false, err
	}
	if (!found || d.Digest != out.digest) && m.plan.SnapshotID == "" {
		return model.Receipt{}, false, m.giveBack(ctx, out.version)
	}
	r := m.receipt(out)
	return r, true, m.Registry.PutReceipt(ctx, m.repo, r)
}

// earlier is the index of the same identity that an earlier merge left, if its
// version tag still stands for it.
func (m *merging) earlier(ctx context.Context) (published, error) {
	raw, d, err := m.Registry.Manifest(ctx, m.repo, model.IdentityTag(m.identity))
	if errors.Is(err, registry.ErrAbsent) {
		return published{}, nil
	}
	if err != nil {
		return published{}, err
	}
	version, same := m.same(raw)
	if !same {
		return published{}, nil
	}
	at, found, err := m.Registry.Resolve(ctx, m.repo, version)
	if err != nil || !found || at.Digest != d.Digest {
		return published{}, err
	}
	return published{version: version, digest: d.Digest, raw: raw}, nil
}

// same tells whether an index is what this merge would make, whenever and from
// whichever commit it was made, and which version it says it is.
func (m *merging) same(raw []byte) (version string, same bool) {
	var idx v1.IndexManifest
	if json.Unmarshal(raw, &idx) != nil || idx.Annotations[AnnotationKey] != m.identity.String() || len(idx.Manifests) != len(m.children) {
		return "", false
	}
	for n, c := range m.children {
		if idx.Manifests[n].Digest.String() != c.desc.Digest.String() {
			return "", false
		}
	}
	version = idx.Annotations[annotationVersion]
	return version, version != ""
}

// takeVersion puts the index under the first version tag that is free, or that
// an interrupted merge of the same index took.
func (m *merging) takeVersion(ctx context.Context) (published, error) {
	for n := range highestN {
		version := m.index.Version
		if n > 0 {
			version = fmt.Sprintf("%s.%d", version, n)
		}
		raw, err := m.encode(version)
		if err != nil {
			return published{}, err
		}
		out := published{version: version, digest: model.DigestOf(raw), raw: raw}
		if m.plan.SnapshotID != "" { // such a tag follows its request
			_, err := m.Registry.PutManifest(ctx, m.repo, raw, registry.IndexMediaType, version)
			return out, err
		}
		winner, err := m.Registry.PutOnce(ctx, m.repo, raw, registry.IndexMediaType, version)
		if err != nil || winner == out.digest {
			return out, err
		}
		there, d, err := m.Registry.Manifest(ctx, m.repo, winner.String())
		if err != nil {
			return published{}, err
		}
		if v, same := m.same(there); same && v == version {
			return published{version: version, digest: d.Digest, raw: there}, nil
		}
	}
	return published{}, fmt.Errorf("choosing a version of %s: all of %s to %s.%d are taken", name(m.index), m.index.Version, m.index.Version, highestN-1)
}

// tagPlatforms gives each platform its own tag beside the version's. Whoever
// has the version has these too.
func (m *merging) tagPlatforms(ctx context.Context, version string) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range m.children {
		g.Go(func() error {
			tag := version + "-" + c.Platform.Dashed()
			winner, err := m.Registry.PutOnce(ctx, m.repo, c.raw, c.desc.MediaType, tag)
			if err == nil && winner != c.desc.Digest {
				_, err = m.Registry.PutManifest(ctx, m.repo, c.raw, c.desc.MediaType, tag)
			}
			return err
		})
	}
	return g.Wait()
}

// giveBack makes the platforms' tags of a version that was lost to another
// merge agree with that merge's index, in case this one wrote them last.
func (m *merging) giveBack(ctx context.Context, version string) error {
	raw, _, err := m.Registry.Manifest(ctx, m.repo, version)
	if err != nil {
		return err
	}
	var idx v1.IndexManifest
	if err := json.Unmarshal(raw, &idx); err != nil {
		return fmt.Errorf("reading %s:%s: %w", m.repo, version, err)
	}
	for _, d := range idx.Manifests {
		if d.Platform == nil {
			continue
		}
		tag := version + "-" + model.Platform{OS: d.Platform.OS, Arch: d.Platform.Architecture}.Dashed()
		if err := m.Registry.MoveTag(ctx, m.repo, model.Digest(d.Digest.String()), tag); err != nil {
			return err
		}
	}
	return nil
}

// tagIdentity marks the index by what it is made of. A mark on an index whose
// version was lost is moved.
func (m *merging) tagIdentity(ctx context.Context, out published) error {
	tag := model.IdentityTag(m.identity)
	winner, err := m.Registry.PutOnce(ctx, m.repo, out.raw, registry.IndexMediaType, tag)
	if err == nil && winner != out.digest {
		_, err = m.Registry.PutManifest(ctx, m.repo, out.raw, registry.IndexMediaType, tag)
	}
	return err
}

// encode is the index's bytes: the same for the same platforms, version and
// commit.
func (m *merging) encode(version string) ([]byte, error) {
	date, err := time.Parse("2006.01.02", m.plan.Date)
	if err != nil {
		return nil, fmt.Errorf("merging %s: the plan's date: %w", name(m.index), err)
	}
	annotations := map[string]string{
		AnnotationKey:     m.identity.String(),
		annotationVersion: version,
		annotationCreated: date.Format(time.RFC3339),
		annotationTitle:   m.index.Image,
	}
	maps.Copy(annotations, filled(map[string]string{annotationRevision: m.plan.To.Commit, annotationTree: m.plan.To.Tree}))
	idx := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Annotations: annotations}
	for _, c := range m.children {
		h, err := v1.NewHash(c.desc.Digest.String())
		if err != nil {
			return nil, err
		}
		idx.Manifests = append(idx.Manifests, v1.Descriptor{
			MediaType: types.MediaType(c.desc.MediaType), Digest: h, Size: c.desc.Size,
			Platform:    &v1.Platform{OS: c.Platform.OS, Architecture: c.Platform.Arch},
			Annotations: map[string]string{AnnotationKey: c.Key.String()},
		})
	}
	return json.Marshal(idx)
}

// filled is m without its empty values.
func filled(m map[string]string) map[string]string {
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	return m
}

// receipt is what the merge did. Its inputs name each platform's manifest and
// the receipts that speak for it, so that a promotion can check them again.
func (m *merging) receipt(out published) model.Receipt {
	r := model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepMerge, StepKey: model.MergeStepKey(m.identity), Status: model.ReceiptPassed,
		Image: m.index.Image, Tag: m.index.Tag, Variant: m.index.Variant, Key: m.identity, Generation: m.parts[0].Generation,
		Digest: out.digest, VersionTag: out.version, UpdatedAt: m.Now().UTC().Format(time.RFC3339),
	}
	if m.before.Digest == out.digest { // only the tests are others
		r.UpdatedAt = m.before.UpdatedAt
	}
	for _, c := range m.children {
		r.Inputs = append(r.Inputs, model.MergeInputs(c.Platform, c.desc.Digest, buildKey(c), testKey(c))...)
	}
	return r
}
