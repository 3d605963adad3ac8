package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// PushImage uploads an image by digest, without a tag. Blobs that the
// repository has already are not sent.
func (c *Client) PushImage(ctx context.Context, repo string, img v1.Image) (model.Digest, error) {
	h, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("reading the image for %s: %w", repo, err)
	}
	return c.push(ctx, repo, h, img)
}

// PushIndex uploads an index by digest, without a tag, and those of its
// children that the repository lacks.
func (c *Client) PushIndex(ctx context.Context, repo string, idx v1.ImageIndex) (model.Digest, error) {
	h, err := idx.Digest()
	if err != nil {
		return "", fmt.Errorf("reading the index for %s: %w", repo, err)
	}
	return c.push(ctx, repo, h, idx)
}

func (c *Client) push(ctx context.Context, repo string, h v1.Hash, what remote.Taggable) (model.Digest, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return "", err
	}
	digest := r.Digest(h.String())
	err = c.try(ctx, "pushing "+digest.String(), func(ctx context.Context) error {
		p, err := remote.NewPusher(c.options(ctx)...)
		if err != nil {
			return err
		}
		return p.Push(ctx, digest, what)
	})
	return model.Digest(h.String()), err
}

// options leave trying again to this package.
func (c *Client) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(c.o.Keychain), remote.WithTransport(c.base),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 1}),
		remote.WithRetryPredicate(func(error) bool { return false }), remote.WithRetryStatusCodes(),
	}
}

// PutManifest writes a manifest or an index, whose blobs and children are
// there already, under its digest, or under a tag when one is given. A tag
// moves.
func (c *Client) PutManifest(ctx context.Context, repo string, raw []byte, mediaType, tag string) (model.Digest, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return "", err
	}
	digest := model.DigestOf(raw)
	ref := tag
	if ref == "" {
		ref = digest.String()
	}
	if err := checkReference(ref); err != nil {
		return "", err
	}
	err = c.tryShort(ctx, "writing "+join(repo, ref), func(ctx context.Context) error {
		s, err := c.session(ctx, r, true)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodPut, s.url+"/manifests/"+ref, mediaType, raw)
		if err != nil {
			return err
		}
		defer drain(resp)
		return transport.CheckError(resp, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	})
	return digest, err
}

// TagOnce gives digest a tag that never moves, and returns what the tag stands
// for: digest, or what was there before it. Registries have no
// compare-and-swap, so two writers that both found the tag free can both
// write; the one who wrote last is read back by whoever reads afterwards.
// Callers therefore go on with the digest that is returned, and rely on what
// the tag says when it is next read rather than on what they wrote.
func (c *Client) TagOnce(ctx context.Context, repo string, digest model.Digest, tag string) (model.Digest, error) {
	d, found, err := c.Resolve(ctx, repo, tag)
	if err != nil || found {
		return d.Digest, err
	}
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return "", err
	}
	return c.putAndRead(ctx, repo, raw, d.MediaType, tag)
}

// PutOnce is TagOnce for a manifest that the caller has, and whose blobs and
// children are there already.
func (c *Client) PutOnce(ctx context.Context, repo string, raw []byte, mediaType, tag string) (model.Digest, error) {
	d, found, err := c.Resolve(ctx, repo, tag)
	if err != nil || found {
		return d.Digest, err
	}
	return c.putAndRead(ctx, repo, raw, mediaType, tag)
}

func (c *Client) putAndRead(ctx context.Context, repo string, raw []byte, mediaType, tag string) (model.Digest, error) {
	_, refused := c.PutManifest(ctx, repo, raw, mediaType, tag)
	if refused != nil && !refusedTag(refused) {
		return "", refused
	}
	d, found, err := c.Resolve(ctx, repo, tag)
	switch {
	case err == nil && !found && refused != nil:
		return "", refused
	case err == nil && !found:
		return "", fmt.Errorf("tagging %s: the registry has forgotten the tag", join(repo, tag))
	}
	return d.Digest, err
}

