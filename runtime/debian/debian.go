// Package debian makes root filesystems from Debian's packages with
// mmdebstrap, the same bytes each time, and resolves which packages those are.
package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Request is one root filesystem.
type Request struct {
	Debian   model.Debian
	Platform model.Platform
	Packages map[string]string // every package and its version, as images.lock has them; nil takes what the archive has
	WorkDir  string            // for the layer, which the image reads from: keep it until the image was pushed
	CacheDir string            // package lists and packages, kept between runs, for all platforms
	Progress io.Writer         // what mmdebstrap says; nil drops it
}

// Build makes the image: one layer, PATH, bash as its command. It needs root,
// and for another architecture qemu's user emulation. It fails with
// *ArchiveMovedError when the archive has other versions than Packages, with
// *ArchiveError when the archive cannot be read.
func Build(ctx context.Context, r Request) (v1.Image, error) {
	if err := Check(r.Debian); err != nil {
		return nil, err
	}
	if err := r.require(); err != nil {
		return nil, err
	}
	if r.Packages != nil {
		// A minute is lost when the build finds out, seconds when we ask.
		now, err := Resolve(ctx, r.CacheDir, r.Debian, r.Platform)
		if err != nil {
			return nil, err
		}
		if moved := compare(r.Packages, now.Packages); moved != nil {
			return nil, moved.of(r)
		}
	}
	if err := os.MkdirAll(r.WorkDir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the build: %w", err)
	}
	blob, installed, err := r.bootstrap(ctx, filepath.Join(r.WorkDir, "layer.tar.gz"))
	if err != nil {
		return nil, fmt.Errorf("building from Debian %s: %w", r.Debian.Suite, err)
	}
	if r.Packages != nil && r.Debian.Variant != "extract" { // which installs nothing
		if moved := compare(r.Packages, installed); moved != nil {
			return nil, moved.of(r)
		}
	}
	return image(blob, r)
}
