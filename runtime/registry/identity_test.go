package registry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// cloudRegistry is a world with a forge, Google's token services and a registry
// of Google's that wants a bearer token of its own, made for one account's
// access token.
type cloudRegistry struct {
	mu    sync.Mutex
	hosts []string // who was asked, in order, each once
	inner http.Handler
}

func (c *cloudRegistry) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	c.mu.Lock()
	if len(c.hosts) == 0 || c.hosts[len(c.hosts)-1] != r.URL.Host {
		c.hosts = append(c.hosts, r.URL.Host)
	}
	c.mu.Unlock()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	switch r.URL.Host {
	case "forge.example.com":
		_, _ = io.WriteString(w, `{"value":"eyJ-job"}`)
	case "sts.googleapis.com":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`)
	case "iamcredentials.googleapis.com":
		account := strings.TrimSuffix(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], ":generateAccessToken")
		_, _ = fmt.Fprintf(w, `{"accessToken":"of-%s","expireTime":"2999-01-01T00:00:00Z"}`, account)
	case "europe-docker.pkg.dev":
		c.registry(w, r)
	default:
		return nil, fmt.Errorf("there is no %s", r.URL.Host)
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func (c *cloudRegistry) registry(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/token" {
		if user, password, _ := r.BasicAuth(); user == "oauth2accesstoken" && password == "of-rootfs-testing@team-prod.iam.gserviceaccount.com" {
			_, _ = io.WriteString(w, `{"token":"bearer-of-testing"}`)
			return
		}
		http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
		return
	}
	if r.Header.Get("Authorization") != "Bearer bearer-of-testing" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://europe-docker.pkg.dev/v2/token",service="europe-docker.pkg.dev"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		return
	}
	c.inner.ServeHTTP(w, r)
}

// A job without any key pushes to a registry that wants to know who it is: as
// the account of its scope, and of no other.
func TestWorkloadIdentity(t *testing.T) {
	newPerson(t)
	t.Setenv("ROOTFSGEN_GOOGLE_PROVIDER", "projects/123456789/locations/global/workloadIdentityPools/forges/providers/github")
	t.Setenv("ROOTFSGEN_GOOGLE_ACCOUNTS", "pr=rootfs-pr@team-prod.iam.gserviceaccount.com testing=rootfs-testing@team-prod.iam.gserviceaccount.com")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://forge.example.com/token?x=1")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request")
	const repo = "europe-docker.pkg.dev/team/testing/python"

	world := &cloudRegistry{inner: registrytest.New(t)}
	c := registry.New(registry.Options{Attempts: 1, Scope: model.ScopeTesting, Transport: world})
	if len(world.hosts) != 0 {
		t.Errorf("asked before anything was to be pushed: %v", world.hosts)
	}
	if _, err := c.Tags(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	want := []string{"forge.example.com", "sts.googleapis.com", "iamcredentials.googleapis.com", "europe-docker.pkg.dev"}
	if d := cmp.Diff(want, world.hosts); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}

	other := registry.New(registry.Options{Attempts: 1, Scope: model.ScopePR, Transport: &cloudRegistry{inner: registrytest.New(t)}})
	if _, err := other.Tags(t.Context(), repo); err == nil || strings.Contains(err.Error(), "of-rootfs") {
		t.Errorf("the account of another scope: %v", err)
	}
}
