package traps

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap13BaseMoves: an outside base moves, and nothing in the repository
// does. Its digest is pinned in a file, so that a move arrives as a commit,
// which the key sees; until then nothing moves. Where the base is not complete
// yet for every platform that is needed, nothing is taken, and a base without a
// pin is an error in CI.
func TestTrap13BaseMoves(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	ref := s.Prefix("outside/base:1")
	push := func(word string, platforms ...string) { outside(t, ref, word, platforms...) }
	push("old", "amd64", "arm64")
	d := newDesk(t, map[string]string{
		"images/app/Dockerfile": "FROM " + ref + "\n", "images/child/Dockerfile": "FROM app\n", "images/lone/Dockerfile": "FROM scratch\n",
	})
	d.in("CI=true").refuses(nil, "images/app/Dockerfile:1:6", "images.lock", "rootfsgen lock")
	d.ok("lock")
	d.Commit(nil)
	d.Git("tag", "v1")
	d.in("CI=true").plan().builds()

	push("new", "amd64", "arm64")
	d.ok("lock") // keeps what is written down
	d.in("CI=true").plan().builds()
	before := d.read("images.lock")
	if out, _, code := d.run("lock", "--update", "--check"); code != 4 || !strings.Contains(out, ref) || d.read("images.lock") != before {
		t.Errorf("lock --update --check: exit code %d, %q", code, out)
	}

	push("half", "amd64") // arm64 is still on its way
	if _, errs, _ := d.run("lock", "--update"); !strings.Contains(errs, "linux/arm64") || d.read("images.lock") != before {
		t.Errorf("half an index was taken: %s", errs)
	}
	fresh := newDesk(t, map[string]string{"images/app/Dockerfile": "FROM " + ref + "\n"})
	if _, errs, code := fresh.run("lock"); code == 0 || !strings.Contains(errs, "linux/arm64") || strings.Contains(fresh.readIfThere("images.lock"), "sha256:") {
		t.Errorf("half an index was taken where nothing was locked: exit code %d, %s", code, errs)
	}
	push("new", "amd64", "arm64")
	d.ok("lock", "--update")
	d.Commit(nil)
	p := d.in("CI=true").plan()
	p.builds("app", "child")
	p.because("app", model.Reason{Kind: model.ReasonBase})
	p.because("child", parent("app:0"))
}

// outside pushes an index of small images, one for each architecture.
func outside(t *testing.T, ref, word string, arches ...string) {
	t.Helper()
	client := registry.New(registry.Options{})
	repo, tag, _ := cutLast(ref, ":")
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range arches {
		img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
			OS: "linux", Architecture: arch, Config: v1.Config{Env: []string{"WORD=" + word}}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PushImage(t.Context(), repo, img); err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	digest, err := client.PushIndex(t.Context(), repo, index)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MoveTag(t.Context(), repo, digest, tag); err != nil {
		t.Fatal(err)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
