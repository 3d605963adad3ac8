package tools

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/runtime/download"
)

// The longest archive, and the longest program in it, in bytes.
const (
	maxArchive = 400 << 20
	maxProgram = 300 << 20
)

// fromArchive fetches the program's archive, which must have that SHA-256, and
// puts the program, and nothing else of it, into bin.
func fromArchive(ctx context.Context, c *download.Client, p Pinned, address, sum, bin string) error {
	dir, err := os.MkdirTemp(bin, ".install-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there is of no use
	archive := filepath.Join(dir, "archive")
	if err := c.File(ctx, address, archive, sum, maxArchive, 0o600); err != nil {
		return err
	}
	program := filepath.Join(dir, "program")
	if err := unpack(archive, p.Member, program); err != nil {
		return fmt.Errorf("unpacking %s: %w", address, err)
	}
	if err := os.Rename(program, filepath.Join(bin, p.Name)); err != nil {
		return fmt.Errorf("putting %s in place: %w", p.Name, err)
	}
	return nil
}

// unpack writes one regular file of a compressed archive to a new file. No
// other name of the archive becomes a path.
func unpack(archive, member, to string) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it holds no %s", member)
		case err != nil:
			return err
		case path.Clean(h.Name) != member:
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("%s is no file", member)
		case h.Size > maxProgram:
			return fmt.Errorf("%s has %d bytes, more than %d", member, h.Size, maxProgram)
		}
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, io.LimitReader(t, maxProgram))
		return errors.Join(err, out.Sync(), out.Close())
	}
}
