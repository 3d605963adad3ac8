package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// statusFile is where dpkg writes down what is installed.
const statusFile = "var/lib/dpkg/status"

// biggest bounds dpkg's status in memory.
const biggest = 64 << 20

// dropped tells whether a file is left out: what belongs to the machine that
// built it, what differs from one build to the next, and what a container is
// given anew. Folders stay.
func dropped(name string, folder bool) bool {
	switch name {
	case "", ".", "etc/resolv.conf", "etc/hostname", "var/cache/ldconfig/aux-cache", "var/lib/systemd/random-seed", "var/lib/dbus/machine-id":
		return true
	}
	if strings.HasPrefix(name, "dev/") || strings.HasPrefix(name, "etc/ssh/ssh_host_") {
		return true
	}
	if folder {
		return false
	}
	for _, dir := range []string{"run/", "tmp/", "var/log/", "var/lib/apt/lists/", "var/cache/apt/", "var/tmp/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	switch path.Dir(name) {
	case "var/lib/dpkg", "var/cache/debconf", "etc":
		return strings.HasSuffix(name, "-old") || path.Dir(name) == "etc" && strings.HasSuffix(name, "-")
	}
	return false
}

// rewrite copies a root filesystem's archive in a form that holds nothing but
// the files: no time after the constant one, no names of users, no order but
// that of in. It returns what dpkg has installed.
func rewrite(out io.Writer, in io.Reader) (packages map[string]string, err error) {
	r, w := tar.NewReader(in), tar.NewWriter(out)
	epoch := time.Unix(model.SourceDateEpoch, 0).UTC()
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the root filesystem: %w", err)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if dropped(name, h.Typeflag == tar.TypeDir) {
			continue
		}
		var content io.Reader = r
		if name == statusFile {
			b, err := io.ReadAll(io.LimitReader(r, biggest))
			if err != nil {
				return nil, fmt.Errorf("reading dpkg's status: %w", err)
			}
			packages, content = parseStatus(b), bytes.NewReader(b)
		}
		if err := w.WriteHeader(plain(h, name, epoch)); err != nil {
			return nil, fmt.Errorf("writing the layer: %s: %w", name, err)
		}
		if _, err := io.Copy(w, content); err != nil {
			return nil, fmt.Errorf("writing the layer: %s: %w", name, err)
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // the padding after the end
		return nil, fmt.Errorf("reading the root filesystem: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing the layer: %w", err)
	}
	return packages, nil
}

// plain is the header without what is not the file's own.
func plain(h *tar.Header, name string, epoch time.Time) *tar.Header {
	p := &tar.Header{
		Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid,
		ModTime: h.ModTime.UTC().Truncate(time.Second), Devmajor: h.Devmajor, Devminor: h.Devminor,
	}
	switch h.Typeflag {
	case tar.TypeDir:
		p.Name += "/"
	case tar.TypeLink:
		p.Linkname = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
	}
	if p.ModTime.After(epoch) {
		p.ModTime = epoch
	}
	for key, value := range h.PAXRecords {
		if strings.HasPrefix(key, "SCHILY.xattr.security.capability") {
			p.PAXRecords = map[string]string{key: value}
		}
	}
	return p
}

// parseStatus reads the installed packages and their versions out of dpkg's
// status.
func parseStatus(b []byte) map[string]string {
	packages := map[string]string{}
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		var name, version string
		var present bool
		for line := range strings.SplitSeq(paragraph, "\n") {
			key, value, _ := strings.Cut(line, ": ")
			switch key {
			case "Package":
				name = value
			case "Version":
				version = value
			case "Status":
				present = value == "install ok installed"
			}
		}
		if name != "" && present {
			packages[name] = version
		}
	}
	return packages
}