// refusedTag is a registry with immutable tags that was asked to move one.
func refusedTag(err error) bool {
	s := status(err)
	return s == http.StatusBadRequest || s == http.StatusConflict || s == http.StatusPreconditionFailed
}

// MoveTag gives digest a tag, wherever the tag was before.
func (c *Client) MoveTag(ctx context.Context, repo string, digest model.Digest, tag string) error {
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return err
	}
	_, err = c.PutManifest(ctx, repo, raw, d.MediaType, tag)
	return err
}

// Copy brings a manifest, or an index with all its children, from one
// repository to another, by digest. Within one registry blobs are mounted, not
// sent. What is there already is left alone.
func (c *Client) Copy(ctx context.Context, source, target string, digest model.Digest) error {
	if source == target {
		return nil
	}
	from, err := parseRepository(source)
	if err != nil {
		return err
	}
	to, err := parseRepository(target)
	if err != nil {
		return err
	}
	if _, found, err := c.Resolve(ctx, target, digest.String()); err != nil || found {
		return err
	}
	return c.try(ctx, fmt.Sprintf("copying %s to %s", join(source, digest.String()), target), func(ctx context.Context) error {
		if from.RegistryStr() == to.RegistryStr() {
			if err := c.mount(ctx, from, to, digest); !errors.Is(err, errNotMounted) {
				return err
			}
		}
		return c.copyOnce(ctx, from, to, digest)
	})
}

func (c *Client) copyOnce(ctx context.Context, from, to name.Repository, digest model.Digest) error {
	desc, err := remote.Get(from.Digest(digest.String()), c.options(ctx)...)
	if err != nil {
		return err
	}
	p, err := remote.NewPusher(c.options(ctx)...)
	if err != nil {
		return err
	}
	var what remote.Taggable
	if desc.MediaType.IsIndex() {
		what, err = desc.ImageIndex()
	} else {
		what, err = desc.Image()
	}
	if err != nil {
		return err
	}
	return p.Push(ctx, to.Digest(digest.String()), what)
}

// putBlob uploads one small blob.
func (s *session) putBlob(ctx context.Context, digest model.Digest, body []byte) error {
	resp, err := s.do(ctx, http.MethodPost, s.url+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	defer drain(resp)
	if err := transport.CheckError(resp, http.StatusAccepted, http.StatusCreated); err != nil {
		return err
	}
	at, err := uploadLocation(resp, digest)
	if err != nil {
		return err
	}
	put, err := s.do(ctx, http.MethodPut, at, "application/octet-stream", body)
	if err != nil {
		return err
	}
	defer drain(put)
	return transport.CheckError(put, http.StatusCreated, http.StatusNoContent)
}

// uploadLocation is where the registry wants the blob; it must not lead into
// a private network that is not the registry's own.
func uploadLocation(resp *http.Response, digest model.Digest) (string, error) {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return "", errors.Join(errGarbled, errors.New("no place to upload to"), err)
	}
	base := resp.Request.URL
	u = base.ResolveReference(u)
	if u.Host != base.Host && (u.Scheme != "https" || private(u.Hostname())) {
		return "", fmt.Errorf("refusing to upload to %s, which is not the registry %s", u.Host, base.Host)
	}
	q := u.Query()
	q.Set("digest", digest.String())
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// hasBlob asks whether the repository has a blob.
func (s *session) hasBlob(ctx context.Context, digest model.Digest) (bool, error) {
	resp, err := s.do(ctx, http.MethodHead, s.url+"/blobs/"+digest.String(), "", nil)
	if err != nil {
		return false, err
	}
	defer drain(resp)
	err = transport.CheckError(resp, http.StatusOK, http.StatusNotFound)
	return resp.StatusCode == http.StatusOK, err
}

// IndexMediaType and ManifestMediaType are what this program writes.
const (
	IndexMediaType    = string(types.OCIImageIndex)
	ManifestMediaType = string(types.OCIManifestSchema1)
)
