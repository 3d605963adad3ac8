package gitcontext

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// pointer is what git holds of a file that git LFS keeps. Its object id counts
// in a key, and says what the content is.
type pointer struct {
	sum  string // SHA-256 in hexadecimal
	size int64
}

// lfsHead is how a pointer of git LFS begins, and largestPointer how long it
// may be.
const (
	lfsHead        = "version https://git-lfs.github.com/spec/v1\n"
	largestPointer = 1024
)

// pointer looks whether a file is one.
func (f *FS) pointer(ctx context.Context, e *entry) error {
	if e.size < int64(len(lfsHead)) || e.size >= largestPointer {
		return nil
	}
	text, err := ReadAll(ctx, f.objects, f.oids[e.path])
	if err != nil {
		return missing(e.path, err)
	}
	if l, found := parsePointer(string(text)); found {
		e.size, f.large[e.path] = l.size, l
	}
	return nil
}

func parsePointer(text string) (l pointer, found bool) {
	rest, found := strings.CutPrefix(text, lfsHead)
	if !found {
		return l, false
	}
	for line := range strings.Lines(rest) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch name {
		case "oid":
			l.sum, _ = strings.CutPrefix(value, "sha256:")
		case "size":
			if size, err := strconv.ParseInt(value, 10, 64); err == nil && size >= 0 {
				l.size = size
			}
		}
	}
	return l, true
}

// openLarge opens what a pointer stands for, if it was fetched.
func (f *FS) openLarge(p string, l pointer) (io.ReadCloser, error) {
	err := fs.ErrNotExist
	if objects, has := f.objects.(LargeObjects); has {
		var r io.ReadCloser
		if r, err = objects.Large(f.ctx, l.sum); err == nil {
			return &checked{ReadCloser: r, path: p, want: l, sum: sha256.New()}, nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s, which is kept in git LFS: %w", p, err)
	}
	return nil, fmt.Errorf("%s is kept in git LFS, and its content was not fetched\nhint: run git lfs fetch, or check out with LFS in CI ('lfs: true', GIT_LFS_SKIP_SMUDGE unset)", p)
}

// checked is content that must be what its pointer says.
type checked struct {
	io.ReadCloser
	path string
	want pointer
	sum  hash.Hash
	size int64
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.size += int64(n)
	c.sum.Write(b[:n])
	if errors.Is(err, io.EOF) && (c.size != c.want.size || hex.EncodeToString(c.sum.Sum(nil)) != c.want.sum) {
		return n, fmt.Errorf("reading %s: what was fetched from git LFS is not what its pointer says\nhint: run git lfs fsck", c.path)
	}
	return n, err
}
