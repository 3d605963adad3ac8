// Package earlier reads what a registry has of an image from earlier runs:
// its newest version, what that weighs and holds, and how long it took to make.
package earlier

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Version is an index that lies under a version tag.
type Version struct {
	Repository string // "host/path"
	Tag        string
	Digest     model.Digest
	Images     []Image // in the order of the index

	identity model.Digest // what it is made of; empty where it does not say
}

// Image is one platform of a version.
type Image struct {
	Platform model.Platform
	Digest   model.Digest
	Size     int64 // bytes that are fetched for it: manifest, configuration and layers
	Layers   []Layer
}

// Layer is one layer of an image.
type Layer struct {
	Digest    model.Digest
	Size      int64 // compressed, in bytes
	MediaType string
}

// Image is the one for a platform, nil where there is none.
func (v *Version) Image(p model.Platform) *Image {
	for n := range v.Images {
		if v.Images[n].Platform == p {
			return &v.Images[n]
		}
	}
	return nil
}

// Home is where the versions lie that a plan's are compared with: those of
// requests with what is merged.
func Home(p *model.Plan) string { return cmp.Or(p.ReadPrefix, p.Prefix) }

// Newest finds the newest version of an index that has another digest than
// except; false where there is none.
func Newest(ctx context.Context, c *registry.Client, p *model.Plan, i *model.Index, except model.Digest) (*Version, bool, error) {
	repo := Home(p) + "/" + i.Repository
	tags, err := c.Tags(ctx, repo)
	if err != nil {
		return nil, false, err
	}
	for _, tag := range newestFirst(tags, i.ID()) {
		raw, d, err := c.Manifest(ctx, repo, tag)
		if errors.Is(err, registry.ErrAbsent) || err == nil && (d.Digest == except || !d.IsIndex()) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		v, err := read(ctx, c, repo, tag, raw)
		return v, err == nil, err
	}
	return nil, false, nil
}

// At reads the version under a tag.
func At(ctx context.Context, c *registry.Client, repo, tag string) (*Version, error) {
	raw, _, err := c.Manifest(ctx, repo, tag)
	if err != nil {
		return nil, err
	}
	return read(ctx, c, repo, tag, raw)
}

// newestFirst are the version tags of a node: its tag, a date and, from the
// second version of a day on, a number.
func newestFirst(tags []string, node model.TargetID) []string {
	stem := node.Tag
	if node.Variant != "" {
		stem += "-" + node.Variant
	}
	form := regexp.MustCompile("^" + regexp.QuoteMeta(stem) + `-(\d{4}\.\d{2}\.\d{2})(?:\.([1-9]\d{0,3}))?$`)
	type version struct {
		tag, date string
		n         int
	}
	var found []version
	for _, tag := range tags {
		if m := form.FindStringSubmatch(tag); m != nil {
			n, _ := strconv.Atoi(m[2]) // none is 0
			found = append(found, version{tag, m[1], n})
		}
	}
	slices.SortFunc(found, func(a, b version) int { return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.n, a.n)) })
	out := make([]string, len(found))
	for n, v := range found {
		out[n] = v.tag
	}
	return out
}

// read reads the platforms of an index.
func read(ctx context.Context, c *registry.Client, repo, tag string, raw []byte) (*Version, error) {
	var idx v1.IndexManifest
	if err := json.Unmarshal(raw, &idx); err != nil {
		return nil, fmt.Errorf("reading %s:%s: %w", repo, tag, err)
	}
	v := &Version{Repository: repo, Tag: tag, Digest: model.DigestOf(raw), identity: model.Digest(idx.Annotations[index.AnnotationKey])}
	for _, d := range idx.Manifests {
		if d.Platform == nil || d.Platform.OS == "unknown" { // provenance that another program put beside
			continue
		}
		v.Images = append(v.Images, Image{
			Platform: model.Platform{OS: d.Platform.OS, Arch: d.Platform.Architecture}, Digest: model.Digest(d.Digest.String()),
		})
	}
	g, ctx := errgroup.WithContext(ctx)
	for n := range v.Images {
		g.Go(func() error { return v.Images[n].weigh(ctx, c, repo) })
	}
	return v, g.Wait()
}

func (i *Image) weigh(ctx context.Context, c *registry.Client, repo string) error {
	raw, _, err := c.Manifest(ctx, repo, i.Digest.String())
	if err != nil {
		return err
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("reading %s@%s: %w", repo, i.Digest, err)
	}
	i.Size = int64(len(raw)) + m.Config.Size
	for _, l := range m.Layers {
		i.Size += l.Size
		i.Layers = append(i.Layers, Layer{Digest: model.Digest(l.Digest.String()), Size: l.Size, MediaType: string(l.MediaType)})
	}
	return nil
}
