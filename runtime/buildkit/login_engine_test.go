package buildkit_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// TestBuildLogsIn pushes to a registry that wants a login, which BuildKit asks
// this process for.
func TestBuildLogsIn(t *testing.T) {
	b := newBench(t)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: b.host})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "robot" || password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	guarded := strings.TrimPrefix(s.URL, "http://")
	r := b.request(t, "FROM base\nRUN echo mine > /whose\n")
	r.Repository = guarded + "/buildlogsin"

	t.Setenv(login.Variable, "")
	if d, err := b.client.Build(t.Context(), r); err == nil {
		t.Errorf("pushed %s without a login", d)
	}
	t.Setenv(login.Variable, `{"auths":{"`+guarded+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte("robot:s3cret"))+`"}}}`)
	d := b.build(t, r)
	if _, found, err := registry.New(registry.Options{}).Resolve(t.Context(), r.Repository, d.String()); err != nil || !found {
		t.Errorf("the image is not there: %v, %v", found, err)
	}
}
