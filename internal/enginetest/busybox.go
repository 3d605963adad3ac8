package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Base is a two-megabyte image for two platforms, in a registry: what a small
// fleet is built from where there is no outside registry.
type Base struct {
	Index     model.Digest
	Platforms map[model.Platform]model.Digest
}

// PushBusybox makes an image of Debian's static busybox for amd64 and arm64,
// pushes it to repo, "host:port/path", and tags its index. The programs are
// downloaded once and kept below cache, the repository's .cache folder. In the
// image: every applet in /bin, the users root and app (1000, home /home/app),
// /tmp, and PATH=/usr/bin:/bin.
func PushBusybox(ctx context.Context, c *registry.Client, repo, tag, cache string) (*Base, error) {
	base := &Base{Platforms: map[model.Platform]model.Digest{}}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		img, err := busybox(ctx, p, cache)
		if err != nil {
			return nil, fmt.Errorf("making the busybox image for %s: %w", p, err)
		}
		d, err := c.PushImage(ctx, repo, img)
		if err != nil {
			return nil, err
		}
		base.Platforms[p] = d
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}},
		})
	}
	d, err := c.PushIndex(ctx, repo, index)
	if err != nil {
		return nil, err
	}
	base.Index = d
	return base, c.MoveTag(ctx, repo, d, tag)
}

// busybox is the image for one platform, the same bytes each time.
func busybox(ctx context.Context, p model.Platform, cache string) (v1.Image, error) {
	program, err := busyboxProgram(ctx, p.Arch, cache)
	if err != nil {
		return nil, err
	}
	host, err := busyboxProgram(ctx, runtime.GOARCH, cache) // only the host's can be asked, and both have the same applets
	if err != nil {
		return nil, err
	}
	list, err := tool.Command{Name: host, Args: []string{"--list"}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	layer, err := busyboxLayer(program, strings.Fields(string(list)))
	if err != nil {
		return nil, err
	}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
		OS: p.OS, Architecture: p.Arch,
		Config: v1.Config{Cmd: []string{"sh"}, Env: []string{"PATH=/usr/bin:/bin"}},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	return mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{CreatedBy: "busybox"}})
}

func busyboxLayer(program string, applets []string) (v1.Layer, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) {
		h.Size, h.ModTime, h.Format = int64(len(data)), time.Unix(0, 0), tar.FormatPAX
		if err == nil {
			err = w.WriteHeader(&h)
		}
		if err == nil {
			_, err = w.Write(data)
		}
	}
	dir := func(name string, mode int64, owner int) {
		add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner}, nil)
	}
	dir("bin", 0o755, 0)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755}, content)
	slices.Sort(applets)
	for _, a := range applets {
		if a != "busybox" {
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + a, Linkname: "busybox", Mode: 0o777}, nil)
		}
	}
	dir("etc", 0o755, 0)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"))
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/group", Mode: 0o644}, []byte("root:x:0:\napp:x:1000:\n"))
	dir("home", 0o755, 0)
	dir("home/app", 0o755, 1000)
	dir("root", 0o700, 0)
	dir("tmp", 0o1777, 0)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// busyboxProgram is the path of the static busybox for one of Debian's
// architectures. apt works in folders of its own, so that the machine's
// package lists stay as they are.
func busyboxProgram(ctx context.Context, arch, cache string) (string, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "busybox-static", arch, "busybox") // the program acts on its own name
	if _, err := os.Stat(program); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return program, err
	}
	work, err := os.MkdirTemp("", "busybox")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }() // a temporary folder
	apt := func(args ...string) error {
		for _, d := range []string{"lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(work, d), 0o755); err != nil {
				return err
			}
		}
		return tool.Command{Name: "apt-get", Dir: work, Args: append([]string{
			"-q", "-o", "APT::Architecture=" + arch, "-o", "APT::Architectures=" + arch, "-o", "APT::Sandbox::User=root",
			"-o", "Dir::State::lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + filepath.Join(work, "cache"),
			"-o", "Dir::State::status=/dev/null", "-o", "Acquire::Languages=none",
		}, args...)}.Run(ctx)
	}
	if err := apt("update"); err != nil {
		return "", err
	}
	if err := apt("download", "busybox-static"); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(work, "busybox-static_*.deb"))
	if err != nil || len(debs) != 1 {
		return "", fmt.Errorf("apt-get downloaded %d packages of busybox-static for %s: %w", len(debs), arch, err)
	}
	if err := (tool.Command{Name: "dpkg-deb", Args: []string{"-x", debs[0], filepath.Join(work, "root")}}).Run(ctx); err != nil {
		return "", err
	}
	return program, install(filepath.Join(work, "root", "bin", "busybox"), program)
}

// install puts a program at its place in one step, because several test
// programs look for it at once.
func install(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".busybox")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

// busyboxTag is the version in Debian 12; the same name is used whatever the
// machine's Debian has.
const busyboxTag = "1.35"

// Busybox is the reference of a two-megabyte base for both platforms in the
// registry of Services, "host:port/library/busybox:1.35"; PushBusybox says
// what is in it.
func Busybox(t testing.TB) string {
	t.Helper()
	s := Services(t)
	cache := filepath.Join(Root(t), ".cache")
	shared.busybox.Do(func() {
		repo := s.Registry + "/library/busybox"
		shared.busyboxRef = repo + ":" + busyboxTag
		// Not the test's context: other tests wait for the outcome, too.
		_, shared.busyboxErr = PushBusybox(context.Background(), registry.New(registry.Options{}), repo, busyboxTag, cache)
	})
	if shared.busyboxErr != nil {
		t.Fatalf("making the base image of the tests: %v", shared.busyboxErr)
	}
	return shared.busyboxRef
}

// BusyboxImage is the image of one platform that PushBusybox pushes.
func BusyboxImage(t testing.TB, p model.Platform) v1.Image {
	t.Helper()
	img, err := busybox(t.Context(), p, filepath.Join(Root(t), ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// BusyboxProgram is the path of the static busybox for one platform.
func BusyboxProgram(t testing.TB, p model.Platform) string {
	t.Helper()
	program, err := busyboxProgram(t.Context(), p.Arch, filepath.Join(Root(t), ".cache"))
	if err != nil {
		t.Fatal(err)
	}
	return program
}
