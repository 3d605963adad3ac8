package locking

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// outside is a registry with one base, "base:1", for the given platforms.
func outside(t *testing.T, platforms ...model.Platform) (host string) {
	t.Helper()
	server := httptest.NewServer(ggcr.New())
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	push(t, host+"/base", "1", platforms...)
	return host
}

func push(t *testing.T, repo, tag string, platforms ...model.Platform) {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	client := registry.New(registry.Options{})
	for _, p := range platforms {
		img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: p.OS, Architecture: p.Arch, RootFS: v1.RootFS{Type: "layers"},
			Config: v1.Config{Env: []string{"ARCH=" + p.Arch, "TAG=" + tag}, WorkingDir: "/srv", User: "app"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PushImage(t.Context(), repo, img); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}}})
	}
	d, err := client.PushIndex(t.Context(), repo, index)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MoveTag(t.Context(), repo, d, tag); err != nil {
		t.Fatal(err)
	}
}

// load is the fleet of some files, and its graph.
func load(t *testing.T, files map[string]string) (*model.Fleet, *graph.Graph) {
	t.Helper()
	files["rootfsgen.yaml"] = "version: 1\n"
	tree := history.Memory(files)
	fleet, list, err := source.Load(t.Context(), tree, source.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	g, list, err := graph.Build(t.Context(), fleet, tree, graph.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	return fleet, g
}

func locker(t *testing.T, update bool) Locker {
	t.Helper()
	return Locker{Registry: registry.New(registry.Options{Attempts: 1}), Cache: t.TempDir(), Update: update}
}

func TestLockBases(t *testing.T) {
	t.Parallel()
	host := outside(t, model.LinuxAMD64, model.LinuxARM64)
	ref := host + "/base:1"
	fleet, g := load(t, map[string]string{"images/child/Dockerfile": "FROM " + ref + "\n"})
	first, list, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	got := first.Bases[ref]
	for _, p := range []string{"amd64", "arm64"} {
		want := model.BaseConfig{Env: []string{"ARCH=" + p, "TAG=1"}, WorkingDir: "/srv", User: "app"}
		if diff := cmp.Diff(want, got.Platforms["linux/"+p].Config); diff != "" {
			t.Errorf("configuration for %s (-want +got):\n%s", p, diff)
		}
		if !got.Platforms["linux/"+p].Digest.Valid() {
			t.Errorf("digest for %s: %q", p, got.Platforms["linux/"+p].Digest)
		}
	}
	// The tag moves: what is locked stays, until it is asked to move.
	push(t, host+"/base", "1", model.LinuxARM64, model.LinuxAMD64)
	kept, _, err := locker(t, false).Lock(t.Context(), fleet, g, first)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, kept); diff != "" {
		t.Errorf("locking again (-first +second):\n%s", diff)
	}
	moved, _, err := locker(t, true).Lock(t.Context(), fleet, g, first)
	if err != nil {
		t.Fatal(err)
	}
	if moved.Bases[ref].Digest == first.Bases[ref].Digest {
		t.Error("--update kept the digest of a tag that moved")
	}
	// What no image is built from any more goes.
	fleet, g = load(t, map[string]string{"images/child/Dockerfile": "FROM scratch\n"})
	gone, _, err := locker(t, false).Lock(t.Context(), fleet, g, first)
	if err != nil {
		t.Fatal(err)
	}
	if len(gone.Bases) != 0 {
		t.Errorf("unused bases are kept: %v", gone.Bases)
	}
}

func TestLockNeedsEveryPlatform(t *testing.T) {
	t.Parallel()
	host := outside(t, model.LinuxAMD64)
	for _, c := range []struct{ arch, from, rule string }{
		{"[amd64]", host + "/base:1", ""},
		{"[amd64, arm64]", host + "/base:1", RuleBasePlatform},
		{"[amd64]", host + "/base:2", RuleBaseAbsent},
		{"[amd64]", host + "/other:1", RuleBaseAbsent},
	} {
		fleet, g := load(t, map[string]string{
			"images/child/image.yaml": "arch: " + c.arch + "\n",
			"images/child/Dockerfile": "# child\nFROM " + c.from + "\n",
		})
		_, list, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range list {
			got = append(got, fmt.Sprintf("%s %s", d.Pos, d.Rule))
		}
		var want []string
		if c.rule != "" {
			want = []string{"images/child/Dockerfile:2:6 " + c.rule}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c, diff)
		}
	}
}

func TestRegistryDown(t *testing.T) {
	t.Parallel()
	fleet, g := load(t, map[string]string{"images/child/Dockerfile": "FROM 127.0.0.1:1/base:1\n"})
	_, _, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if c, ok := asCoded(err); !ok || c.ExitCode() != 75 {
		t.Errorf("got %v", err)
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	locked := map[string]string{"bash": "5", "less": "590"}
	for _, c := range []struct {
		packages []string
		locked   map[string]string
		want     bool
	}{
		{nil, nil, false},
		{nil, locked, true},
		{[]string{"less"}, locked, true},
		{[]string{"less", "curl"}, locked, false},
	} {
		if got := current(c.locked, model.Debian{Packages: c.packages}); got != c.want {
			t.Errorf("%v in %v: %v", c.packages, c.locked, got)
		}
	}
}

// The desk's own lock counts only before the images.lock that it was made for.
func TestLocalLock(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	committed := []byte("version: 1\n")
	if b, err := ReadLocal(root, committed); b != nil || err != nil {
		t.Errorf("nothing was written, but read: %q, %v", b, err)
	}
	lock := model.Lock{Debian: map[string]model.LockedSuite{"bookworm": {
		InRelease: model.DigestOf(nil), Images: map[string]map[string]string{"base linux/amd64": {"bash": "5"}},
	}}}
	if err := writeLocal(root, committed, lock); err != nil {
		t.Fatal(err)
	}
	b, err := ReadLocal(root, committed)
	if err != nil {
		t.Fatal(err)
	}
	parsed, list := source.ParseLock(b, source.LocalLockFile)
	if list.HasErrors() {
		t.Fatal(list)
	}
	if diff := cmp.Diff(lock.Debian, parsed.Debian); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	for _, other := range [][]byte{nil, []byte("version: 1\n\n")} {
		if b, err := ReadLocal(root, other); b != nil || err != nil {
			t.Errorf("images.lock is %q, and the local lock counts: %q, %v", other, b, err)
		}
	}
}
