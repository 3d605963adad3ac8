package run

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// heard is what a server was asked for.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) note(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, line)
}

// forget makes it as if nothing had been asked for.
func (h *heard) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = nil
}

// has tells whether a request had all of these words.
func (h *heard) has(words ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.all, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

// company is the network of a company: a mirror of one registry, a registry that
// only a proxy leads to, and whose certificate is of the company's authority.
type company struct {
	mirror, proxy  string // "host:port"
	authority      string // file
	mirrored, sent heard  // what the mirror and the proxy were asked for
}

// The registries of the world, which nothing of this machine reaches by itself.
// The second is a name that httptest has a certificate of.
const (
	outside = "registry.invalid"
	walled  = "example.com"
)

func newCompany(t *testing.T, host string) *company {
	t.Helper()
	c := &company{authority: filepath.Join(t.TempDir(), "authority.pem")}
	to := func(h *heard) http.Handler {
		p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.note(r.Method + " " + r.URL.Path)
			p.ServeHTTP(w, r)
		})
	}
	mirror := httptest.NewServer(to(&c.mirrored))
	t.Cleanup(mirror.Close)
	behind := httptest.NewUnstartedServer(to(&heard{}))
	behind.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of connections that end with their tunnel
	behind.StartTLS()
	t.Cleanup(behind.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.sent.note(r.Method + " " + r.Host + " " + r.URL.Path)
		switch {
		case r.Method != http.MethodConnect:
			_, _ = io.WriteString(w, "by way of a proxy\n")
		case r.Host == walled+":443":
			connect(w, r, behind.Listener.Addr().String())
		default:
			http.Error(w, "nobody is called that", http.StatusBadGateway)
		}
	}))
	t.Cleanup(proxy.Close)
	if err := os.WriteFile(c.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: behind.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c.mirror, c.proxy = strings.TrimPrefix(mirror.URL, "http://"), strings.TrimPrefix(proxy.URL, "http://")
	return c
}

// connect joins a client that asked for a tunnel to a server.
func connect(w http.ResponseWriter, r *http.Request, address string) {
	server, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = server.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	ended := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(server, buffered); ended <- struct{}{} }()
	go func() { _, _ = io.Copy(client, server); ended <- struct{}{} }()
	<-ended
}

// Bases come from a mirror of a registry that cannot be reached, and from one to
// which only a proxy leads; a RUN instruction has the proxy, too, and the image
// knows nothing of that. The variables are those that each script of a job sets
// from "network:".
func TestACompanysNetwork(t *testing.T) {
	t.Parallel()
	host := enginetest.Services(t).Registry
	c := newCompany(t, host)
	r := registry.New(registry.Options{})
	for _, repo := range []string{"/network/hub/library/tools", "/library/walled"} {
		d, err := r.PushImage(t.Context(), host+repo, enginetest.BusyboxImage(t, model.LinuxAMD64))
		if err == nil {
			err = r.MoveTag(t.Context(), host+repo, d, "1")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	variables := []string{
		"ROOTFSGEN_MIRRORS=" + outside + "=" + c.mirror + "/network/hub", "http_proxy=http://" + c.proxy, "https_proxy=http://" + c.proxy,
		"no_proxy=127.0.0.1", "SSL_CERT_FILE=" + c.authority,
	}
	const one = "arch: amd64\n"
	f := newFleet(t, "network", nil)
	f.env = append(f.env, variables...)
	f.Write(map[string]string{
		"rootfsgen.yaml":             fmt.Sprintf("version: 1\nnetwork: {mirrors: {%s: %s/network/hub}}\n", outside, c.mirror),
		"images/mirrored/Dockerfile": "FROM " + outside + "/library/tools:1\nRUN echo mirrored > /name\n",
		"images/mirrored/image.yaml": one,
		"images/proxied/Dockerfile":  "FROM " + walled + "/library/walled:1\nRUN wget -q -O /fetched http://files.invalid/it && grep -q proxy /fetched\n",
		"images/proxied/image.yaml":  one,
	})
	if out, code := f.try("rootfsgen", "lock"); code != 0 {
		t.Fatal(out)
	}
	f.Commit(nil)
	c.mirrored.forget() // of what locking asked for
	c.sent.forget()

	desk := f.onDesk()
	code, rows, errs := desk.run("mirrored", "proxied")
	if code != 0 || rows["mirrored linux/amd64"].Action != "built" || rows["proxied linux/amd64"].Action != "built" {
		t.Fatalf("%d %v\n%s", code, actions(rows), errs)
	}
	if !c.mirrored.has("GET", "/v2/network/hub/library/tools/blobs/") {
		t.Errorf("the mirror was asked for\n%s", strings.Join(c.mirrored.all, "\n"))
	}
	if !c.sent.has("CONNECT", walled+":443") || !c.sent.has("GET", "files.invalid", "/it") {
		t.Errorf("the proxy was asked for\n%s", strings.Join(c.sent.all, "\n"))
	}
	if c.sent.has("127.0.0.1") {
		t.Errorf("the proxy was asked for what no_proxy has\n%s", strings.Join(c.sent.all, "\n"))
	}
	config, err := r.Config(t.Context(), f.prefix+"/proxied", model.Digest(rows["proxied linux/amd64"].Digest))
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprintf("%+v", config); strings.Contains(said, c.proxy) || strings.Contains(said, c.mirror) {
		t.Errorf("the image tells of the network: %s", said)
	}
}
