package promote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// release is a version tag taken apart: "3.13.1-slim-2026.11.21.2".
type release struct {
	base    string          // "3.13.1-slim"
	version *semver.Version // 3.13.1; nil for a base that has no order
	parts   int             // of the version that were written: 3
	suffix  string          // "-slim"; of what follows the version
	date    string          // "2026.11.21", empty where the tag has none
	n       int             // 2
}

var (
	dated     = regexp.MustCompile(`^(.+)-(\d{4}\.\d{2}\.\d{2})(?:\.(\d{1,4}))?$`)
	versioned = regexp.MustCompile(`^v?(\d{1,9}(?:\.\d{1,9}){0,2})((?:[._+-][A-Za-z0-9._+-]*)?)$`)
	early     = regexp.MustCompile(`(?i)^[._-]?(?:a|alpha|b|beta|c|dev|nightly|pre|preview|rc)(?:[._-]?\d+)*$`)
)

func parseRelease(tag string) release {
	r := release{base: tag}
	if m := dated.FindStringSubmatch(tag); m != nil {
		r.base, r.date = m[1], m[2]
		r.n, _ = strconv.Atoi(m[3]) // empty is the first
	}
	if m := versioned.FindStringSubmatch(r.base); m != nil {
		if v, err := semver.NewVersion(m[1]); err == nil {
			r.version, r.suffix, r.parts = v, m[2], 1+strings.Count(m[1], ".")
		}
	}
	return r
}

// compare orders releases of one repository and suffix, the oldest first.
func (r release) compare(o release) int {
	switch {
	case r.version != nil && o.version != nil:
		if c := r.version.Compare(o.version); c != 0 {
			return c
		}
	case r.version != nil:
		return 1
	case o.version != nil:
		return -1
	}
	return cmp.Or(cmp.Compare(r.date, o.date), cmp.Compare(r.n, o.n), strings.Compare(r.base, o.base))
}

// aliases are the tags that float over a release. An early one, such as a
// release candidate, is nobody's newest.
func (r release) aliases() []string {
	out := []string{r.base}
	if r.version == nil {
		return append(out, "latest")
	}
	if early.MatchString(r.suffix) {
		return out
	}
	if r.parts > 1 {
		out = append(out, strconv.FormatUint(r.version.Major(), 10)+r.suffix)
	}
	if r.parts > 2 {
		out = append(out, strconv.FormatUint(r.version.Major(), 10)+"."+strconv.FormatUint(r.version.Minor(), 10)+r.suffix)
	}
	if r.suffix == "" {
		return append(out, "latest")
	}
	if bare := strings.TrimLeft(r.suffix, "._+-"); bare != "" {
		out = append(out, bare)
	}
	return out
}

// wanted is where each alias of each repository should be, by a document.
func wanted(images []manifest.Image) map[string]map[string]manifest.Image {
	out := map[string]map[string]manifest.Image{}
	for _, e := range images {
		if e.Digest == "" || e.Repository == "" || e.VersionTag == "" {
			continue
		}
		if out[e.Repository] == nil {
			out[e.Repository] = map[string]manifest.Image{}
		}
		r := parseRelease(e.VersionTag)
		for _, alias := range r.aliases() {
			if alias == e.VersionTag {
				continue // it does not float
			}
			if held, taken := out[e.Repository][alias]; !taken || parseRelease(held.VersionTag).compare(r) < 0 {
				out[e.Repository][alias] = e
			}
		}
	}
	return out
}

// floatTries bounds how often the document may change while tags are moved.
const floatTries = 5

// float moves the floating tags of prod to where its document has them. Tags
// go to the proven images, and to others only if these have been promoted: the
// document may have what was merged by somebody and then refused. leave are
// digests that a tag may be taken from although they are of a higher version:
// those that were rolled back or withdrawn. Two promotions at once
// both move tags; the later one to end reads the document again, so that the
// tags are those of the document that stands.
func (s Step) float(ctx context.Context, d *manifest.Document, proven []manifest.Image, leave []model.Digest) error {
	if s.Prod == "" || d == nil {
		return nil
	}
	for range floatTries {
		if err := s.floatOnce(ctx, d, proven, leave); err != nil {
			return err
		}
		now, err := s.document(ctx, channel.Prod)
		if err != nil {
			return err
		}
		if now.Same(d) || now == nil {
			return nil
		}
		d = now
	}
	return nil // whoever changed it moves them
}

// document reads what a channel holds; nil where it was never written.
func (s Step) document(ctx context.Context, name string) (*manifest.Document, error) {
	b, _, err := s.Store.Read(ctx, name)
	if err != nil || b == nil {
		return nil, err
	}
	return manifest.Decode(b)
}

func (s Step) floatOnce(ctx context.Context, d *manifest.Document, proven []manifest.Image, leave []model.Digest) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	all := wanted(d.Images)
	for _, repository := range slices.Sorted(maps.Keys(all)) {
		for _, alias := range slices.Sorted(maps.Keys(all[repository])) {
			e := all[repository][alias]
			if e.Image != s.target(e)+":"+e.VersionTag {
				continue // it lies elsewhere
			}
			known := slices.ContainsFunc(proven, func(p manifest.Image) bool { return p.ID == e.ID && sameImage(p, e) })
			g.Go(func() error { return s.move(ctx, e, alias, known, leave) })
		}
	}
	return g.Wait()
}

// move gives an image a floating tag, unless a higher version has it or nobody
// knows that the image was ever promoted.
func (s Step) move(ctx context.Context, e manifest.Image, alias string, known bool, leave []model.Digest) error {
	repo := s.target(e)
	held, found, err := s.Registry.Resolve(ctx, repo, alias)
	if err != nil || found && held.Digest == model.Digest(e.Digest) {
		return err
	}
	if found && !slices.Contains(leave, held.Digest) {
		version, err := s.versionOf(ctx, repo, held.Digest)
		if err != nil {
			return err
		}
		if version != "" && parseRelease(version).compare(parseRelease(e.VersionTag)) > 0 {
			return nil
		}
	}
	if !known {
		if at, err := s.recorded(ctx, repo, e); err != nil || at.IsZero() {
			return err
		}
	}
	return s.Registry.MoveTag(ctx, repo, model.Digest(e.Digest), alias)
}

// versionOf is the version that an index says it is, empty for anything else.
func (s Step) versionOf(ctx context.Context, repo string, digest model.Digest) (string, error) {
	raw, _, err := s.Registry.Manifest(ctx, repo, digest.String())
	if errors.Is(err, registry.ErrAbsent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var idx v1.IndexManifest
	if json.Unmarshal(raw, &idx) != nil {
		return "", nil //nolint:nilerr // what is no index says no version
	}
	return idx.Annotations["org.opencontainers.image.version"], nil
}
