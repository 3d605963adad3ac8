package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The most that is read of one answer.
const (
	maxManifest = 4 << 20
	maxConfig   = 8 << 20
)

// Descriptor is what a reference stands for.
type Descriptor struct {
	Digest    model.Digest
	Size      int64 // of the manifest, in bytes
	MediaType string
}

// IsIndex tells an index from the manifest of one platform.
func (d Descriptor) IsIndex() bool { return types.MediaType(d.MediaType).IsIndex() }

var accepted = strings.Join([]string{
	string(types.OCIImageIndex), string(types.OCIManifestSchema1), string(types.DockerManifestList), string(types.DockerManifestSchema2),
}, ", ")

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// checkReference tells why ref is neither a tag nor a digest.
func checkReference(ref string) error {
	if !tagForm.MatchString(ref) && !model.Digest(ref).Valid() {
		return fmt.Errorf("invalid reference %q: expected a tag or a digest", ref)
	}
	return nil
}

// Resolve asks what a tag or digest stands for; false when it is not there.
func (c *Client) Resolve(ctx context.Context, repo, ref string) (Descriptor, bool, error) {
	d, err := c.resolve(ctx, repo, ref)
	if c.absent(err) {
		return Descriptor{}, false, nil
	}
	return d, err == nil, err
}

// Withdrawn tells whether somebody has marked a digest of a repository as
// withdrawn. That there is no mark means that the digest may be used: so a
// registry that refuses to say is an error, also with Bootstrap, unless it
// refuses to say anything of a repository that has no such digest.
func (c *Client) Withdrawn(ctx context.Context, repo string, digest model.Digest) (bool, error) {
	_, err := c.resolve(ctx, repo, model.WithdrawalTag(digest))
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	if c.absent(err) {
		_, of := c.resolve(ctx, repo, digest.String())
		if _, denied := errors.AsType[*Denied](of); denied {
			return false, nil
		}
	}
	return err == nil, err
}

// resolve is Resolve with an error for what is not there.
func (c *Client) resolve(ctx context.Context, repo, ref string) (Descriptor, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return Descriptor{}, err
	}
	if err := checkReference(ref); err != nil {
		return Descriptor{}, err
	}
	var d Descriptor
	err = c.tryShort(ctx, "resolving "+join(repo, ref), func(ctx context.Context) error {
		s, err := c.session(ctx, r, false)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodHead, s.url+"/manifests/"+ref, "", nil)
		if err != nil {
			return err
		}
		defer drain(resp)
		if err := transport.CheckError(resp, http.StatusOK); err != nil {
			return err
		}
		d = Descriptor{
			Digest:    model.Digest(resp.Header.Get("Docker-Content-Digest")),
			Size:      resp.ContentLength,
			MediaType: mediaType(resp),
		}
		if d.Digest.Valid() && d.Size >= 0 && d.MediaType != "" {
			return nil
		}
		_, d, err = s.manifest(ctx, ref) // a registry that tells less than it should
		return err
	})
	if err == nil && model.Digest(ref).Valid() && d.Digest != model.Digest(ref) {
		return Descriptor{}, fmt.Errorf("resolving %s: the registry answers for %s", join(repo, ref), d.Digest)
	}
	return d, err
}

// Manifest reads the raw manifest or index; the error wraps ErrAbsent when it
// is not there.
func (c *Client) Manifest(ctx context.Context, repo, ref string) ([]byte, Descriptor, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return nil, Descriptor{}, err
	}
	if err := checkReference(ref); err != nil {
		return nil, Descriptor{}, err
	}
	var raw []byte
	var d Descriptor
	err = c.tryShort(ctx, "reading "+join(repo, ref), func(ctx context.Context) error {
		s, err := c.session(ctx, r, false)
		if err != nil {
			return err
		}
		raw, d, err = s.manifest(ctx, ref)
		return err
	})
	if c.absent(err) {
		err = fmt.Errorf("reading %s: %w", join(repo, ref), ErrAbsent)
	}
	return raw, d, err
}

func (s *session) manifest(ctx context.Context, ref string) ([]byte, Descriptor, error) {
	resp, err := s.do(ctx, http.MethodGet, s.url+"/manifests/"+ref, "", nil)
	if err != nil {
		return nil, Descriptor{}, err
	}
	defer drain(resp)
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, Descriptor{}, err
	}
	raw, err := readBounded(resp.Body, maxManifest)
	if err != nil {
		return nil, Descriptor{}, err
	}
	d := Descriptor{Digest: model.DigestOf(raw), Size: int64(len(raw)), MediaType: mediaType(resp)}
	want := model.Digest(resp.Header.Get("Docker-Content-Digest"))
	if model.Digest(ref).Valid() {
		want = model.Digest(ref)
	}
	if want.Valid() && want != d.Digest {
		return nil, Descriptor{}, fmt.Errorf("%w: manifest %s has the digest %s", errGarbled, ref, d.Digest)
	}
	return raw, d, nil
}

// Config reads the configuration of one platform's image.
func (c *Client) Config(ctx context.Context, repo string, digest model.Digest) (*v1.ConfigFile, error) {
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return nil, err
	}
	if d.IsIndex() {
		return nil, fmt.Errorf("reading the configuration of %s: it is an index", join(repo, digest.String()))
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", join(repo, digest.String()), err)
	}
	body, err := c.Blob(ctx, repo, model.Digest(m.Config.Digest.String()), maxConfig)
	if err != nil {
		return nil, err
	}
	config, err := v1.ParseConfigFile(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", join(repo, digest.String()), err)
	}
	return config, nil
}

// Blob reads one small blob, of at most limit bytes; the error wraps ErrAbsent
// when it is not there.
func (c *Client) Blob(ctx context.Context, repo string, digest model.Digest, limit int64) ([]byte, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return nil, err
	}
	if !digest.Valid() {
		return nil, fmt.Errorf("invalid digest %q", digest)
	}
	var body []byte
	err = c.tryShort(ctx, "reading blob "+join(repo, digest.String()), func(ctx context.Context) error {
		s, err := c.session(ctx, r, false)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodGet, s.url+"/blobs/"+digest.String(), "", nil)
		if err != nil {
			return err
		}
		defer drain(resp)
		if err := transport.CheckError(resp, http.StatusOK); err != nil {
			return err
		}
		if body, err = readBounded(resp.Body, limit); err != nil {
			return err
		}
		if got := model.DigestOf(body); got != digest {
			return fmt.Errorf("%w: blob %s has the digest %s", errGarbled, digest, got)
		}
		return nil
	})
	if c.absent(err) {
		err = fmt.Errorf("reading blob %s: %w", join(repo, digest.String()), ErrAbsent)
	}
	return body, err
}

// absent tells whether a failed reading means that the thing is not there.
func (c *Client) absent(err error) bool {
	var d *Denied
	return status(err) == http.StatusNotFound || c.o.Bootstrap && errors.As(err, &d)
}

// do sends one request. body may be nil.
func (s *session) do(ctx context.Context, method, at, contentType string, body []byte) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accepted)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return s.client.Do(req)
}

// drain lets the connection be used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // what is longer is not worth it
	_ = resp.Body.Close()
}

func readBounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	return b, nil
}

func mediaType(resp *http.Response) string {
	t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(t)
}

// join is repo:tag or repo@digest.
func join(repo, ref string) string {
	if strings.Contains(ref, ":") {
		return repo + "@" + ref
	}
	return repo + ":" + ref
}
