package tools

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/download"
)

// packed is a compressed archive.
func packed(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		content := "#!/bin/sh\necho " + h.Name + "\n"
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mirror serves archives by file name, below /github.
func mirror(t *testing.T, files map[string][]byte) Options {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := files[filepath.Base(r.URL.Path)]
		if !found || !strings.HasPrefix(r.URL.Path, "/github/") {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(s.Close)
	c, err := download.New(download.Options{
		Authorities: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Bin: filepath.Join(t.TempDir(), "bin"), Mirror: s.URL + "/github", Sums: map[string]string{}, Client: c}
	for name, content := range files {
		sum := sha256.Sum256(content)
		o.Sums[name] = hex.EncodeToString(sum[:])
	}
	return o
}

func pinnedProgram(t *testing.T, name string) (Pinned, string) {
	t.Helper()
	for _, p := range PinnedPrograms() {
		if p.Name == name {
			_, file := p.Archive(runtime.GOARCH, "")
			return p, file
		}
	}
	t.Fatalf("no %s", name)
	return Pinned{}, ""
}

func TestInstallFromArchive(t *testing.T) {
	t.Parallel()
	p, file := pinnedProgram(t, "buildkitd")
	o := mirror(t, map[string][]byte{file: packed(t,
		tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "bin/buildkit-runc", Typeflag: tar.TypeReg, Mode: 0o755},
		tar.Header{Name: "./bin/buildkitd", Typeflag: tar.TypeReg, Mode: 0o644},
		tar.Header{Name: "../../evil", Typeflag: tar.TypeReg, Mode: 0o755},
	)})
	var said bytes.Buffer
	if err := o.install(t.Context(), p, &said); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(o.Bin, "buildkitd"))
	info, serr := os.Stat(filepath.Join(o.Bin, "buildkitd"))
	if err := errors.Join(err, serr); err != nil || !strings.Contains(string(got), "bin/buildkitd") || info.Mode().Perm() != 0o755 {
		t.Errorf("%q %v %v", got, info, err)
	}
	all, err := os.ReadDir(o.Bin)
	if err != nil || len(all) != 1 {
		t.Errorf("beside it: %v %v", all, err)
	}
	if !strings.HasPrefix(said.String(), "buildkitd v0.33.1: https://") {
		t.Errorf("said %q", said.String())
	}
}

// Whatever is wrong with an archive, there is no program, and nothing that is
// half of one.
func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	p, file := pinnedProgram(t, "registry")
	for name, c := range map[string]struct {
		archive []byte
		edit    func(*Options)
		want    string
	}{
		"another archive":  {packed(t, tar.Header{Name: "registry", Typeflag: tar.TypeReg}), func(o *Options) { o.Sums[file] = strings.Repeat("0", 64) }, "is not what was expected"},
		"not there":        {nil, func(o *Options) { o.Mirror += "/elsewhere"; o.Mirror = strings.Replace(o.Mirror, "/github", "/x", 1) }, "status 404"},
		"without it":       {packed(t, tar.Header{Name: "other", Typeflag: tar.TypeReg}), nil, "it holds no registry"},
		"a link":           {packed(t, tar.Header{Name: "registry", Typeflag: tar.TypeSymlink, Linkname: "/bin/sh"}), nil, "registry is no file"},
		"a path out of it": {packed(t, tar.Header{Name: "../registry", Typeflag: tar.TypeReg}), nil, "it holds no registry"},
		"no archive":       {[]byte("<html>"), nil, "unpacking"},
		"cut off":          {packed(t, tar.Header{Name: "registry", Typeflag: tar.TypeReg})[:40], nil, "unpacking"},
	} {
		o := mirror(t, map[string][]byte{file: c.archive})
		if c.edit != nil {
			c.edit(&o)
		}
		if err := o.install(t.Context(), p, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if left, err := os.ReadDir(o.Bin); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind: %v %v", name, left, err)
		}
	}
}

func TestInstallNeedsASumOrGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	p, file := pinnedProgram(t, "registry")
	o := Options{Bin: filepath.Join(t.TempDir(), "bin")}
	if err := o.install(context.Background(), p, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "neither the SHA-256 of "+file+" is given") {
		t.Errorf("%v", err)
	}
}

func TestInstallOnlyWhatIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // the tests' own syft is on it
	_, file := pinnedProgram(t, "syft")
	o := mirror(t, map[string][]byte{file: packed(t, tar.Header{Name: "syft", Typeflag: tar.TypeReg})})
	o.Only = []string{"syft"}
	if err := Install(t.Context(), &bytes.Buffer{}, o); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Bin); err != nil || len(left) != 1 || left[0].Name() != "syft" {
		t.Errorf("installed %v, %v", left, err)
	}
	o.Only = []string{"syft", "sift"}
	if err := Install(t.Context(), &bytes.Buffer{}, o); err == nil || !strings.Contains(err.Error(), `"sift"`) {
		t.Errorf("%v", err)
	}
}

// A module that is another one is not compiled, and so not run.
func TestInstallHoldsTheModuleToItsSum(t *testing.T) {
	t.Parallel()
	p := Pinned{Name: "errgroup", Version: "v0.22.0", Module: "golang.org/x/sync", Package: "errgroup", Sum: "h1:other"}
	o := Options{Bin: filepath.Join(t.TempDir(), "bin")}
	err := o.install(t.Context(), p, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "module golang.org/x/sync@v0.22.0 is not the pinned one") {
		t.Errorf("%v", err)
	}
	if left, derr := os.ReadDir(o.Bin); derr != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, derr)
	}
}

// The pins are those of tools/go.mod: what tests run is what is installed.
func TestPinsAreThoseOfTheModule(t *testing.T) {
	t.Parallel()
	var sums, mod []byte
	for _, dir := range []string{"tools", "tools/scan"} {
		for name, to := range map[string]*[]byte{"go.sum": &sums, "go.mod": &mod} {
			b, err := os.ReadFile(filepath.Join("..", "..", dir, name))
			if err != nil {
				t.Fatal(err)
			}
			*to = append(*to, b...)
		}
	}
	for _, p := range PinnedPrograms() {
		if !strings.Contains(string(sums), p.Module+" "+p.Version+" "+p.Sum+"\n") || !strings.Contains(string(mod), p.Module+" "+p.Version) {
			t.Errorf("%s: %s %s %s is not what tools/go.sum pins", p.Name, p.Module, p.Version, p.Sum)
		}
		for _, r := range p.Replace {
			if !strings.Contains(string(mod), strings.NewReplacer("=", " => ", "@", " ").Replace(r)+"\n") {
				t.Errorf("%s: tools/scan/go.mod does not replace %s", p.Name, r)
			}
		}
		if address, _ := p.Archive("arm64", ""); !strings.HasPrefix(address, upstream+"/") || strings.ContainsAny(address, "{}") {
			t.Errorf("%s: %s", p.Name, address)
		}
	}
}
