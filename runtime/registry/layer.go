package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Layer reads a blob of any size. read is given its bytes, and is called again
// from the beginning where the connection broke; what it did is to be believed
// only where Layer returns no error, because only then the bytes had the
// digest. It need not read to the end. The error wraps ErrAbsent when the blob
// is not there, and is read's own where read failed by itself.
func (c *Client) Layer(ctx context.Context, repo string, digest model.Digest, read func(io.Reader) error) error {
	r, err := parseRepository(repo)
	if err != nil {
		return err
	}
	if !digest.Valid() {
		return fmt.Errorf("invalid digest %q", digest)
	}
	var own error
	err = c.try(ctx, "reading blob "+join(repo, digest.String()), func(ctx context.Context) error {
		s, err := c.session(ctx, r, false)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodGet, s.url+"/blobs/"+digest.String(), "", nil)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }() // nothing of it is needed any more
		if err := transport.CheckError(resp, http.StatusOK); err != nil {
			return err
		}
		sum := sha256.New()
		body := &connection{r: io.TeeReader(resp.Body, sum)}
		own = read(body)
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest.String() {
			return fmt.Errorf("%w: blob %s has the digest %s", errGarbled, digest, got)
		}
		return nil
	})
	if c.absent(err) {
		return fmt.Errorf("reading blob %s: %w", join(repo, digest.String()), ErrAbsent)
	}
	if err != nil {
		return err
	}
	return own
}

// connection keeps its error, which a reader above it may hide.
type connection struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (c *connection) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}
