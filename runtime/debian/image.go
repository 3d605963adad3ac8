package debian

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// searchPath is PATH in the image.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// blob is a layer in a file.
type blob struct {
	path         string
	digest, diff v1.Hash
	size         int64
}

var _ v1.Layer = (*blob)(nil)

// Digest is that of the compressed layer.
func (b *blob) Digest() (v1.Hash, error) { return b.digest, nil }

// DiffID is the digest of the layer's tar archive.
func (b *blob) DiffID() (v1.Hash, error) { return b.diff, nil }

// Size is that of the compressed layer, in bytes.
func (b *blob) Size() (int64, error) { return b.size, nil }

// MediaType is OCI's layer, gzip.
func (b *blob) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed opens the file.
func (b *blob) Compressed() (io.ReadCloser, error) { return os.Open(b.path) }

// Uncompressed opens the file and unpacks it.
func (b *blob) Uncompressed() (io.ReadCloser, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writeLayer writes the archive of a root filesystem to path, rewritten and
// compressed. The bytes depend on in alone: the header of Go's gzip has no
// name and no time.
func writeLayer(path string, in io.Reader) (_ *blob, packages map[string]string, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, nil, fmt.Errorf("making the layer's file: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("writing the layer: %w", cerr)
		}
	}()
	var size counter
	compressed, plain := sha256.New(), sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, compressed, &size), 1<<20)
	z, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return nil, nil, err
	}
	if packages, err = rewrite(io.MultiWriter(z, plain), in); err != nil {
		return nil, nil, err
	}
	if err := z.Close(); err != nil {
		return nil, nil, fmt.Errorf("compressing the layer: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return nil, nil, fmt.Errorf("writing the layer: %w", err)
	}
	return &blob{path: path, digest: sum(compressed), diff: sum(plain), size: int64(size)}, packages, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// image is the layer with a configuration that the request alone determines.
func image(layer *blob, r Request) (v1.Image, error) {
	epoch := v1.Time{Time: time.Unix(model.SourceDateEpoch, 0).UTC()}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
		OS: r.Platform.OS, Architecture: r.Platform.Arch, Created: epoch,
		Config: v1.Config{Env: []string{searchPath}, Cmd: []string{"/bin/bash"}},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	img, err = mutate.Append(mutate.ConfigMediaType(img, types.OCIConfigJSON), mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: epoch, CreatedBy: "mmdebstrap " + r.Debian.Suite},
	})
	if err != nil {
		return nil, fmt.Errorf("making the image: %w", err)
	}
	return img, nil
}
