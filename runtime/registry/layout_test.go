package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

func TestAnImageIsSavedWhole(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	digest := push(t, c, repo, 1)
	dir := t.TempDir()
	s.Fail(registrytest.Fault{Method: "GET", Path: "/blobs/", Cut: true, Times: 2}) // and it is tried again
	if err := c.SaveLayout(t.Context(), repo, digest, dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	img, err := idx.Image(hash(digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotSaved(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	digest := push(t, c, repo, 1)
	index, err := c.PushIndex(t.Context(), repo, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image(t, 1)}))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		digest model.Digest
		limit  int64
		fault  registrytest.Fault
		want   string
	}{
		"an index":       {digest: index, limit: 1 << 20, want: "it is an index"},
		"too large":      {digest: digest, limit: 600, want: "larger than what is read"},
		"not there":      {digest: model.DigestOf([]byte("x")), limit: 1 << 20, want: ErrAbsent.Error()},
		"a lost layer":   {digest: digest, limit: 1 << 20, fault: registrytest.Fault{Path: "/blobs/", Status: 404}, want: ErrAbsent.Error()},
		"always cut off": {digest: digest, limit: 1 << 20, fault: registrytest.Fault{Path: "/blobs/", Cut: true}, want: "no good answer"},
	} {
		if x.fault.Path != "" {
			s.Fail(x.fault)
		}
		dir := filepath.Join(t.TempDir(), "image")
		if err := c.SaveLayout(t.Context(), repo, x.digest, dir, x.limit); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
			t.Errorf("%s: it looks whole", name)
		}
		s.Heal()
	}
}
