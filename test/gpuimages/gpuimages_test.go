// Package gpuimages builds the images of this repository's fleet that need a
// package index, for real, against a small index that the test makes itself.
package gpuimages

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// wanted are the images that the demo leaves out, and what they stand on.
var wanted = []string{"debian-base", "python", "pytorch", "tensorflow"}

// TestGPUImages builds pytorch and tensorflow from their own Dockerfiles, and
// runs their own tests. Nothing of the images is changed but the build
// argument that names the index, and the platforms of what they stand on.
func TestGPUImages(t *testing.T) {
	if err := tools.InstallPackages(t.Context(), os.Stderr); err != nil {
		t.Fatal(err)
	}
	index := httptest.NewServer(newIndex(t,
		wheel{name: "torch", version: "2.4.1", module: "torch"},
		wheel{name: "tensorflow", version: "2.17.0", module: "tensorflow", extra: "and-cuda", requires: "nvidia-cudnn"},
		wheel{name: "nvidia-cudnn", version: "9.0", module: "nvidia_cudnn"},
	))
	t.Cleanup(index.Close)
	root := enginetest.Root(t)
	dir := t.TempDir()
	for _, id := range wanted {
		if err := os.CopyFS(filepath.Join(dir, "images", id), os.DirFS(filepath.Join(root, "images", id))); err != nil {
			t.Fatal(err)
		}
		change(t, filepath.Join(dir, "images", id, "image.yaml"), "arch: [amd64, arm64]", "arch: [amd64]")
	}
	for _, id := range []string{"pytorch", "tensorflow"} {
		file := filepath.Join(dir, "images", id, "image.yaml")
		add(t, file, fmt.Sprintf("\nargs:\n  PIP_INDEX_URL: %s/simple\n", index.URL))
	}
	write(t, filepath.Join(dir, "rootfsgen.yaml"), "version: 1\n")
	write(t, filepath.Join(dir, ".gitignore"), "/.cache/\n/build-artifacts/\n")
	// The packages that were downloaded once are used again.
	if err := os.MkdirAll(filepath.Join(dir, ".cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	downloads := filepath.Join(root, ".cache", "debian")
	if err := os.MkdirAll(downloads, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(downloads, filepath.Join(dir, ".cache", "debian")); err != nil {
		t.Fatal(err)
	}
	r := runner{t: t, dir: dir, programs: enginetest.Programs(t), buildkit: enginetest.Services(t).BuildkitAddr}
	r.run("git", "init", "-q", "-b", "main")
	r.run("git", "add", ".")
	r.run("git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "Images")
	r.run("rootfsgen", "lock")
	prefix := enginetest.Services(t).Registry + "/gpu"
	r.run("rootfsrun", "run", "--registry", prefix, "--store", "file:"+t.TempDir(), "pytorch", "tensorflow")
	plan := r.plan(prefix)
	for _, id := range wanted {
		got := plan[id]
		if diff := cmp.Diff([]string{"linux/amd64 build=done test=done"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// runner runs programs in the repository of the test.
type runner struct {
	t                       *testing.T
	dir, programs, buildkit string
}

func (r runner) run(name string, args ...string) []byte {
	r.t.Helper()
	if name != "git" {
		name = filepath.Join(r.programs, name)
	}
	var errs bytes.Buffer
	out, err := tool.Command{Name: name, Args: args, Dir: r.dir, Stderr: &errs, Env: []string{"BUILDKIT_HOST=" + r.buildkit}}.Output(context.WithoutCancel(r.t.Context()))
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out, errs.Bytes())
	}
	return out
}

// plan is, for each image, what a second plan says of its steps.
func (r runner) plan(prefix string) map[string][]string {
	r.t.Helper()
	var p struct {
		Entries []struct {
			Image, Platform string
			Steps           map[string]string
		}
	}
	if err := json.Unmarshal(r.run("rootfsgen", "plan", "--registry", prefix, "--format", "json"), &p); err != nil {
		r.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, e := range p.Entries {
		out[e.Image] = append(out[e.Image], fmt.Sprintf("%s build=%s test=%s", e.Platform, e.Steps["build"], e.Steps["test"]))
	}
	return out
}

func change(t *testing.T, file, old, replacement string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(b), old, replacement, 1))
}

func add(t *testing.T, file, text string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(b)+text)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
}
