package registry

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// bundleMediaType is a signature around a receipt's statement: the receipt's
// second layer, in its descriptor like the first.
const bundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// untrusted is a receipt that nobody who is trusted has signed.
type untrusted struct{ err error }

func (u *untrusted) Error() string { return u.err.Error() }

// JudgesReceipts tells whether only receipts count that somebody who is trusted
// has signed. What can be concluded without a receipt does not count then
// either.
func (c *Client) JudgesReceipts() bool { return c.o.TrustReceipt != nil }

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
	if c.o.TrustReceipt == nil {
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
		return &untrusted{err}
	}
	return nil
}
