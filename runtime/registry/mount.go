package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// mounted is a copy within one registry, where no blob is sent: the target is
// told that it has the source's. One request a blob, and for each manifest one
// that reads and one that writes it.
type mounted struct {
	client   *Client
	from, to *session
	source   name.Repository
}

// errNotMounted is a registry that wants the bytes instead.
var errNotMounted = errors.New("the registry does not mount blobs of another repository")

// mount copies a manifest, or an index with its children, by mounting. It is
// errNotMounted where the registry does not do that.
func (c *Client) mount(ctx context.Context, from, to name.Repository, digest model.Digest) error {
	m, err := c.mounting(ctx, from, to)
	if err != nil {
		return err
	}
	return m.manifest(ctx, digest)
}

func (c *Client) mounting(ctx context.Context, from, to name.Repository) (*mounted, error) {
	read, err := c.session(ctx, from, false)
	if err != nil {
		return nil, err
	}
	write, err := c.mountSession(ctx, from, to)
	if err != nil {
		return nil, err
	}
	return &mounted{client: c, from: read, to: write, source: from}, nil
}

// mountSession may write to one repository and read another: a registry asks
// for both before it mounts.
func (c *Client) mountSession(ctx context.Context, from, to name.Repository) (*session, error) {
	s, err := c.session(ctx, to, true)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	ping := c.pings[to.RegistryStr()]
	both := c.sessions[sessionKey{to.Name() + " from " + from.Name(), true}]
	c.mu.Unlock()
	if both != nil {
		return both, nil
	}
	if ping == nil || !strings.EqualFold(ping.Scheme, "bearer") {
		return s, nil // it hands out no tokens for repositories
	}
	auth, err := authn.Resolve(ctx, c.o.Keychain, to)
	if err != nil {
		return nil, fmt.Errorf("reading credentials for %s: %w", to.RegistryStr(), err)
	}
	rt, err := transport.NewWithContext(ctx, to.Registry, auth, c.base, []string{to.Scope(transport.PushScope), from.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	both = &session{client: &http.Client{Transport: rt, CheckRedirect: checkRedirect}, url: s.url}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[sessionKey{to.Name() + " from " + from.Name(), true}] = both
	return both, nil
}

// parts is what of a manifest or an index is copied before it.
type parts struct {
	Config    *piece  `json:"config"`
	Layers    []piece `json:"layers"`
	Manifests []piece `json:"manifests"`
}

type piece struct {
	Digest model.Digest `json:"digest"`
	URLs   []string     `json:"urls"` // of a blob that lies elsewhere, and that registries do not hold
}

// manifest copies what a manifest consists of, then the manifest.
func (m *mounted) manifest(ctx context.Context, digest model.Digest) error {
	raw, d, err := m.from.manifest(ctx, digest.String())
	if err != nil {
		return err
	}
	var p parts
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("%w: manifest %s: %w", errGarbled, digest, err)
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, child := range p.Manifests {
		if !child.Digest.Valid() {
			return fmt.Errorf("%w: manifest %s names %q", errGarbled, digest, child.Digest)
		}
		g.Go(func() error { return m.manifest(gctx, child.Digest) })
	}
	g.Go(func() error { return m.blobs(gctx, p) })
	if err := g.Wait(); err != nil {
		return err
	}
	return m.to.putManifest(ctx, digest.String(), d.MediaType, raw)
}

// blobs mounts the blobs of a manifest, each once.
func (m *mounted) blobs(ctx context.Context, p parts) error {
	var digests []model.Digest
	if p.Config != nil {
		digests = append(digests, p.Config.Digest)
	}
	for _, l := range p.Layers {
		if len(l.URLs) == 0 {
			digests = append(digests, l.Digest)
		}
	}
	slices.Sort(digests)
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range slices.Compact(digests) {
		g.Go(func() error { return m.blob(ctx, d) })
	}
	return g.Wait()
}

func (m *mounted) blob(ctx context.Context, digest model.Digest) error {
	if !digest.Valid() {
		return fmt.Errorf("%w: a blob's digest is %q", errGarbled, digest)
	}
	empty := digest == model.DigestOf(emptyBlob)
	if empty {
		m.client.mu.Lock()
		known := m.client.empty[m.to.url]
		m.client.mu.Unlock()
		if known {
			return nil
		}
	}
	q := url.Values{"mount": {digest.String()}, "from": {m.source.RepositoryStr()}}
	resp, err := m.to.do(ctx, http.MethodPost, m.to.url+"/blobs/uploads/?"+q.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer drain(resp)
	if err := transport.CheckError(resp, http.StatusCreated, http.StatusAccepted); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return errNotMounted
	}
	if empty {
		m.client.mu.Lock()
		defer m.client.mu.Unlock()
		m.client.empty[m.to.url] = true
	}
	return nil
}

func (s *session) putManifest(ctx context.Context, ref, mediaType string, raw []byte) error {
	resp, err := s.do(ctx, http.MethodPut, s.url+"/manifests/"+ref, mediaType, raw)
	if err != nil {
		return err
	}
	defer drain(resp)
	return transport.CheckError(resp, http.StatusCreated, http.StatusOK, http.StatusAccepted)
}

// Kind is what an artifact is by its own manifest, whatever a list of artifacts
// says of it.
type Kind struct {
	Type string // artifactType
	Step string // of a receipt, whose receipt it is; empty for anything else
}

// CopyArtifact brings an artifact to another repository, byte by byte, so that
// what is signed about it holds there too. Its subject must be there already.
// A receipt gets its tag there. Whatever leave tells of stays where it is; nil
// leaves nothing.
func (c *Client) CopyArtifact(ctx context.Context, source, target string, digest model.Digest, leave func(Kind) bool) error {
	if source == target {
		return nil
	}
	if err := c.copyArtifact(ctx, source, target, digest, leave); err != nil {
		return fmt.Errorf("copying %s to %s: %w", join(source, digest.String()), target, err)
	}
	return nil
}

func (c *Client) copyArtifact(ctx context.Context, source, target string, digest model.Digest, leave func(Kind) bool) error {
	from, err := parseRepository(source)
	if err != nil {
		return err
	}
	to, err := parseRepository(target)
	if err != nil {
		return err
	}
	raw, d, err := c.Manifest(ctx, source, digest.String())
	if err != nil {
		return err
	}
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	if a.Subject == nil || !model.Digest(a.Subject.Digest.String()).Valid() {
		return errors.New("it is about no manifest")
	}
	if a.ArtifactType == ReceiptArtifactType {
		return c.copyReceipt(ctx, from, to, raw, a, leave)
	}
	if leave != nil && leave(Kind{Type: cmp.Or(a.ArtifactType, string(a.Config.MediaType))}) {
		return nil
	}
	if err := c.copyBlobs(ctx, from, to, raw, digest); err != nil {
		return err
	}
	return c.list(ctx, target, raw, d.MediaType, a)
}

// CopyReceipt brings the receipt under a tag to another repository, byte by
// byte; false where there is none that counts. A registry that lists nothing by
// its subject tells of receipts by their tags alone.
func (c *Client) CopyReceipt(ctx context.Context, source, target, tag string) (bool, error) {
	if source == target {
		return true, nil
	}
	from, err := parseRepository(source)
	if err != nil {
		return false, err
	}
	to, err := parseRepository(target)
	if err != nil {
		return false, err
	}
	raw, d, err := c.Manifest(ctx, source, tag)
	if errors.Is(err, ErrAbsent) {
		return false, nil
	}
	if err == nil {
		_, err = c.decodeReceipt(ctx, source, tag, raw)
	}
	if u, ok := errors.AsType[*untrusted](err); ok {
		c.o.Log.Warn(fmt.Sprintf("the receipt %s does not count, and is not copied: %v", join(source, tag), u.err))
		return false, nil
	}
	if err == nil {
		err = c.copyBlobs(ctx, from, to, raw, d.Digest)
	}
	if err == nil {
		_, err = c.PutManifest(ctx, target, raw, d.MediaType, tag)
	}
	if err != nil {
		return false, fmt.Errorf("copying receipt %s to %s: %w", join(source, tag), target, err)
	}
	return true, nil
}

// copyReceipt copies a receipt that is the one under its tag; an older one is
// nobody's any more.
func (c *Client) copyReceipt(ctx context.Context, from, to name.Repository, raw []byte, a artifact, leave func(Kind) bool) error {
	if !a.isReceipt() || len(a.Layers[0].Data) == 0 {
		return nil // it is not ours
	}
	r, err := decodeStatement(a.Layers[0].Data)
	if err != nil {
		return err
	}
	if leave != nil && leave(Kind{ReceiptArtifactType, r.Step}) {
		return nil
	}
	tag := model.ReceiptTag(r.Step, r.StepKey)
	if err := checkReceipt(r, tag); err != nil {
		return err
	}
	at, found, err := c.Resolve(ctx, address(from), tag)
	if err != nil || !found || at.Digest != model.DigestOf(raw) {
		return err
	}
	if err := c.copyBlobs(ctx, from, to, raw, at.Digest); err != nil {
		return err
	}
	_, err = c.PutManifest(ctx, address(to), raw, ManifestMediaType, tag)
	return err
}

// copyBlobs brings a small manifest's blobs to another repository: mounted
// where that can be, sent where it cannot.
func (c *Client) copyBlobs(ctx context.Context, from, to name.Repository, raw []byte, digest model.Digest) error {
	var p parts
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	return c.try(ctx, "copying what "+digest.Short()+" holds", func(ctx context.Context) error {
		if from.RegistryStr() == to.RegistryStr() {
			m, err := c.mounting(ctx, from, to)
			if err != nil {
				return err
			}
			if err = m.blobs(ctx, p); !errors.Is(err, errNotMounted) {
				return err
			}
		}
		return c.sendBlobs(ctx, from, to, p)
	})
}

func (c *Client) sendBlobs(ctx context.Context, from, to name.Repository, p parts) error {
	s, err := c.session(ctx, to, true)
	if err != nil {
		return err
	}
	if err := c.ensureEmpty(ctx, s); err != nil {
		return err
	}
	blobs := slices.Clone(p.Layers)
	if p.Config != nil {
		blobs = append(blobs, *p.Config)
	}
	for _, b := range blobs {
		found, err := s.hasBlob(ctx, b.Digest)
		if err != nil {
			return err
		}
		if found {
			continue
		}
		body, err := c.Blob(ctx, address(from), b.Digest, maxArtifact)
		if err != nil {
			return err
		}
		if err := s.putBlob(ctx, b.Digest, body); err != nil {
			return err
		}
	}
	return nil
}

// list writes an artifact's manifest, and sees to it that it is found.
func (c *Client) list(ctx context.Context, repo string, raw []byte, mediaType string, a artifact) error {
	if mediaType != ManifestMediaType {
		return fmt.Errorf("an artifact of the type %q", mediaType)
	}
	subject := model.Digest(a.Subject.Digest.String())
	listed, err := c.putWithSubject(ctx, repo, raw)
	if err != nil || listed {
		return err
	}
	if _, can, err := c.referrers(ctx, repo, subject); err != nil || can {
		return err
	}
	return c.listByTag(ctx, repo, Artifact{Subject: subject, Type: a.ArtifactType, Annotations: a.Annotations}, raw)
}
