// Package notes says what differs between two states of a channel: images,
// digests, packages and findings, from what lies beside the images in their
// registry. Written as Markdown that is the body of a release.
package notes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// The kinds of difference.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Notes are the differences between two documents.
type Notes struct {
	Commits [2]string `json:"commits"` // of the documents; empty for a work tree
	Same    int       `json:"same"`    // images that do not differ
	Images  []Image   `json:"images"`  // that do, sorted by id
	Fixed   []Fixed   `json:"fixed"`   // of the later document: what nobody scans or judges, sorted by id
}

// Fixed is a reference that is somebody else's.
type Fixed struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
}

// Image is an image that differs.
type Image struct {
	ID        string       `json:"id"`
	Label     string       `json:"label"`
	Kind      string       `json:"kind"`
	From      string       `json:"from,omitempty"` // reference
	To        string       `json:"to,omitempty"`
	Was       model.Digest `json:"was,omitempty"` // of the index
	Is        model.Digest `json:"is,omitempty"`
	Platforms []Platform   `json:"platforms,omitempty"` // of a changed one; sorted
}

// Platform is what changed inside one platform of an image.
type Platform struct {
	Platform string           `json:"platform"`
	Listed   bool             `json:"listed"` // whether the packages of both are known
	Packages []sbom.Change    `json:"packages"`
	Findings *scan.Difference `json:"findings,omitempty"`
	Unknown  []string         `json:"unknown,omitempty"` // what could not be compared, one clause each
}

// inParallel bounds how many platforms are read at once.
const inParallel = 8

// Compare reads what is beside the images of both documents. What is not there
// is said, and no failure.
func Compare(ctx context.Context, c *registry.Client, from, to *manifest.Document) (Notes, error) {
	n := Notes{Commits: [2]string{from.Commit, to.Commit}, Images: []Image{}, Fixed: []Fixed{}}
	for _, is := range to.Images {
		if is.Digest == "" {
			n.Fixed = append(n.Fixed, Fixed{ID: is.ID, Reference: is.Image})
		}
		was, had := from.Find(is.ID)
		switch {
		case !had:
			n.Images = append(n.Images, Image{ID: is.ID, Label: is.Label, Kind: Added, To: is.Image, Is: model.Digest(is.Digest)})
		case was.Digest != is.Digest || is.Digest == "" && was.Image != is.Image:
			n.Images = append(n.Images, Image{
				ID: is.ID, Label: is.Label, Kind: Changed, From: was.Image, To: is.Image, Was: model.Digest(was.Digest), Is: model.Digest(is.Digest),
				Platforms: platforms(was, is),
			})
		default:
			n.Same++
		}
	}
	for _, was := range from.Images {
		if _, stays := to.Find(was.ID); !stays {
			n.Images = append(n.Images, Image{ID: was.ID, Label: was.Label, Kind: Removed, From: was.Image, Was: model.Digest(was.Digest)})
		}
	}
	slices.SortFunc(n.Fixed, func(a, b Fixed) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(n.Images, func(a, b Image) int { return cmp.Compare(a.ID, b.ID) })
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for i := range n.Images {
		image := &n.Images[i]
		was, _ := from.Find(image.ID)
		is, _ := to.Find(image.ID)
		for k := range image.Platforms {
			p := &image.Platforms[k]
			g.Go(func() error { return p.compare(ctx, c, was, is) })
		}
	}
	return n, g.Wait()
}

// platforms are those that both images have.
func platforms(was, is manifest.Image) []Platform {
	var out []Platform
	for _, p := range slices.Sorted(maps.Keys(is.Platforms)) {
		if was.Platforms[p] != "" && was.Platforms[p] != is.Platforms[p] {
			out = append(out, Platform{Platform: p, Packages: []sbom.Change{}})
		}
	}
	return out
}

func (p *Platform) compare(ctx context.Context, c *registry.Client, was, is manifest.Image) error {
	before, known, err := packages(ctx, c, was, p.Platform)
	if err != nil {
		return err
	}
	after, alsoKnown, err := packages(ctx, c, is, p.Platform)
	if err != nil {
		return err
	}
	if p.Listed = known && alsoKnown; p.Listed {
		p.Packages = append(p.Packages, sbom.Diff(before, after)...)
	} else {
		p.Unknown = append(p.Unknown, "there is no list of the packages of both")
	}
	old, known, err := findings(ctx, c, was, p.Platform)
	if err != nil {
		return err
	}
	now, alsoKnown, err := findings(ctx, c, is, p.Platform)
	if err != nil {
		return err
	}
	if known && alsoKnown {
		d := scan.Diff(old, now)
		p.Findings = &d
	} else {
		p.Unknown = append(p.Unknown, "there is no scan of both")
	}
	return nil
}

// repository is where an image lies, empty for a reference that is not ours.
func repository(e manifest.Image) string {
	repo, found := strings.CutSuffix(e.Image, ":"+e.VersionTag)
	if !found || e.Repository == "" || !strings.HasSuffix(repo, "/"+e.Repository) {
		return ""
	}
	return repo
}

// packages reads the newest list that is understood; false where there is none.
func packages(ctx context.Context, c *registry.Client, e manifest.Image, platform string) ([]sbom.Package, bool, error) {
	repo, digest := repository(e), e.Platforms[platform]
	if repo == "" {
		return nil, false, nil
	}
	for _, format := range []string{sbom.CycloneDX, sbom.Syft} {
		found, err := c.Artifacts(ctx, repo, digest, sbom.MediaType(format))
		if err != nil {
			return nil, false, err
		}
		for _, f := range found {
			body, subject, _, err := c.ReadArtifact(ctx, repo, f.Digest, sbom.MaxDocument)
			if errors.Is(err, registry.ErrAbsent) || err == nil && subject != digest {
				continue
			}
			if err != nil {
				return nil, false, err
			}
			if list, err := sbom.Packages(body); err == nil {
				return list, true, nil
			}
		}
	}
	return nil, false, nil
}

// findings are those of the newest scans of all sources.
func findings(ctx context.Context, c *registry.Client, e manifest.Image, platform string) ([]model.Finding, bool, error) {
	repo, digest := repository(e), e.Platforms[platform]
	if repo == "" {
		return nil, false, nil
	}
	scans, err := scan.Store{Registry: c}.Newest(ctx, repo, digest)
	if err != nil {
		return nil, false, err
	}
	var all []model.Finding
	for _, s := range scans {
		all = append(all, s.Findings...)
	}
	return all, len(scans) > 0, nil
}

// short is a commit as people read it.
func short(commit string) string { return commit[:min(12, len(commit))] }

// title is a heading of the notes.
func (n Notes) title() string {
	if n.Commits[0] == "" || n.Commits[1] == "" || n.Commits[0] == n.Commits[1] {
		return "Images"
	}
	return fmt.Sprintf("Images, %s to %s", short(n.Commits[0]), short(n.Commits[1]))
}
