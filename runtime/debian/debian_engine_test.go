package debian

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// cache is kept between runs, like that of the program.
func cache(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.cache/debian")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// install brings the Debian packages that a build needs to a bare machine.
func install(t *testing.T) {
	t.Helper()
	if err := tools.InstallPackages(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
}

// The same request gives the same bytes, on the machine's own architecture
// and under emulation, with what was resolved before and nothing else.
func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	install(t)
	for _, c := range []struct {
		platform model.Platform
		debian   model.Debian
	}{
		{model.LinuxAMD64, model.Debian{Suite: "bookworm", Variant: "minbase", Packages: []string{"less"}}},
		{model.LinuxARM64, model.Debian{Suite: "bookworm", Variant: "essential"}},
	} {
		t.Run(c.platform.Dashed(), func(t *testing.T) {
			t.Parallel()
			locked, err := Resolve(t.Context(), cache(t), c.debian, c.platform)
			if err != nil {
				t.Fatal(err)
			}
			var digests []v1.Hash
			for range 2 {
				img, err := Build(t.Context(), Request{
					Debian: c.debian, Platform: c.platform, Packages: locked.Packages,
					WorkDir: t.TempDir(), CacheDir: cache(t), Progress: os.Stderr,
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := validate.Image(img); err != nil {
					t.Error(err)
				}
				d, err := img.Digest()
				if err != nil {
					t.Fatal(err)
				}
				digests = append(digests, d)
			}
			if digests[0] != digests[1] {
				t.Errorf("two builds differ: %s and %s", digests[0], digests[1])
			}
		})
	}
}

// What is resolved for one platform does not need the other's programs, and
// is the same twice.
func TestResolve(t *testing.T) {
	t.Parallel()
	d := model.Debian{Suite: "bookworm", Variant: "minbase", Packages: []string{"ca-certificates"}}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		t.Run(p.Dashed(), func(t *testing.T) {
			t.Parallel()
			first, err := Resolve(t.Context(), cache(t), d, p)
			if err != nil {
				t.Fatal(err)
			}
			second, err := Resolve(t.Context(), cache(t), d, p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("the archive, asked twice (-first +second):\n%s", diff)
			}
			for _, name := range []string{"bash", "apt", "libc6", "ca-certificates", "usr-is-merged"} {
				if first.Packages[name] == "" {
					t.Errorf("%s is missing", name)
				}
			}
			if first.Packages["usrmerge"] != "" {
				t.Error("usrmerge, with all of Perl, would be installed")
			}
			if !first.InRelease.Valid() {
				t.Errorf("InRelease: %q", first.InRelease)
			}
		})
	}
}

func TestUnreachableArchive(t *testing.T) {
	t.Parallel()
	_, err := Resolve(t.Context(), t.TempDir(), model.Debian{Suite: "bookworm", Mirror: "http://127.0.0.1:1/debian"}, model.LinuxAMD64)
	var coded interface{ ExitCode() int }
	if !asExit(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("got %v", err)
	}
	var exit *tool.ExitError
	if !asExit(err, &exit) {
		t.Errorf("the program's own words are lost: %v", err)
	}
}

// trigger calls a function once a text has been written to it.
type trigger struct {
	text string
	do   func()
}

func (w trigger) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.do()
	}
	return len(p), nil
}

// A build that is cut off in the middle leaves no process, no mount and no
// half root filesystem.
func TestCancelledBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	install(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Build(ctx, Request{
		Debian: model.Debian{Suite: "bookworm", Variant: "essential"}, Platform: model.LinuxAMD64,
		WorkDir: dir, CacheDir: cache(t), Progress: trigger{"installing essential packages", cancel},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range commands {
		if root, err := os.Readlink(link); err == nil && strings.HasPrefix(root, dir) {
			t.Errorf("a process is left in %s", root)
		}
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left:\n%s", mounts)
	}
	left, err := filepath.Glob(filepath.Join(dir, "mmdebstrap-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
