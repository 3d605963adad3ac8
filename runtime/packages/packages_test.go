package packages_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/runtime/packages"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

const (
	status = "var/lib/dpkg/status"
	apk    = "lib/apk/db/installed"
	debian = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\nDescription: C\n Package: no\n\n" +
		"Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n" +
		"Package: adduser\nStatus: hold ok installed\nArchitecture: all\nVersion: 3:1.1\n"
	alpine = "C:Q1\nP:musl\nV:1.2.5-r1\nA:x86_64\nF:lib\n\nP:busybox\nV:1.37-r0\nA:x86_64\n\n"
)

// entry is a file of a layer; a link where content begins with "->", a folder
// where the name ends with a slash.
type entry struct{ name, content string }

func layer(t *testing.T, entries ...entry) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: tar.TypeReg, Size: int64(len(e.content)), Mode: 0o644}
		if to, link := strings.CutPrefix(e.content, "->"); link {
			h.Typeflag, h.Linkname, h.Size, e.content = tar.TypeSymlink, to, 0, ""
		} else if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := errors.Join(w.WriteHeader(h), func() error { _, err := io.WriteString(w, e.content); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer)
}

// read pushes an image of layers, lowest first, and reads its packages.
func read(t *testing.T, layers ...v1.Layer) (packages.Set, error) {
	t.Helper()
	s := registrytest.New(t)
	c := registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, l := range layers {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: l}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := c.PushImage(t.Context(), s.Prefix("testing")+"/it", img)
	if err != nil {
		t.Fatal(err)
	}
	return packages.Of(t.Context(), c, s.Prefix("testing")+"/it", d)
}

func TestPackages(t *testing.T) {
	t.Parallel()
	deb := packages.Set{{Name: "adduser", Version: "3:1.1", Arch: "all"}, {Name: "libc6", Version: "2.36-9", Arch: "amd64"}}
	one := packages.Set{{Name: "one", Version: "1", Arch: "all"}}
	single := "Package: one\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
	for name, c := range map[string]struct {
		layers []v1.Layer
		want   packages.Set
	}{
		"debian":             {[]v1.Layer{layer(t, entry{status, debian})}, deb},
		"alpine":             {[]v1.Layer{layer(t, entry{"./" + apk, alpine})}, packages.Set{{Name: "busybox", Version: "1.37-r0", Arch: "x86_64"}, {Name: "musl", Version: "1.2.5-r1", Arch: "x86_64"}}},
		"upper layers win":   {[]v1.Layer{layer(t, entry{status, debian}), layer(t, entry{"etc/x", "x"}), layer(t, entry{status, single})}, one},
		"distroless":         {[]v1.Layer{layer(t, entry{"var/lib/dpkg/status.d/", ""}, entry{"var/lib/dpkg/status.d/one", "Package: one\nVersion: 1\nArchitecture: all\n"}, entry{"var/lib/dpkg/status.d/one.md5sums", "x  y\n"})}, one},
		"a file taken away":  {[]v1.Layer{layer(t, entry{"var/lib/dpkg/status.d/two", "Package: two\nVersion: 1\n"}, entry{status, single}), layer(t, entry{"var/lib/dpkg/status.d/.wh.two", ""})}, one},
		"a folder taken":     {[]v1.Layer{layer(t, entry{apk, alpine}), layer(t, entry{".wh.lib", ""}, entry{status, single})}, one},
		"an opaque folder":   {[]v1.Layer{layer(t, entry{apk, alpine}), layer(t, entry{"lib/apk/.wh..wh..opq", ""}, entry{status, single})}, one},
		"its own layer's":    {[]v1.Layer{layer(t, entry{"var/lib/dpkg/.wh..wh..opq", ""}, entry{status, single})}, one},
		"replaced by a file": {[]v1.Layer{layer(t, entry{apk, alpine}, entry{status, single}), layer(t, entry{".wh.lib", ""})}, one},
	} {
		got, err := read(t, c.layers...)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	cut := "P:musl\nA:x86_64\n\n"
	for name, layers := range map[string][]v1.Layer{
		"no database":          {layer(t, entry{"app", "x"})},
		"taken away":           {layer(t, entry{status, debian}), layer(t, entry{"var/lib/dpkg/.wh.status", ""})},
		"another manager":      {layer(t, entry{status, debian}, entry{"var/lib/rpm/rpmdb.sqlite", "x"})},
		"a link":               {layer(t, entry{status, "->/etc/passwd"})},
		"a folder as a link":   {layer(t, entry{status, debian}), layer(t, entry{"var/lib/dpkg", "->/srv/dpkg"})},
		"no version":           {layer(t, entry{apk, cut})},
		"no archive":           {static.NewLayer([]byte(strings.Repeat("x", 2000)), types.OCIUncompressedLayer)},
		"broken compression":   {static.NewLayer([]byte("\x1f\x8b\x08\x00garbage"), types.OCILayer)},
		"a database too large": {layer(t, entry{status, strings.Repeat("x", 64<<20+1)})},
	} {
		if got, err := read(t, layers...); !packages.IsUnreadable(err) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
