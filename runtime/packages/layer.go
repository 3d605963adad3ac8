package packages

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The most that is read of a layer, unpacked, and of its databases.
const (
	maxLayer    = 64 << 30
	maxDatabase = 64 << 20
	maxFiles    = 20_000 // of status.d, which has one for each package
)

// Where package managers keep what is installed. The databases of others are
// known only to be there.
var (
	dpkgFile   = "var/lib/dpkg/status"
	dpkgFolder = "var/lib/dpkg/status.d"
	apkFiles   = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
	foreign    = []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "var/lib/pacman/local"}
)

// The marks of a layer that takes away what lies below it.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// search is what the layers from some one up say about databases.
type search struct {
	files  map[string][]byte // by path
	hidden map[string]bool   // paths whose content in lower layers is gone
	opaque map[string]bool   // folders whose content in lower layers is gone
	odd    string            // why nothing can be told
	size   int64             // of all files
}

func newSearch() *search {
	return &search{files: map[string][]byte{}, hidden: map[string]bool{}, opaque: map[string]bool{}}
}

// read takes one layer in: a tar archive, as it is or compressed.
func (s *search) read(r io.Reader) error {
	unpacked, err := unpack(r)
	if err != nil {
		return &Unreadable{Why: err.Error()}
	}
	defer func() { _ = unpacked.Close() }() // it was only read
	limited := &io.LimitedReader{R: unpacked, N: maxLayer}
	archive := tar.NewReader(limited)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			return nil
		}
		if err != nil {
			return &Unreadable{Why: fmt.Sprintf("a layer is broken or too large: %v", err)}
		}
		if err := s.take(h, archive); err != nil {
			return err
		}
	}
}

// unpack finds out by its first bytes how a layer is compressed.
func unpack(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	magic, _ := b.Peek(4) // a shorter one is neither
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
}

// take looks at one entry of a layer.
func (s *search) take(h *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == opaque:
		s.opaque[dir] = true
		return nil
	case strings.HasPrefix(base, whiteout):
		s.hidden[path.Join(dir, strings.TrimPrefix(base, whiteout))] = true
		return nil
	case slices.ContainsFunc(foreign, func(f string) bool { return within(name, f) && h.Typeflag == tar.TypeReg }):
		s.odd = "it has a database of a package manager that is not understood"
		return nil
	case !watched(name):
		return nil
	}
	s.hidden[name] = s.hidden[name] || h.Typeflag != tar.TypeDir
	switch {
	case h.Typeflag == tar.TypeDir:
		return nil
	case h.Typeflag != tar.TypeReg || !database(name):
		s.odd = "/" + name + " is no plain file or folder"
		return nil
	case h.Size > maxDatabase-s.size || len(s.files) > maxFiles:
		s.odd = "its database is too large"
		return nil
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return &Unreadable{Why: fmt.Sprintf("reading /%s: %v", name, err)}
	}
	s.files[name] = text
	s.size += h.Size
	return nil
}

// within tells whether a path is dir or lies in it.
func within(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// database tells whether a path is a file with packages.
func database(name string) bool {
	return name == dpkgFile || slices.Contains(apkFiles, name) || path.Dir(name) == dpkgFolder && path.Ext(name) != ".md5sums"
}

// watched tells whether a path is a database, or on the way to one.
func watched(name string) bool {
	return database(name) || slices.ContainsFunc(append([]string{dpkgFile, dpkgFolder}, apkFiles...), func(f string) bool { return within(f, name) })
}

// below adds what a lower layer says, as far as no upper one took it away.
func (s *search) below(lower *search) {
	for name, text := range lower.files {
		if !s.gone(name) {
			s.files[name] = text
		}
	}
	if s.odd == "" {
		s.odd = lower.odd
	}
	for name, is := range lower.hidden {
		s.hidden[name] = s.hidden[name] || is
	}
	maps.Copy(s.opaque, lower.opaque)
}

// gone tells whether a path of a lower layer is not there any more.
func (s *search) gone(name string) bool {
	if s.hidden[name] {
		return true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if s.hidden[dir] || s.opaque[dir] {
			return true
		}
	}
	return s.opaque["."] || s.opaque[""]
}

// set is the packages of all layers.
func (s *search) set() (Set, error) {
	if s.odd != "" {
		return nil, &Unreadable{Why: s.odd}
	}
	if len(s.files) == 0 {
		return nil, &Unreadable{Why: "it has no database of packages"}
	}
	var all Set
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		keys := [3]string{"Package", "Version", "Architecture"}
		installed := func(p map[string]string) bool {
			return name != dpkgFile || strings.HasSuffix(p["Status"], " installed")
		}
		if slices.Contains(apkFiles, name) {
			keys = [3]string{"P", "V", "A"}
		}
		found, err := parse(s.files[name], keys, installed)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return sorted(all), nil
}
