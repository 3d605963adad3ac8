package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// CreatedAnnotation says when an artifact was made, RFC 3339.
const CreatedAnnotation = "org.opencontainers.image.created"

// maxArtifact bounds what an artifact holds, in bytes: the list of the
// packages and files of a large image is tens of megabytes.
const maxArtifact = 128 << 20

// Artifact is a document about a manifest that lies in the same repository: a
// list of its packages, what a scanner found, a verdict.
type Artifact struct {
	Subject     model.Digest      // the manifest that it is about
	Type        string            // artifactType: what the document is
	MediaType   string            // of its bytes; empty is Type
	Body        []byte            // at most 128 MiB
	Annotations map[string]string // of the artifact's manifest; CreatedAnnotation orders artifacts
}

// Found is an artifact as the registry lists it.
type Found struct {
	Digest      model.Digest // of the artifact's manifest
	Type        string
	Annotations map[string]string // may be nil
	Created     time.Time         // by its annotation, UTC; zero where it has none
}

// PutArtifact writes an artifact and returns the digest of its manifest, which
// is determined by what is given: writing the same again changes nothing. Its
// subject must be in the repository; the error wraps ErrAbsent otherwise.
// Where the registry does not list artifacts by their subject, it is listed
// under the tags that the OCI specification has for that; see fallback.go.
func (c *Client) PutArtifact(ctx context.Context, repo string, a Artifact) (model.Digest, error) {
	d, err := c.putArtifact(ctx, repo, a)
	if err != nil {
		return "", fmt.Errorf("attaching %s to %s: %w", a.Type, join(repo, a.Subject.String()), err)
	}
	return d, nil
}

func (c *Client) putArtifact(ctx context.Context, repo string, a Artifact) (model.Digest, error) {
	if err := a.check(); err != nil {
		return "", err
	}
	var of Descriptor
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.putArtifactBlobs(gctx, repo, a.Body) })
	g.Go(func() error {
		d, found, err := c.Resolve(gctx, repo, a.Subject.String())
		if err == nil && !found {
			err = fmt.Errorf("its subject: %w", ErrAbsent)
		}
		of = d
		return err
	})
	if err := g.Wait(); err != nil {
		return "", err
	}
	raw, err := a.manifest(of)
	if err != nil {
		return "", err
	}
	listed, err := c.putWithSubject(ctx, repo, raw)
	if err != nil || listed {
		return model.DigestOf(raw), err
	}
	if _, can, err := c.referrers(ctx, repo, a.Subject); err != nil || can {
		return model.DigestOf(raw), err
	}
	return model.DigestOf(raw), c.listByTag(ctx, repo, a, raw)
}

func (a Artifact) check() error {
	switch {
	case !a.Subject.Valid():
		return fmt.Errorf("invalid digest %q", a.Subject)
	case a.Type == "":
		return errors.New("an artifact without a type")
	case len(a.Body) > maxArtifact:
		return fmt.Errorf("it has %d bytes, more than %d", len(a.Body), maxArtifact)
	}
	return nil
}

func (a Artifact) manifest(of Descriptor) ([]byte, error) {
	return json.Marshal(artifact{
		SchemaVersion: 2, MediaType: ManifestMediaType, ArtifactType: a.Type,
		Config:      v1.Descriptor{MediaType: emptyMediaType, Digest: hash(model.DigestOf(emptyBlob)), Size: int64(len(emptyBlob)), Data: emptyBlob},
		Layers:      []v1.Descriptor{{MediaType: types.MediaType(cmp.Or(a.MediaType, a.Type)), Digest: hash(model.DigestOf(a.Body)), Size: int64(len(a.Body))}},
		Subject:     &v1.Descriptor{MediaType: types.MediaType(of.MediaType), Digest: hash(of.Digest), Size: of.Size},
		Annotations: a.Annotations,
	})
}

// putArtifactBlobs uploads what an artifact holds, which may take long, unless
// the repository has it.
func (c *Client) putArtifactBlobs(ctx context.Context, repo string, body []byte) error {
	r, err := parseRepository(repo)
	if err != nil {
		return err
	}
	return c.try(ctx, "uploading an artifact to "+repo, func(ctx context.Context) error {
		s, err := c.session(ctx, r, true)
		if err != nil {
			return err
		}
		if err := c.ensureEmpty(ctx, s); err != nil {
			return err
		}
		digest := model.DigestOf(body)
		found, err := s.hasBlob(ctx, digest)
		if err != nil || found {
			return err
		}
		return s.putBlob(ctx, digest, body)
	})
}

// putWithSubject writes a manifest under its digest; listed tells that the
// registry said that it lists it under its subject.
func (c *Client) putWithSubject(ctx context.Context, repo string, raw []byte) (listed bool, err error) {
	r, err := parseRepository(repo)
	if err != nil {
		return false, err
	}
	ref := model.DigestOf(raw).String()
	err = c.tryShort(ctx, "writing "+join(repo, ref), func(ctx context.Context) error {
		s, err := c.session(ctx, r, true)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodPut, s.url+"/manifests/"+ref, ManifestMediaType, raw)
		if err != nil {
			return err
		}
		defer drain(resp)
		listed = resp.Header.Get("OCI-Subject") != ""
		return transport.CheckError(resp, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	})
	return listed, err
}

