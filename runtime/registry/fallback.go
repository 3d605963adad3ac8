package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// A registry that does not list artifacts by their subject gets an index of
// them under the tag "sha256-<hex of the subject>", which other programs read
// too. Two writers that read it at once and then write it lose one of their
// two entries, and no registry can prevent that. So each artifact of ours has
// a tag of its own beside it, "sha256-<hex>.<16 digits of its own digest>",
// which has one writer; the index is only what is read first, and is mended by
// whoever writes next.

// FallbackTag is the tag of the index of what is about a manifest.
func FallbackTag(subject model.Digest) string { return "sha256-" + subject.Hex() }

// fallbackDigits is how much of an artifact's digest its tag has.
const fallbackDigits = 16

func ownTag(subject, artifact model.Digest) string {
	return FallbackTag(subject) + "." + artifact.Hex()[:fallbackDigits]
}

// ParseFallbackTag tells which manifest a tag of this file's is about: that of
// an index, or of one artifact.
func ParseFallbackTag(tag string) (subject model.Digest, ok bool) {
	rest, found := strings.CutPrefix(tag, "sha256-")
	if !found || len(rest) < 64 {
		return "", false
	}
	subject, rest = model.Digest("sha256:"+rest[:64]), rest[64:]
	own := len(rest) == 1+fallbackDigits && rest[0] == '.' && strings.Trim(rest[1:], "0123456789abcdef") == ""
	return subject, subject.Valid() && (rest == "" || own)
}

// listByTag gives an artifact its tag and puts it into the index.
func (c *Client) listByTag(ctx context.Context, repo string, a Artifact, raw []byte) error {
	digest := model.DigestOf(raw)
	if _, err := c.PutManifest(ctx, repo, raw, ManifestMediaType, ownTag(a.Subject, digest)); err != nil {
		return err
	}
	select { // within one process nothing need be mended
	case c.fallback <- struct{}{}:
		defer func() { <-c.fallback }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	list, err := c.listedByTag(ctx, repo, a.Subject)
	if err != nil {
		return err
	}
	before := len(list)
	if !has(list, digest) {
		list = append(list, v1.Descriptor{
			MediaType: types.OCIManifestSchema1, Digest: hash(digest), Size: int64(len(raw)), ArtifactType: a.Type, Annotations: a.Annotations,
		})
	} else if indexed, err := c.fallbackIndex(ctx, repo, a.Subject); err != nil || len(indexed) == before {
		return err
	}
	slices.SortFunc(list, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	idx, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: list})
	if err != nil {
		return err
	}
	_, err = c.PutManifest(ctx, repo, idx, IndexMediaType, FallbackTag(a.Subject))
	return err
}

// listedByTag is what the index names, and what only has its own tag.
func (c *Client) listedByTag(ctx context.Context, repo string, subject model.Digest) ([]v1.Descriptor, error) {
	list, err := c.fallbackIndex(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	tags, err := c.ownTags(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		short := tag[strings.LastIndexByte(tag, '.')+1:]
		if slices.ContainsFunc(list, func(d v1.Descriptor) bool { return strings.HasPrefix(d.Digest.Hex, short) }) {
			continue
		}
		d, err := c.lost(ctx, repo, tag, subject)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

func has(list []v1.Descriptor, digest model.Digest) bool {
	return slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Digest.String() == digest.String() })
}

// fallbackIndex reads the index; none where there is none.
func (c *Client) fallbackIndex(ctx context.Context, repo string, subject model.Digest) ([]v1.Descriptor, error) {
	raw, d, err := c.Manifest(ctx, repo, FallbackTag(subject))
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !d.IsIndex() {
		return nil, fmt.Errorf("%s is no index", join(repo, FallbackTag(subject)))
	}
	idx, err := decodeIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", join(repo, FallbackTag(subject)), err)
	}
	return idx.Manifests, nil
}

// lost reads the artifact of a tag, which the index does not name.
func (c *Client) lost(ctx context.Context, repo, tag string, subject model.Digest) (v1.Descriptor, error) {
	raw, d, err := c.Manifest(ctx, repo, tag)
	if err != nil {
		return v1.Descriptor{}, err
	}
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return v1.Descriptor{}, fmt.Errorf("reading %s: %w", join(repo, tag), err)
	}
	if a.Subject == nil || a.Subject.Digest.String() != subject.String() || ownTag(subject, d.Digest) != tag {
		return v1.Descriptor{}, fmt.Errorf("%s is not about %s", join(repo, tag), subject)
	}
	return v1.Descriptor{MediaType: types.MediaType(d.MediaType), Digest: hash(d.Digest), Size: d.Size, ArtifactType: a.ArtifactType, Annotations: a.Annotations}, nil
}

// ownTags lists the artifacts' tags about a manifest. Where the registry lists
// in lexical order it reads only the part in which they lie; see seek.
func (c *Client) ownTags(ctx context.Context, repo string, subject model.Digest) ([]string, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return nil, err
	}
	prefix := FallbackTag(subject) + "."
	mine := func(tag string) bool {
		s, ok := ParseFallbackTag(tag)
		return !ok || s != subject || !strings.HasPrefix(tag, prefix)
	}
	var tags []string
	from := prefix[:len(prefix)-2] // before the index's own tag: a list that begins there is not empty
	for range maxTagPages {
		if c.unordered(r) {
			break
		}
		page, err := c.tagPage(ctx, r, "&last="+url.QueryEscape(from))
		if refusedSeek(err) || c.absent(err) || err == nil && !follows(from, page.tags) {
			break
		}
		if err != nil {
			return nil, err
		}
		tags = append(tags, page.tags...)
		from = tags[len(tags)-1]
		if page.next == "" && len(page.tags) < pageSize || from > prefix+"g" {
			return slices.DeleteFunc(tags, mine), nil
		}
	}
	tags, err = c.allTags(ctx, r)
	return slices.DeleteFunc(tags, mine), err
}
