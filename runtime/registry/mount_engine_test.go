package registry_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// counted remembers what was asked of the network.
type counted struct {
	mu  sync.Mutex
	log []string
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.log = append(c.log, r.Method+" "+r.URL.Path)
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// TestTheRealRegistryMountsWhatIsCopied copies an index of two platforms, and a
// document about it, within one registry: no blob travels.
func TestTheRealRegistryMountsWhatIsCopied(t *testing.T) {
	t.Parallel()
	at := enginetest.Services(t).Registry
	source, target := at+"/mount-testing/python", at+"/mount-prod/python"
	log := &counted{}
	c := registry.New(registry.Options{Transport: log})
	idx, err := random.Index(10<<10, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.PushIndex(t.Context(), source, mutate.IndexMediaType(idx, types.OCIImageIndex))
	if err != nil {
		t.Fatal(err)
	}
	document, err := c.PutArtifact(t.Context(), source, registry.Artifact{Subject: digest, Type: "application/vnd.example+json", Body: []byte("{}\n")})
	if err != nil {
		t.Fatal(err)
	}
	log.log = nil
	if err := c.Copy(t.Context(), source, target, digest); err != nil {
		t.Fatal(err)
	}
	if err := c.CopyArtifact(t.Context(), source, target, document, nil); err != nil {
		t.Fatal(err)
	}
	mounts := 0
	for _, r := range log.log {
		if strings.HasPrefix(r, "POST ") {
			mounts++
		}
		if strings.HasPrefix(r, "GET ") && strings.Contains(r, "/blobs/") || strings.HasPrefix(r, "PUT ") && strings.Contains(r, "/blobs/") || strings.HasPrefix(r, "PATCH ") {
			t.Errorf("a blob travelled: %s", r)
		}
	}
	if mounts != 2*(3+1)+2 { // layers and configuration of each platform; the document and its empty configuration
		t.Errorf("%d blobs were mounted: %s", mounts, strings.Join(log.log, "\n"))
	}
	found, err := c.Artifacts(t.Context(), target, digest, "")
	if err != nil || len(found) != 1 || found[0].Digest != document {
		t.Errorf("the copy has %v, %v", found, err)
	}
	if _, there, err := c.Resolve(t.Context(), target, digest.String()); err != nil || !there {
		t.Errorf("the copy is not there: %v", err)
	}
}
