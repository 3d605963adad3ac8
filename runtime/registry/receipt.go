package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// How a receipt lies in a registry: an artifact whose subject is the digest
// that the step worked on, with one layer that is an in-toto statement. The
// statement is also embedded in the layer's descriptor, so that reading a
// receipt is one request.
const (
	ReceiptArtifactType  = "application/vnd.rootfsgen.receipt.v1+json"
	ReceiptPredicateType = "https://rootfsgen.dev/receipt/v1"
	ReceiptAnnotation    = "dev.rootfsgen.receipt" // the step

	statementType      = "https://in-toto.io/Statement/v1"
	statementMediaType = "application/vnd.in-toto+json"
	emptyMediaType     = "application/vnd.oci.empty.v1+json"

	maxReceipt = 256 << 10
)

var emptyBlob = []byte("{}")

// statement is an in-toto statement about one digest.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// artifact is an OCI image manifest with the fields of version 1.1.
type artifact struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       *v1.Descriptor    `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// PutReceipt writes the receipt of a step that passed, under its one tag.
// Its digest must be in the repository. A failed step leaves no receipt in the
// registry: a tag there means "passed" to whoever lists tags.
func (c *Client) PutReceipt(ctx context.Context, repo string, r model.Receipt) error {
	tag := model.ReceiptTag(r.Step, r.StepKey)
	if err := checkReceipt(r, tag); err != nil {
		return fmt.Errorf("writing receipt %s: %w", join(repo, tag), err)
	}
	body, err := encodeStatement(repo, r)
	if err != nil {
		return fmt.Errorf("writing receipt %s: %w", join(repo, tag), err)
	}
	layers := []v1.Descriptor{inline(statementMediaType, body)}
	if c.o.SignReceipt != nil {
		bundle, err := c.o.SignReceipt(ctx, body)
		if err != nil {
			return fmt.Errorf("writing receipt %s: %w", join(repo, tag), err)
		}
		layers = append(layers, inline(bundleMediaType, bundle))
	}
	var of Descriptor
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.putReceiptBlobs(gctx, repo, layers) })
	g.Go(func() error {
		d, found, err := c.Resolve(gctx, repo, r.Digest.String())
		if err == nil && !found {
			err = fmt.Errorf("writing receipt %s: its subject %s: %w", join(repo, tag), r.Digest, ErrAbsent)
		}
		of = d
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	raw, err := json.Marshal(artifact{
		SchemaVersion: 2, MediaType: ManifestMediaType, ArtifactType: ReceiptArtifactType,
		Config:      v1.Descriptor{MediaType: emptyMediaType, Digest: hash(model.DigestOf(emptyBlob)), Size: int64(len(emptyBlob)), Data: emptyBlob},
		Layers:      layers,
		Subject:     &v1.Descriptor{MediaType: types.MediaType(of.MediaType), Digest: hash(of.Digest), Size: of.Size},
		Annotations: map[string]string{ReceiptAnnotation: r.Step},
	})
	if err != nil {
		return fmt.Errorf("writing receipt %s: %w", join(repo, tag), err)
	}
	_, err = c.PutManifest(ctx, repo, raw, ManifestMediaType, tag)
	return err
}

// inline is a layer that is in its own descriptor.
func inline(mediaType string, body []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: types.MediaType(mediaType), Digest: hash(model.DigestOf(body)), Size: int64(len(body)), Data: body}
}

// putReceiptBlobs uploads the statement and its signature, and the empty
// configuration where the repository lacks it.
func (c *Client) putReceiptBlobs(ctx context.Context, repo string, layers []v1.Descriptor) error {
	r, err := parseRepository(repo)
	if err != nil {
		return err
	}
	return c.tryShort(ctx, "uploading a receipt to "+repo, func(ctx context.Context) error {
		s, err := c.session(ctx, r, true)
		if err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		for _, l := range layers {
			g.Go(func() error { return s.putBlob(ctx, model.DigestOf(l.Data), l.Data) })
		}
		g.Go(func() error { return c.ensureEmpty(ctx, s) })
		return g.Wait()
	})
}

func (c *Client) ensureEmpty(ctx context.Context, s *session) error {
	c.mu.Lock()
	known := c.empty[s.url]
	c.mu.Unlock()
	if known {
		return nil
	}
	digest := model.DigestOf(emptyBlob)
	found, err := s.hasBlob(ctx, digest)
	if err != nil {
		return err
	}
	if !found {
		if err := s.putBlob(ctx, digest, emptyBlob); err != nil {
			return err
		}
	}
	c.mu.Lock()
	c.empty[s.url] = true
	c.mu.Unlock()
	return nil
}

// Receipt reads and checks the receipt under a tag; false when there is none,
// and when it is signed by nobody who is trusted to, which is a warning. What
// lies there but is no receipt for this tag is an error: nothing from a registry
// is believed unread.
func (c *Client) Receipt(ctx context.Context, repo, tag string) (model.Receipt, bool, error) {
	if !strings.HasPrefix(tag, "r-") {
		return model.Receipt{}, false, fmt.Errorf("reading receipt %s: no tag of a receipt", join(repo, tag))
	}
	raw, _, err := c.Manifest(ctx, repo, tag)
	if errors.Is(err, ErrAbsent) {
		return model.Receipt{}, false, nil
	}
	if err != nil {
		return model.Receipt{}, false, err
	}
	r, err := c.decodeReceipt(ctx, repo, tag, raw)
	if u, ok := errors.AsType[*untrusted](err); ok {
		c.o.Log.Warn(fmt.Sprintf("the receipt %s does not count: %v", join(repo, tag), u.err))
		return model.Receipt{}, false, nil
	}
	if err != nil {
		return model.Receipt{}, false, fmt.Errorf("reading receipt %s: %w", join(repo, tag), err)
	}
	return r, true, nil
}

func (c *Client) decodeReceipt(ctx context.Context, repo, tag string, raw []byte) (model.Receipt, error) {
	var a artifact
	if err := json.Unmarshal(raw, &a); err != nil {
		return model.Receipt{}, err
	}
	if !a.isReceipt() {
		return model.Receipt{}, errors.New("this is no receipt")
	}
	body, err := c.receiptLayer(ctx, repo, a.Layers[0])
	if err != nil {
		return model.Receipt{}, err
	}
	r, err := decodeStatement(body)
	if err != nil {
		return model.Receipt{}, err
	}
	if a.Subject.Digest.String() != r.Digest.String() {
		return model.Receipt{}, fmt.Errorf("its subject is %s, but it speaks of %s", a.Subject.Digest, r.Digest)
	}
	if err := checkReceipt(r, tag); err != nil {
		return r, err
	}
	return r, c.trust(ctx, repo, a, body, r.Digest)
}

func encodeStatement(repo string, r model.Receipt) ([]byte, error) {
	predicate, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(statement{
		Type: statementType, PredicateType: ReceiptPredicateType, Predicate: predicate,
		Subject: []subject{{Name: repo, Digest: map[string]string{"sha256": r.Digest.Hex()}}},
	})
	if err == nil && len(body) > maxReceipt {
		err = fmt.Errorf("it has %d bytes, more than %d", len(body), maxReceipt)
	}
	return body, err
}

func decodeStatement(body []byte) (model.Receipt, error) {
	var s statement
	if err := json.Unmarshal(body, &s); err != nil {
		return model.Receipt{}, err
	}
	if s.Type != statementType || s.PredicateType != ReceiptPredicateType || len(s.Subject) != 1 {
		return model.Receipt{}, errors.New("the statement is not about one receipt")
	}
	var r model.Receipt
	if err := json.NewDecoder(bytes.NewReader(s.Predicate)).Decode(&r); err != nil {
		return model.Receipt{}, err
	}
	if s.Subject[0].Digest["sha256"] != r.Digest.Hex() {
		return model.Receipt{}, errors.New("the statement's subject is not what the receipt speaks of")
	}
	return r, nil
}

func checkReceipt(r model.Receipt, tag string) error {
	switch {
	case r.Version != model.ReceiptVersion:
		return fmt.Errorf("receipt version %d, expected %d", r.Version, model.ReceiptVersion)
	case !r.Digest.Valid() || !r.StepKey.Valid():
		return errors.New("the receipt names no digest or no step key")
	case r.Status != model.ReceiptPassed:
		return fmt.Errorf("the receipt's status is %q, only passed ones lie in a registry", r.Status)
	case model.ReceiptTag(r.Step, r.StepKey) != tag:
		return fmt.Errorf("the receipt belongs under %s", model.ReceiptTag(r.Step, r.StepKey))
	}
	return nil
}

// hash is d as the registry library has it; d must be valid.
func hash(d model.Digest) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: d.Hex()} }