// Artifacts lists the artifacts of one type about a manifest, the newest
// first; empty is every type. None is no error, and neither is a repository
// that is not there.
func (c *Client) Artifacts(ctx context.Context, repo string, subject model.Digest, artifactType string) ([]Found, error) {
	if !subject.Valid() {
		return nil, fmt.Errorf("listing artifacts in %s: invalid digest %q", repo, subject)
	}
	list, can, err := c.referrers(ctx, repo, subject)
	if err == nil && !can {
		list, err = c.listedByTag(ctx, repo, subject)
	}
	if err != nil {
		return nil, fmt.Errorf("listing artifacts of %s: %w", join(repo, subject.String()), err)
	}
	var found []Found
	for _, d := range list {
		f, err := c.found(ctx, repo, d)
		if errors.Is(err, ErrAbsent) { // a list may be older than a deletion
			continue
		}
		if err != nil {
			return nil, err
		}
		if artifactType == "" || f.Type == artifactType {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b Found) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.Digest, b.Digest))
	})
	return slices.CompactFunc(found, func(a, b Found) bool { return a.Digest == b.Digest }), nil
}

// found reads the artifact itself where the list does not tell its type or
// annotations: registries differ in how much of it they repeat.
func (c *Client) found(ctx context.Context, repo string, d v1.Descriptor) (Found, error) {
	digest := model.Digest(d.Digest.String())
	if !digest.Valid() {
		return Found{}, fmt.Errorf("listing artifacts in %s: invalid digest %q", repo, digest)
	}
	f := Found{Digest: digest, Type: d.ArtifactType, Annotations: d.Annotations}
	if f.Type == "" || f.Type == emptyMediaType || f.Annotations == nil {
		raw, _, err := c.Manifest(ctx, repo, digest.String())
		if err != nil {
			return Found{}, err
		}
		var a artifact
		if err := json.Unmarshal(raw, &a); err != nil {
			return Found{}, fmt.Errorf("reading artifact %s: %w", join(repo, digest.String()), err)
		}
		f.Type, f.Annotations = cmp.Or(a.ArtifactType, string(a.Config.MediaType)), a.Annotations
	}
	if at, err := time.Parse(time.RFC3339, f.Annotations[CreatedAnnotation]); err == nil {
		f.Created = at.UTC()
	}
	return f, nil
}

// referrers asks the registry for what is about a manifest; can tells whether
// it answers such questions.
func (c *Client) referrers(ctx context.Context, repo string, subject model.Digest) (list []v1.Descriptor, can bool, err error) {
	r, err := parseRepository(repo)
	if err != nil {
		return nil, false, err
	}
	at, seen := "", map[string]bool{}
	for len(seen) < maxTagPages {
		var page v1.IndexManifest
		var next string
		err := c.tryShort(ctx, "reading what is about "+join(repo, subject.String()), func(ctx context.Context) error {
			s, err := c.session(ctx, r, false)
			if err != nil {
				return err
			}
			page, next, err = s.referrers(ctx, cmp.Or(at, s.url+"/referrers/"+subject.String()))
			return err
		})
		if at == "" && (c.absent(err) || noReferrers(err)) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		list = append(list, page.Manifests...)
		if next == "" {
			return list, true, nil
		}
		if seen[next] {
			return nil, false, fmt.Errorf("reading what is about %s: the registry's pages lead back to %s", join(repo, subject.String()), next)
		}
		seen[next], at = true, next
	}
	return nil, false, fmt.Errorf("reading what is about %s: there are more than %d pages", join(repo, subject.String()), maxTagPages)
}

// noReferrers is an answer of a registry that does not know the question.
func noReferrers(err error) bool {
	switch status(err) {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return false
}

func (s *session) referrers(ctx context.Context, at string) (v1.IndexManifest, string, error) {
	resp, err := s.do(ctx, http.MethodGet, at, "", nil)
	if err != nil {
		return v1.IndexManifest{}, "", err
	}
	defer drain(resp)
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return v1.IndexManifest{}, "", err
	}
	body, err := readBounded(resp.Body, maxTagPage)
	if err != nil {
		return v1.IndexManifest{}, "", err
	}
	page, err := decodeIndex(body)
	if err != nil {
		return v1.IndexManifest{}, "", err
	}
	next, err := nextPage(resp)
	return page, next, err
}

// decodeIndex reads an index; another document must not read as "nothing is
// there".
func decodeIndex(raw []byte) (v1.IndexManifest, error) {
	var idx v1.IndexManifest
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&idx); err != nil {
		return idx, fmt.Errorf("%w: %w", errGarbled, err)
	}
	if idx.SchemaVersion != 2 {
		return idx, fmt.Errorf("%w: this is no index", errGarbled)
	}
	return idx, nil
}

// ReadArtifact reads and checks one artifact: its bytes, which are at most
// limit, the manifest that it is about, and its type. The error wraps
// ErrAbsent when it is not there. What it says is not believed yet: anybody who
// can push to the repository can write one.
func (c *Client) ReadArtifact(ctx context.Context, repo string, digest model.Digest, limit int64) (body []byte, subject model.Digest, artifactType string, err error) {
	raw, _, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return nil, "", "", err
	}
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, "", "", fmt.Errorf("reading artifact %s: %w", join(repo, digest.String()), err)
	}
	if a.Subject == nil || len(a.Layers) != 1 {
		return nil, "", "", fmt.Errorf("reading artifact %s: it is no document about a manifest", join(repo, digest.String()))
	}
	if a.Layers[0].Size > limit {
		return nil, "", "", fmt.Errorf("reading artifact %s: it has %d bytes, more than the %d that are read", join(repo, digest.String()), a.Layers[0].Size, limit)
	}
	subject = model.Digest(a.Subject.Digest.String())
	if !subject.Valid() {
		return nil, "", "", fmt.Errorf("reading artifact %s: its subject is %q", join(repo, digest.String()), subject)
	}
	body, err = c.Blob(ctx, repo, model.Digest(a.Layers[0].Digest.String()), limit)
	return body, subject, cmp.Or(a.ArtifactType, string(a.Config.MediaType)), err
}
