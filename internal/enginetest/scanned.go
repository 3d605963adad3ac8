package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Vulnerability is one entry of a database that ScanDB makes.
type Vulnerability struct {
	ID         string  `json:"id"`
	Distro     string  `json:"distro,omitempty"` // "debian:12"
	Ecosystem  string  `json:"ecosystem"`        // "deb"
	Package    string  `json:"package"`
	Constraint string  `json:"constraint,omitempty"` // "< 3.0.2"
	Fixed      string  `json:"fixed,omitempty"`
	Severity   string  `json:"severity,omitempty"` // empty: nobody has said
	CVSS       string  `json:"cvss,omitempty"`
	KEV        bool    `json:"kev,omitempty"`
	EPSS       float64 `json:"epss,omitempty"`
	Provider   string  `json:"provider,omitempty"` // empty: the distro's name, or "github"
}

// OfNVD is an entry about nothing: with it a database knows of programs that no
// package manager has installed.
var OfNVD = Vulnerability{ID: "CVE-2026-9999", Ecosystem: "npm", Package: "nothing-has-this", Severity: "low", Provider: "nvd"}

// ScanDB makes a real database of the local scanner, with made-up entries, put
// together at a time; zero is now. It returns its folder, and an archive of it
// to import.
func ScanDB(t testing.TB, built time.Time, entries ...Vulnerability) (dir, archive string) {
	t.Helper()
	dir = t.TempDir()
	list, archive := filepath.Join(dir, "entries.json"), filepath.Join(dir, "db.tar.gz")
	b, err := json.Marshal(append([]Vulnerability{}, entries...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--archive", archive, list, dir}
	if !built.IsZero() {
		args = append([]string{"--built", built.UTC().Format(time.RFC3339)}, args...)
	}
	if err := (tool.Command{Name: filepath.Join(Bin(t), "scandb"), Args: args}).Run(context.Background()); err != nil {
		t.Fatalf("making a database (\"make tools\" compiles scandb): %v", err)
	}
	return dir, archive
}

// Debian12 is what a Debian 12 root with packages has for a scanner: files by
// path, for Image.
func Debian12(packages map[string]string) map[string]string {
	var status bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nMaintainer: nobody <nobody@example.com>\nDescription: %[1]s\n\n", name, packages[name])
	}
	return map[string]string{
		"etc/os-release":      "ID=debian\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
		"var/lib/dpkg/status": status.String(),
	}
}

// Image is an image for linux/amd64 with these files in one layer.
func Image(t testing.TB, files map[string]string) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		t.Fatal(err)
	}
	return img
}
