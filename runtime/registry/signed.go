package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// bundleMediaType is a signature around a receipt's statement: the receipt's
// second layer, in its descriptor like the first.
const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// untrusted is a receipt that nobody who is trusted has signed.
type untrusted struct{ err error }

func (u *untrusted) Error() string { return u.err.Error() }

// Unjudged is why nobody could say whether a receipt counts: a key that is none,
// or a service that keeps one and does not answer. A receipt that cannot be judged
// is not one that nobody has signed: what was built would be built again.
type Unjudged struct{ Err error }

// Error is what kept the judge from it.
func (u *Unjudged) Error() string { return "judging receipts: " + u.Err.Error() }

// Unwrap is the same.
func (u *Unjudged) Unwrap() error { return u.Err }

// JudgesReceipts tells whether in a repository only receipts count that somebody
// who is trusted has signed. What can be concluded without a receipt does not
// count then either.
func (c *Client) JudgesReceipts(repo string) bool {
	return c.o.TrustReceipt != nil && (c.o.Unjudged == "" || !strings.HasPrefix(repo, c.o.Unjudged+"/"))
}

// Vouches tells whether a receipt that this client writes to a repository counts
// for whoever asks as it does.
func (c *Client) Vouches(repo string) bool {
	return !c.JudgesReceipts(repo) || c.o.SignReceipt != nil
}

// isReceipt tells whether an artifact has the form of a receipt, signed or not.
func (a *artifact) isReceipt() bool {
	switch {
	case a.ArtifactType != ReceiptArtifactType || a.Subject == nil || len(a.Layers) == 0 || len(a.Layers) > 2:
		return false
	case len(a.Layers) == 2 && a.Layers[1].MediaType != bundleMediaType:
		return false
	}
	return a.Layers[0].MediaType == statementMediaType
}

// receiptLayer is the content of one layer of a receipt.
func (c *Client) receiptLayer(ctx context.Context, repo string, layer v1.Descriptor) ([]byte, error) {
	if layer.Size > maxReceipt {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are read", layer.Size, maxReceipt)
	}
	body := layer.Data
	if len(body) == 0 {
		var err error
		if body, err = c.Blob(ctx, repo, model.Digest(layer.Digest.String()), maxReceipt); err != nil {
			return nil, err
		}
	}
	if got := model.DigestOf(body); got.String() != layer.Digest.String() {
		return nil, fmt.Errorf("the statement's digest is %s, not %s", got, layer.Digest)
	}
	return body, nil
}

// trust judges the signature of a receipt where signatures are asked for.
func (c *Client) trust(ctx context.Context, repo string, a artifact, statement []byte, digest model.Digest) error {
	if !c.JudgesReceipts(repo) {
		return nil
	}
	if len(a.Layers) < 2 {
		return &untrusted{errors.New("nobody has signed it")}
	}
	bundle, err := c.receiptLayer(ctx, repo, a.Layers[1])
	if err != nil {
		return err
	}
	if err := c.o.TrustReceipt(ctx, bundle, statement, digest); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if unjudged, is := errors.AsType[*Unjudged](err); is {
			return unjudged
		}
		return &untrusted{err}
	}
	return nil
}

// Receipts lists what steps say of a digest: the receipts that count, as far as
// the registry lists what is about a manifest. One that was written anew since
// is not among them.
func (c *Client) Receipts(ctx context.Context, repo string, subject model.Digest) ([]model.Receipt, error) {
	found, err := c.Artifacts(ctx, repo, subject, ReceiptArtifactType)
	if err != nil {
		return nil, err
	}
	var out []model.Receipt
	for _, f := range found {
		r, ok, err := c.receiptAt(ctx, repo, f.Digest)
		if err != nil {
			return nil, fmt.Errorf("reading receipt %s: %w", join(repo, f.Digest.String()), err)
		}
		if ok && r.Digest == subject {
			out = append(out, r)
		}
	}
	return out, nil
}

// receiptAt reads a receipt by the digest of its manifest; false for one that
// is not, or no longer, the receipt under its tag.
func (c *Client) receiptAt(ctx context.Context, repo string, digest model.Digest) (model.Receipt, bool, error) {
	raw, _, err := c.Manifest(ctx, repo, digest.String())
	if errors.Is(err, ErrAbsent) {
		return model.Receipt{}, false, nil
	}
	if err != nil {
		return model.Receipt{}, false, err
	}
	var a artifact
	if json.Unmarshal(raw, &a) != nil || !a.isReceipt() {
		return model.Receipt{}, false, nil //nolint:nilerr // anybody can attach anything
	}
	body, err := c.receiptLayer(ctx, repo, a.Layers[0])
	if err != nil {
		return model.Receipt{}, false, err
	}
	r, err := decodeStatement(body)
	if err != nil {
		return model.Receipt{}, false, nil //nolint:nilerr // anybody can attach anything
	}
	tag := model.ReceiptTag(r.Step, r.StepKey)
	at, found, err := c.Resolve(ctx, repo, tag)
	if err != nil || !found || at.Digest != digest {
		return model.Receipt{}, false, err
	}
	return c.Receipt(ctx, repo, tag)
}
