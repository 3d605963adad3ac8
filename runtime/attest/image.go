package attest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// The annotations of an index that say what it was merged from.
const (
	annotationRevision = "org.opencontainers.image.revision"
	annotationVersion  = "org.opencontainers.image.version"
)

// Image is a published index and what its receipts say, as the registry has
// it. What it lacks is the zero value.
type Image struct {
	Repo      string
	Digest    model.Digest
	Revision  string        // commit that it was merged from
	Version   string        // its version tag
	Identity  model.Digest  // what it is made of
	Merge     model.Receipt // of its merge
	Platforms []Platform    // none for the manifest of one platform alone
}

// Platform is one platform of an image.
type Platform struct {
	Platform model.Platform
	Digest   model.Digest
	Key      model.Digest
	Build    model.Receipt
	Test     model.Receipt
}

// Digests are those of the index and of its platforms, in this order.
func (i *Image) Digests() []model.Digest {
	out := []model.Digest{i.Digest}
	for _, p := range i.Platforms {
		out = append(out, p.Digest)
	}
	return out
}

// Read reads an image from the registry: its index, and the receipts that the
// index leads to. A receipt that does not speak of just these digests does not
// count.
func Read(ctx context.Context, c *registry.Client, repo string, digest model.Digest) (*Image, error) {
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return nil, err
	}
	out := &Image{Repo: repo, Digest: digest}
	if !d.IsIndex() {
		return out, nil
	}
	var idx v1.IndexManifest
	if err := json.Unmarshal(raw, &idx); err != nil {
		return nil, fmt.Errorf("reading %s@%s: %w", repo, digest, err)
	}
	out.Revision, out.Version, out.Identity = idx.Annotations[annotationRevision], idx.Annotations[annotationVersion], model.Digest(idx.Annotations[index.AnnotationKey])
	out.Platforms = platforms(idx)
	return out, out.receipts(ctx, c)
}

func platforms(idx v1.IndexManifest) (out []Platform) {
	for _, m := range idx.Manifests {
		if m.Platform == nil || m.Platform.OS == "unknown" { // what other builders attach in the index itself
			continue
		}
		out = append(out, Platform{
			Platform: model.Platform{OS: m.Platform.OS, Arch: m.Platform.Architecture},
			Digest:   model.Digest(m.Digest.String()), Key: model.Digest(m.Annotations[index.AnnotationKey]),
		})
	}
	return out
}

func platformsOf(raw []byte) ([]Platform, error) {
	var idx v1.IndexManifest
	err := json.Unmarshal(raw, &idx)
	return platforms(idx), err
}

// receipts reads those that the merge's names.
func (i *Image) receipts(ctx context.Context, c *registry.Client) error {
	if !i.Identity.Valid() {
		return nil
	}
	merge, found, err := c.Receipt(ctx, i.Repo, model.ReceiptTag(model.StepMerge, model.MergeStepKey(i.Identity)))
	if err != nil || !found || merge.Digest != i.Digest {
		return err
	}
	i.Merge = merge
	named := map[string]model.Digest{}
	for _, m := range merge.Inputs {
		named[m.Name] = m.Digest
	}
	for n := range i.Platforms {
		p := &i.Platforms[n]
		for step, into := range map[string]*model.Receipt{model.StepBuild: &p.Build, model.StepTest: &p.Test} {
			key := named[step+" "+p.Platform.String()]
			if !key.Valid() || named[p.Platform.String()] != p.Digest {
				continue
			}
			r, found, err := c.Receipt(ctx, i.Repo, model.ReceiptTag(step, key))
			if err != nil {
				return err
			}
			if found && r.Digest == p.Digest {
				*into = r
			}
		}
	}
	return nil
}

// Locate finds the digest that a reference, "host/path:tag" or
// "host/path@sha256:...", stands for; the error wraps registry.ErrAbsent where
// it is not there.
func Locate(ctx context.Context, c *registry.Client, ref string) (repo string, digest model.Digest, err error) {
	if repo, hash, found := strings.Cut(ref, "@"); found {
		digest, err := model.ParseDigest(hash)
		if host, path, _ := strings.Cut(repo, "/"); err == nil {
			path, _, _ = strings.Cut(path, ":")
			repo = host + "/" + path
		}
		return repo, digest, err
	}
	host, path, found := strings.Cut(ref, "/")
	if !found {
		return "", "", errors.New("a reference begins with a registry's host")
	}
	path, tag, found := strings.Cut(path, ":")
	if !found {
		return "", "", fmt.Errorf("the reference %s has neither a tag nor a digest", ref)
	}
	repo = host + "/" + path
	d, there, err := c.Resolve(ctx, repo, tag)
	if err == nil && !there {
		err = fmt.Errorf("reading %s: %w", ref, registry.ErrAbsent)
	}
	return repo, d.Digest, err
}
