package registry_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// The real registry lists nothing by its subject; writers at once, each a
// client of its own as in another process, lose nothing.
func TestArtifactsInTheRealRegistry(t *testing.T) {
	t.Parallel()
	repo := enginetest.Services(t).Registry + "/artifacts/python"
	c := registry.New(registry.Options{})
	subject, err := c.PushImage(t.Context(), repo, empty.Image)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			_, err := registry.New(registry.Options{}).PutArtifact(t.Context(), repo, registry.Artifact{
				Subject: subject, Type: "application/vnd.example+json", Body: fmt.Appendf(nil, "document %d", n),
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	found, err := c.Artifacts(t.Context(), repo, subject, "application/vnd.example+json")
	if err != nil || len(found) != 8 {
		t.Fatalf("listed %d of 8: %v, %v", len(found), found, err)
	}
	for _, f := range found {
		if _, of, _, err := c.ReadArtifact(t.Context(), repo, f.Digest, 100); err != nil || of != subject {
			t.Errorf("%s: about %s, %v", f.Digest, of, err)
		}
	}
}
