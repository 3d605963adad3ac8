// Package forgetest has a GitHub and a GitLab in the test's own process. They
// keep what a test puts there, answer in the shape that each forge documents,
// and fail as they are told to.
//
// What GitHub's answers look like is held against its published OpenAPI
// description by the tests of package forge; GitLab's are written after its
// API documents.
package forgetest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is what both forges take for a login.
const Token = "token-of-the-forge"

// Exchange is one request and its answer.
type Exchange struct {
	Method, Path, Query string // Path as it was sent, with its escapes
	Body                []byte
	Status              int
	Answer              []byte
	ContentType         string
}

// Line is the request in one line, for comparing.
func (e *Exchange) Line() string { return e.Method + " " + e.Path }

// Fault makes a forge answer wrongly.
type Fault struct {
	Method string // empty is any
	Path   string // glob in the sense of path.Match, over the whole path
	Times  int    // how often; 0 is once

	Status  int               // answered instead; 0 cuts the true answer in half
	Headers map[string]string // added
	Message string
	Done    bool // the request is carried out all the same
}

func (f *Fault) fits(r *http.Request) bool {
	ok, _ := path.Match(f.Path, r.URL.Path)
	return f.Times > 0 && ok && (f.Method == "" || f.Method == r.Method)
}

// server is what both forges have.
type server struct {
	*httptest.Server
	mu        sync.Mutex
	faults    []*Fault
	exchanges []Exchange
	next      int64
}

// start serves mux behind the faults and the record.
func (s *server) start(t testing.TB, mux http.Handler, authorized func(*http.Request) bool, refusal any) {
	t.Helper()
	s.next = 1000
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		fault := s.fault(r)
		switch {
		case !authorized(r):
			reply(answer, http.StatusUnauthorized, refusal)
		case fault == nil || fault.Done || fault.Status == 0:
			mux.ServeHTTP(answer, r)
		}
		if fault != nil && fault.Status != 0 {
			answer = httptest.NewRecorder()
			for k, v := range fault.Headers {
				answer.Header().Set(k, v)
			}
			reply(answer, fault.Status, map[string]any{"message": fault.Message})
		}
		text := answer.Body.Bytes()
		s.exchanges = append(s.exchanges, Exchange{
			Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: body,
			Status: answer.Code, Answer: text, ContentType: answer.Header().Get("Content-Type"),
		})
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(answer.Code)
		if fault != nil && fault.Status == 0 {
			text = text[:len(text)/2] // the server then cuts the connection
		}
		_, _ = w.Write(text)
	}))
	t.Cleanup(s.Close)
}

// Break makes the next fitting requests go wrong.
func (s *server) Break(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		f.Times = max(f.Times, 1)
		s.faults = append(s.faults, &f)
	}
}

func (s *server) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.fits(r) {
			f.Times--
			return f
		}
	}
	return nil
}

// Exchanges are all requests so far, with their answers.
func (s *server) Exchanges() []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Exchange(nil), s.exchanges...)
}

// Changes are the requests so far that were to change something, one a line.
func (s *server) Changes() []string {
	var out []string
	for _, e := range s.Exchanges() {
		if e.Method != http.MethodGet {
			out = append(out, e.Line())
		}
	}
	return out
}

// number is one that was not given before.
func (s *server) number() int64 {
	s.next++
	return s.next
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// read is the JSON body of a request.
func read[T any](r *http.Request) (v T) {
	_ = json.NewDecoder(r.Body).Decode(&v)
	return v
}

// page is the part of all that a request asks for, and sets what tells that
// there is more.
func page[T any](w http.ResponseWriter, r *http.Request, all []T) []T {
	size, number := 30, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil {
		number = n
	}
	from := min((number-1)*size, len(all))
	to := min(from+size, len(all))
	if to < len(all) {
		u := *r.URL
		q := u.Query()
		q.Set("page", strconv.Itoa(number+1))
		u.RawQuery = q.Encode()
		w.Header().Set("Link", "<http://"+r.Host+u.String()+`>; rel="next"`)
		w.Header().Set("X-Next-Page", strconv.Itoa(number+1))
	}
	out := []T{}
	return append(out, all[from:to]...)
}

// stamp is a time as both forges write it, null for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is null for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bearer takes the token of an Authorization header.
func bearer(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Authorization"), "Bearer "+Token)
}
