// Package channeltest has the kinds of store inside a test, servers that keep
// objects among them, and processes that race for a document.
package channeltest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Fault is what happens to a request that it fits.
type Fault struct {
	Method, Path string // parts of the request; empty is any
	Times        int
	Status       int  // the answer; 0: the connection is cut
	Late         bool // the request is carried out first
}

// Server keeps objects, and can be told to fail.
type Server struct {
	inner  http.Handler
	mu     sync.Mutex
	faults []Fault
	hook   func()
}

// Fail lets requests fail.
func (s *Server) Fail(x Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, x)
}

// OnRequest tells of each request before it is carried out.
func (s *Server) OnRequest(hook func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	hook := s.hook
	n := slices.IndexFunc(s.faults, func(x Fault) bool {
		return x.Times > 0 && strings.Contains(r.Method, x.Method) && strings.Contains(r.URL.Path, x.Path)
	})
	var x Fault
	if n >= 0 {
		s.faults[n].Times--
		x = s.faults[n]
	}
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	if n < 0 {
		s.inner.ServeHTTP(w, r)
		return
	}
	if x.Late {
		s.inner.ServeHTTP(httptest.NewRecorder(), r)
	}
	if x.Status == 0 {
		panic(http.ErrAbortHandler) // net/http's documented way to close a connection
	}
	w.WriteHeader(x.Status)
}

// serve starts a server, which ends with the test.
func serve(t testing.TB, inner http.Handler) (s *Server, address string) {
	t.Helper()
	s = &Server{inner: inner}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// S3 is an S3 server with the bucket "fleet", and the variables that lead there.
func S3(t testing.TB) (*Server, map[string]string) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("fleet"); err != nil {
		t.Fatal(err)
	}
	s, address := serve(t, gofakes3.New(backend).Server())
	return s, map[string]string{"AWS_ENDPOINT_URL_S3": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}
}

// GS speaks what documents need of the JSON API of Google Cloud Storage, with
// the bucket "fleet": objects with generations, conditions on them, metadata,
// media and lists.
func GS(t testing.TB) (*Server, map[string]string) {
	t.Helper()
	s, address := serve(t, &gs{objects: map[string]gsObject{}})
	return s, map[string]string{"STORAGE_EMULATOR_HOST": address}
}

type gs struct {
	mu         sync.Mutex
	objects    map[string]gsObject
	generation int64
}

type gsObject struct {
	Name       string            `json:"name"`
	Generation int64             `json:"generation,string"`
	Metadata   map[string]string `json:"metadata,omitempty"`
	body       []byte
}

func (s *gs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), "/upload"), "/resumable/upload")
	rest, ok := strings.CutPrefix(path, "/storage/v1/b/")
	bucket, rest, _ := strings.Cut(rest, "/o")
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "unknown path "+r.URL.Path)
	case bucket != "fleet":
		refuse(w, http.StatusNotFound, "The specified bucket does not exist.")
	case r.Method == http.MethodPost:
		s.insert(w, r)
	case rest == "":
		s.list(w, r)
	default:
		key, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
		o, found := s.objects[key]
		g := r.FormValue("generation")
		if err != nil || !found || g != "" && g != strconv.FormatInt(o.Generation, 10) {
			refuse(w, http.StatusNotFound, "No such object: fleet/"+key)
			return
		}
		if r.FormValue("alt") == "media" {
			_, _ = w.Write(o.body)
			return
		}
		answer(w, o)
	}
}

func (s *gs) insert(w http.ResponseWriter, r *http.Request) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.FormValue("uploadType") != "multipart" {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("no multipart upload: %v", err))
		return
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	var o gsObject
	about, err := parts.NextPart()
	if err == nil {
		err = json.NewDecoder(about).Decode(&o)
	}
	if err == nil {
		var media *multipart.Part
		if media, err = parts.NextPart(); err == nil {
			o.body, err = io.ReadAll(media)
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if want := r.FormValue("ifGenerationMatch"); want != "" && want != strconv.FormatInt(s.objects[o.Name].Generation, 10) {
		refuse(w, http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
		return
	}
	s.generation++
	o.Generation = s.generation
	s.objects[o.Name] = o
	answer(w, o)
}

// list gives two names a page, so that pages are followed.
func (s *gs) list(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Items []gsObject `json:"items"`
		Next  string     `json:"nextPageToken,omitempty"`
	}
	for _, key := range slices.Sorted(func(yield func(string) bool) {
		for k := range s.objects {
			if strings.HasPrefix(k, r.FormValue("prefix")) && k > r.FormValue("pageToken") && !yield(k) {
				return
			}
		}
	}) {
		if len(page.Items) == 2 {
			page.Next = page.Items[1].Name
			break
		}
		page.Items = append(page.Items, s.objects[key])
	}
	answer(w, page)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
}
