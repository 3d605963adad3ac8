package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// SaveLayout writes the image of one platform into a new folder, as an OCI
// image layout: what a program reads that is not to know the registry's
// logins. Every blob has the digest that the manifest names, and all of them
// together have at most limit bytes. What a failure leaves in the folder is of
// no use.
func (c *Client) SaveLayout(ctx context.Context, repo string, digest model.Digest, dir string, limit int64) error {
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return err
	}
	if d.IsIndex() {
		return fmt.Errorf("saving %s: it is an index, not an image", join(repo, digest.String()))
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("reading manifest %s: %w", join(repo, digest.String()), err)
	}
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		d := model.Digest(b.Digest.String())
		if !d.Valid() || b.Size < 0 { // becomes a path
			return fmt.Errorf("reading manifest %s: invalid digest %q", join(repo, digest.String()), d)
		}
		if limit -= b.Size; limit < 0 {
			return fmt.Errorf("saving %s: it is larger than what is read of an image", join(repo, digest.String()))
		}
		if err := c.saveBlob(ctx, repo, d, b.Size, filepath.Join(blobs, d.Hex())); err != nil {
			return err
		}
	}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: []v1.Descriptor{{MediaType: types.MediaType(d.MediaType), Digest: hash(digest), Size: d.Size}},
	})
	if err != nil {
		return err
	}
	for file, content := range map[string][]byte{
		filepath.Join(blobs, digest.Hex()): raw,
		filepath.Join(dir, "index.json"):   index,
		filepath.Join(dir, "oci-layout"):   []byte(`{"imageLayoutVersion":"1.0.0"}`),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return fmt.Errorf("writing an image: %w", err)
		}
	}
	return nil
}

// saveBlob writes one blob, which may occur twice in an image, to a file.
func (c *Client) saveBlob(ctx context.Context, repo string, digest model.Digest, size int64, file string) error {
	return c.Layer(ctx, repo, digest, func(r io.Reader) error {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("writing a blob: %w", err)
		}
		n, err := io.Copy(f, io.LimitReader(r, size+1))
		if err == nil && n != size {
			err = fmt.Errorf("blob %s has not the %d bytes that its manifest says", join(repo, digest.String()), size)
		}
		return errors.Join(err, f.Close())
	})
}
