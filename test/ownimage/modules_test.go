package ownimage

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// serveModules is the address of a module proxy that has what is on this
// machine, and asks the machine's own proxy for the rest. A RUN instruction
// reaches it whatever authorities this machine's network needs.
func serveModules(t *testing.T) string {
	t.Helper()
	out, err := tool.Command{Name: "go", Args: []string{"env", "GOMODCACHE", "GOPROXY"}, Env: goEnv()}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Fields(string(out))
	if len(said) != 2 {
		t.Fatalf("go env says %q", out)
	}
	upstream, err := url.Parse(strings.FieldsFunc(said[1], func(r rune) bool { return r == ',' || r == '|' })[0])
	if err != nil {
		t.Fatal(err)
	}
	further := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) }}
	downloads := filepath.Join(said[0], "cache", "download")
	here := http.FileServerFS(os.DirFS(downloads))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info, err := os.Stat(filepath.Join(downloads, filepath.FromSlash(filepath.Clean(r.URL.Path)))); err == nil && info.Mode().IsRegular() {
			here.ServeHTTP(w, r)
			return
		}
		further.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
