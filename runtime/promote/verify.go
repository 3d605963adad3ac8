package promote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// verified is an image whose registry agrees with its entry.
type verified struct {
	entry     manifest.Image
	repo      string  // where it lies
	children  []child // by platform
	merge     model.Receipt
	materials []model.Material                  // that its platforms were built from
	receipts  []string                          // tags of what was done with its platforms
	index     piece                             // the index, as it is
	evidence  map[model.Digest][]registry.Found // what is about the index and each platform, the newest first
	verdicts  []model.PromotionVerdict
	tests     []model.PromotionTest
}

// piece is a manifest as it lies in a registry.
type piece struct {
	raw       []byte
	mediaType string
}

// child is one platform of an index.
type child struct {
	platform model.Platform
	digest   model.Digest
	key      model.Digest
}

// checking collects what is wrong with one image, for all of it to be said at
// once.
type checking struct {
	id      string
	refused []string
}

func (c *checking) refuse(format string, args ...any) {
	c.refused = append(c.refused, c.id+": "+fmt.Sprintf(format, args...))
}

// absent refuses a digest that is not in the registry; any other error stays
// one.
func (c *checking) absent(err error, digest model.Digest) error {
	if !errors.Is(err, registry.ErrAbsent) {
		return err
	}
	c.refuse("its digest %s is not in the registry", digest.Short())
	return nil
}

// verify reads an image from its registry again, and what speaks for it. What
// it lacks is returned as refusals; an error is a registry that does not
// answer.
func (s Step) verify(ctx context.Context, e manifest.Image, below string) (*verified, []string, error) {
	c := &checking{id: e.ID}
	repo, ok := s.repository(e, below)
	if !ok {
		c.refuse("its reference %s is not one of ours", e.Image)
		return nil, c.refused, nil
	}
	v := &verified{entry: e, repo: repo}
	digest := model.Digest(e.Digest)
	at, found, err := s.Registry.Resolve(ctx, repo, e.VersionTag)
	switch {
	case err != nil:
		return nil, nil, err
	case !found:
		c.refuse("its version %s is not in the registry", e.VersionTag)
		return nil, c.refused, nil
	case at.Digest != digest:
		c.refuse("its version %s stands for %s, not for %s", e.VersionTag, at.Digest.Short(), digest.Short())
		return nil, c.refused, nil
	}
	identity, err := s.readIndex(ctx, v, c, digest)
	if err != nil || len(c.refused) > 0 {
		return nil, c.refused, err
	}
	if err := s.readReceipts(ctx, v, c, identity, digest); err != nil {
		return nil, nil, err
	}
	for _, check := range []func(context.Context, *verified, *checking) error{s.evidence, s.signed} {
		if err := check(ctx, v, c); err != nil {
			return nil, nil, err
		}
	}
	return v, c.refused, nil
}

// digests are the index's and its platforms'.
func (v *verified) digests() []model.Digest {
	out := []model.Digest{model.Digest(v.entry.Digest)}
	for _, c := range v.children {
		out = append(out, c.digest)
	}
	return out
}

// repository takes an entry's reference apart, and checks that it lies where
// images of this fleet lie: below a prefix, empty is any.
func (s Step) repository(e manifest.Image, below string) (string, bool) {
	repo, tag, _ := strings.Cut(strings.TrimPrefix(e.Image, hostOf(e.Image)), ":")
	repo = hostOf(e.Image) + repo
	prefix, found := strings.CutSuffix(repo, "/"+e.Repository)
	return repo, found && e.Repository != "" && tag == e.VersionTag && tag != "" && (below == "" || below == prefix)
}

// hostOf is the part of a reference up to its first slash, where a colon
// begins a port and not a tag.
func hostOf(ref string) string {
	host, _, _ := strings.Cut(ref, "/")
	return host
}

func (s Step) readIndex(ctx context.Context, v *verified, c *checking, digest model.Digest) (identity model.Digest, err error) {
	raw, d, err := s.Registry.Manifest(ctx, v.repo, digest.String())
	if err != nil {
		return "", c.absent(err, digest)
	}
	idx, ok := decodeIndex(raw, d)
	if !ok {
		c.refuse("its digest %s is no index", digest.Short())
		return "", nil
	}
	v.index = piece{raw, d.MediaType}
	there := map[string]model.Digest{}
	for _, m := range idx.Manifests {
		if m.Platform == nil || m.MediaType.IsIndex() { // it would be copied, and nobody would have looked at it
			c.refuse("its index names %s, which is no platform's manifest", model.Digest(m.Digest.String()).Short())
			continue
		}
		p := model.Platform{OS: m.Platform.OS, Arch: m.Platform.Architecture}
		there[p.String()] = model.Digest(m.Digest.String())
		v.children = append(v.children, child{platform: p, digest: model.Digest(m.Digest.String()), key: model.Digest(m.Annotations[index.AnnotationKey])})
	}
	if !maps.Equal(there, v.entry.Platforms) || len(there) == 0 {
		c.refuse("its platforms in the registry are %v, in the manifest %v", slices.Sorted(maps.Keys(there)), slices.Sorted(maps.Keys(v.entry.Platforms)))
	}
	return model.Digest(idx.Annotations[index.AnnotationKey]), nil
}

// decodeIndex reads an index, false for anything else.
func decodeIndex(raw []byte, d registry.Descriptor) (idx v1.IndexManifest, ok bool) {
	err := json.Unmarshal(raw, &idx)
	return idx, err == nil && d.IsIndex()
}

// readReceipts checks that the index was merged, and that each platform was
// built and tested, by receipts for exactly these digests.
func (s Step) readReceipts(ctx context.Context, v *verified, c *checking, identity, digest model.Digest) error {
	if !identity.Valid() {
		c.refuse("its index does not say what it is made of")
		return nil
	}
	merge, found, err := s.Registry.Receipt(ctx, v.repo, model.ReceiptTag(model.StepMerge, model.MergeStepKey(identity)))
	switch {
	case err != nil:
		return err
	case !found || merge.Digest != digest || merge.VersionTag != v.entry.VersionTag:
		c.refuse("there is no receipt of its merge")
		return nil
	}
	if of := (model.TargetID{Image: merge.Image, Tag: merge.Tag, Variant: merge.Variant}); v.entry.ID != merge.Image && v.entry.ID != of.Node() {
		c.refuse("its merge is that of %s", of.Node())
		return nil
	}
	v.merge = merge
	named := map[string]model.Digest{}
	for _, m := range merge.Inputs {
		named[m.Name] = m.Digest
	}
	for _, p := range v.children {
		for _, step := range []string{model.StepBuild, model.StepTest} {
			key := named[step+" "+p.platform.String()]
			if !key.Valid() || named[p.platform.String()] != p.digest {
				c.refuse("%s: its merge does not name the %s", p.platform, step)
				continue
			}
			tag := model.ReceiptTag(step, key)
			r, found, err := s.Registry.Receipt(ctx, v.repo, tag)
			if err != nil {
				return err
			}
			v.receipts = append(v.receipts, tag)
			if !found || r.Digest != p.digest {
				c.refuse("%s: there is no receipt of a passed %s", p.platform, step)
			}
			if step == model.StepBuild {
				v.materials = append(v.materials, r.Inputs...)
			} else {
				v.tests = append(v.tests, model.PromotionTest{Platform: p.platform.String(), Digest: p.digest, Receipt: tag, Run: r.Run})
			}
		}
	}
	return nil
}
