// Package registrytest is a real registry inside a test, which can be told to
// fail: to answer with an error, to ask for patience, to cut the connection.
package registrytest

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Fault is what happens to the requests that match it.
type Fault struct {
	Method     string // regular expression over the whole method; empty is every method
	Path       string // regular expression over the URL's path; empty is every path
	After      int    // how many matching requests pass first
	Times      int    // how many of them fail then, 0 is all
	Status     int    // the answer; 0 with Cut
	RetryAfter string // header of the answer
	Cut        bool   // the connection is closed in the middle of the answer
	Late       bool   // the request is carried out, and then fails
}

// Server is the registry.
type Server struct {
	http   *httptest.Server
	inner  http.Handler
	mu     sync.Mutex
	faults []*fault
	log    []string
	hook   func(*http.Request)
	change func(*http.Request)
}

type fault struct {
	Fault
	path   *regexp.Regexp
	method *regexp.Regexp
	seen   int
}

// New starts a registry that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	return start(t, true)
}

// NewWithoutReferrers starts one that does not list artifacts by their subject.
func NewWithoutReferrers(t testing.TB) *Server {
	t.Helper()
	return start(t, false)
}

func start(t testing.TB, referrers bool) *Server {
	t.Helper()
	s := &Server{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers))}
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

// Host is the registry's address, "127.0.0.1:port".
func (s *Server) Host() string { return strings.TrimPrefix(s.http.URL, "http://") }

// Prefix is an address below it.
func (s *Server) Prefix(path string) string { return s.Host() + "/" + path }

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{Fault: f, path: regexp.MustCompile(f.Path), method: regexp.MustCompile("^(?:" + f.Method + ")$")})
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// OnRequest calls f before each request is carried out; nil ends that.
func (s *Server) OnRequest(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Answer lets f change a request before it is carried out, so that the registry
// answers another one; nil ends that.
func (s *Server) Answer(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = f
}

// Requests are the requests so far, "METHOD /path", those to /v2/ itself left
// out.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.log...)
}

// Forget empties the list of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// Close ends the registry before the test ends: connections are refused.
func (s *Server) Close() { s.http.Close() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.URL.Path != "/v2/" {
		s.log = append(s.log, r.Method+" "+r.URL.Path)
	}
	hook := s.hook
	f := s.fault(r)
	if s.change != nil {
		s.change(r)
	}
	s.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	switch {
	case f == nil && s.mounts(w, r):
		return
	case f == nil:
		s.inner.ServeHTTP(w, r)
		return
	case f.Late:
		s.inner.ServeHTTP(httptest.NewRecorder(), r)
	}
	if f.Cut {
		cut(w)
		return
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"injected"}]}`, code(f.Status))
}

// mounts answers a request to take a blob from another repository, as real
// registries do: the one inside has its blobs for all repositories, and would
// ask for the bytes.
func (s *Server) mounts(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if r.Method != http.MethodPost || q.Get("mount") == "" || q.Get("from") == "" {
		return false
	}
	look := httptest.NewRequestWithContext(r.Context(), http.MethodHead, "/v2/"+q.Get("from")+"/blobs/"+q.Get("mount"), http.NoBody)
	had := httptest.NewRecorder()
	s.inner.ServeHTTP(had, look)
	if had.Code != http.StatusOK {
		return false
	}
	w.Header().Set("Location", strings.Replace(r.URL.Path, "/uploads/", "/"+q.Get("mount"), 1))
	w.Header().Set("Docker-Content-Digest", q.Get("mount"))
	w.WriteHeader(http.StatusCreated)
	return true
}

// fault finds the first fault for r that is due.
func (s *Server) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.Method != "" && !f.method.MatchString(r.Method) || !f.path.MatchString(r.URL.Path) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Times == 0 || f.seen <= f.After+f.Times) {
			return &f.Fault
		}
	}
	return nil
}

func code(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "DENIED"
	case http.StatusTooManyRequests:
		return "TOOMANYREQUESTS"
	}
	return "UNKNOWN"
}

// cut promises a long answer, begins it and closes the connection.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100000")
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "{")
	panic(http.ErrAbortHandler) // net/http's documented way to close a connection in the middle
}
