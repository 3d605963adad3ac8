// Package ownimage builds images/rootfsrun, the image of rootfsrun, with
// rootfsrun itself, out of the files of this checkout.
package ownimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// TestImage builds the image, runs its own tests and looks into it. Nothing of
// it is changed but the build argument that names the module proxy. The program
// in it must be, byte for byte, what this machine's Go makes of the same files.
//
// With ROOTFSGEN_LONG set it is built for both architectures, and once more in
// a repository of its own without what BuildKit remembers: the digests must be
// the same.
func TestImage(t *testing.T) {
	if err := tools.InstallPackages(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	platforms := []string{"linux/amd64"}
	if os.Getenv("ROOTFSGEN_LONG") != "" {
		platforms = append(platforms, "linux/arm64")
	}
	c := copyOf(t, serveModules(t))
	first := c.build("own", platforms)
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) { look(t, c, first[platform], platform) })
	}
	if len(platforms) == 1 {
		return
	}
	c.forget()
	for platform, again := range c.build("again", platforms) {
		if again.digest != first[platform].digest {
			t.Errorf("%s is %s the first time and %s the second", platform, first[platform].digest, again.digest)
		}
	}
}

// checkout is a repository with the files that the image is made of.
type checkout struct {
	t   *testing.T
	dir string
}

// copyOf commits them. modules is the address of the module proxy.
func copyOf(t *testing.T, modules string) checkout {
	t.Helper()
	c := checkout{t, t.TempDir()}
	root := enginetest.Root(t)
	copied := sources(t, root)
	for _, id := range []string{"debian-base", "minimal", "rootfsrun"} {
		files, err := filepath.Glob(filepath.Join(root, "images", id, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			copied = append(copied, strings.TrimPrefix(f, root+"/"))
		}
	}
	for _, name := range copied {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "images/rootfsrun/image.yaml" {
			content = append(content, "\nargs:\n  GOPROXY: "+modules+"\n"...)
		}
		c.write(name, content)
	}
	c.write("rootfsgen.yaml", []byte("version: 1\n"))
	c.write(".gitignore", []byte("/.cache/\n/build-artifacts/\n"))
	c.shareDownloads(root)
	c.run("git", "init", "-q", "-b", "main")
	c.run("git", "add", ".")
	c.run("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "Sources")
	c.run("rootfsgen", "lock")
	return c
}

// shareDownloads takes the Debian packages that were downloaded once.
func (c checkout) shareDownloads(root string) {
	c.t.Helper()
	downloads := filepath.Join(root, ".cache", "debian")
	if err := errors.Join(os.MkdirAll(downloads, 0o750), os.MkdirAll(filepath.Join(c.dir, ".cache"), 0o750),
		os.Symlink(downloads, filepath.Join(c.dir, ".cache", "debian"))); err != nil {
		c.t.Fatal(err)
	}
}

func (c checkout) write(name string, content []byte) {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, content, 0o600)); err != nil {
		c.t.Fatal(err)
	}
}

func (c checkout) run(name string, args ...string) []byte {
	c.t.Helper()
	if name != "git" && name != "go" && name != "buildctl" {
		name = filepath.Join(enginetest.Programs(c.t), name)
	}
	env := append(goEnv(), "BUILDKIT_HOST="+enginetest.Services(c.t).BuildkitAddr, "PATH="+enginetest.Bin(c.t)+":"+os.Getenv("PATH"))
	var errs bytes.Buffer
	out, err := tool.Command{Name: name, Args: args, Dir: c.dir, Stderr: &errs, Env: env}.Output(context.WithoutCancel(c.t.Context()))
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, errs.Bytes())
	}
	return out
}

// forget empties BuildKit's cache.
func (c checkout) forget() {
	c.run("buildctl", "--addr", enginetest.Services(c.t).BuildkitAddr, "prune", "--all")
}

// built is one platform of the image.
type built struct {
	repo   string
	digest model.Digest
}

// build runs the image and what it stands on, below a name of the registry.
func (c checkout) build(name string, platforms []string) map[string]built {
	c.t.Helper()
	prefix := enginetest.Services(c.t).Registry + "/" + name
	args := []string{"run", "--registry", prefix, "--store", "file:" + c.t.TempDir(), "rootfsrun"}
	for _, p := range platforms {
		args = append(args, "--platform", p)
	}
	c.run("rootfsrun", args...)
	out := map[string]built{}
	for _, p := range platforms {
		var keys []struct{ Key model.Digest }
		if err := json.Unmarshal(c.run("rootfsgen", "key", "rootfsrun", "--platform", p, "--json"), &keys); err != nil || len(keys) != 1 {
			c.t.Fatalf("%v, %v", keys, err)
		}
		repo := prefix + "/rootfsrun"
		d, found, err := registry.New(registry.Options{}).Built(c.t.Context(), repo, keys[0].Key, 0)
		if err != nil || !found {
			c.t.Fatalf("%s: %v, %v", p, found, err)
		}
		out[p] = built{repo, d.Digest}
	}
	return out
}

// look reads what was built: how it starts, and its last files.
func look(t *testing.T, c checkout, b built, platform string) {
	client := registry.New(registry.Options{})
	raw, _, err := client.Manifest(t.Context(), b.repo, b.digest.String())
	if err != nil {
		t.Fatal(err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	config, err := client.Config(t.Context(), b.repo, b.digest)
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprintf("%s/%s %s %v %v %s", config.OS, config.Architecture, config.Config.User, config.Config.Entrypoint, config.Config.Cmd, config.Config.WorkingDir)
	if want := platform + " user [rootfsrun] [--help] /work"; said != want {
		t.Errorf("it starts as %q, want %q", said, want)
	}
	labels := map[string]string{
		"org.opencontainers.image.title":  "rootfsrun",
		"org.opencontainers.image.source": "https://github.com/rootfsgen/rootfsgen", "org.opencontainers.image.licenses": "Apache-2.0",
	}
	if diff := cmp.Diff(labels, config.Config.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	got := map[string]string{}
	for _, l := range m.Layers[len(m.Layers)-2:] {
		if err := client.Layer(t.Context(), b.repo, model.Digest(l.Digest.String()), func(r io.Reader) error { return list(r, got) }); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"usr/local/bin/rootfsrun": "0:0 755 " + compiled(t, c, platform), "work/": "1000:1000 755 "}
	for name := range got { // folders that were there before
		if name == "usr/" || name == "usr/local/" || name == "usr/local/bin/" {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("beside what minimal has (-want +got):\n%s", diff)
	}
}

// list adds what a layer holds: owner, mode and SHA-256 by name.
func list(layer io.Reader, to map[string]string) error {
	z, err := gzip.NewReader(layer)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		sum := ""
		if h.Typeflag == tar.TypeReg {
			s := sha256.New()
			if _, err := io.Copy(s, r); err != nil { //nolint:gosec // what we have just built
				return err
			}
			sum = fmt.Sprintf("%x", s.Sum(nil))
		}
		to[h.Name] = fmt.Sprintf("%d:%d %o %s", h.Uid, h.Gid, h.Mode, sum)
	}
}

// compiled is the SHA-256 of what this machine's Go makes of the same files.
func compiled(t *testing.T, c checkout, platform string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rootfsrun")
	if _, err := (tool.Command{
		Name: "go", Args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, "./cmd/rootfsrun"}, Dir: c.dir,
		Env: append(goEnv(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+strings.TrimPrefix(platform, "linux/"), "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly"),
	}).Output(t.Context()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(content))
}
