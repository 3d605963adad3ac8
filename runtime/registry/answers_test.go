package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestAnswers is what each answer of a registry means for what it has: only
// 404 means missing, and with bootstrap a refusal too.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const there, missing, tryAgain, refused, failed = "there", "missing", "try again", "refused", "failed"
	tags := "/testing/python/tags/list"
	for name, c := range map[string]struct {
		faults    []registrytest.Fault
		want      string
		bootstrap string // where it differs
		slept     []time.Duration
	}{
		"200":                        {want: there},
		"404":                        {faults: []registrytest.Fault{{Path: tags, Status: 404}}, want: missing},
		"401":                        {faults: []registrytest.Fault{{Path: tags, Status: 401}}, want: refused, bootstrap: missing},
		"403":                        {faults: []registrytest.Fault{{Path: tags, Status: 403}}, want: refused, bootstrap: missing},
		"401 at the door":            {faults: []registrytest.Fault{{Path: "^/v2/$", Status: 401}}, want: there},
		"403 at the door":            {faults: []registrytest.Fault{{Path: "^/v2/$", Status: 403}}, want: refused, bootstrap: missing},
		"404 at the door":            {faults: []registrytest.Fault{{Path: "^/v2/$", Status: 404}}, want: failed},
		"429 with Retry-After":       {faults: []registrytest.Fault{{Path: tags, Status: 429, RetryAfter: "3", Times: 2}}, want: there, slept: []time.Duration{3 * time.Second, 3 * time.Second}},
		"429 with nonsense":          {faults: []registrytest.Fault{{Path: tags, Status: 429, RetryAfter: "soon", Times: 2}}, want: there},
		"429 for ever":               {faults: []registrytest.Fault{{Path: tags, Status: 429, RetryAfter: "1"}}, want: tryAgain},
		"500 and then well":          {faults: []registrytest.Fault{{Path: tags, Status: 500, Times: 4}}, want: there},
		"500 for ever":               {faults: []registrytest.Fault{{Path: tags, Status: 500}}, want: tryAgain},
		"502":                        {faults: []registrytest.Fault{{Path: tags, Status: 502}}, want: tryAgain},
		"503":                        {faults: []registrytest.Fault{{Path: tags, Status: 503}}, want: tryAgain},
		"504 at the door":            {faults: []registrytest.Fault{{Path: "^/v2/$", Status: 504}}, want: tryAgain},
		"408":                        {faults: []registrytest.Fault{{Path: tags, Status: 408}}, want: tryAgain},
		"cut and then well":          {faults: []registrytest.Fault{{Path: tags, Cut: true, Times: 4}}, want: there},
		"cut for ever":               {faults: []registrytest.Fault{{Path: tags, Cut: true}}, want: tryAgain},
		"400":                        {faults: []registrytest.Fault{{Path: tags, Status: 400}}, want: failed},
		"410":                        {faults: []registrytest.Fault{{Path: tags, Status: 410}}, want: failed},
		"418":                        {faults: []registrytest.Fault{{Path: tags, Status: 418}}, want: failed},
		"503, and then it refuses":   {faults: []registrytest.Fault{{Path: tags, Status: 503, Times: 1}, {Path: tags, Status: 403}}, want: refused, bootstrap: missing},
		"another one's 404":          {faults: []registrytest.Fault{{Path: "/testing/other/", Status: 404}}, want: there},
		"503 of what is read beside": {faults: []registrytest.Fault{{Path: "/beside/", Status: 503}}, want: tryAgain},
		"403 of what is read beside": {faults: []registrytest.Fault{{Path: "/beside/", Status: 403}}, want: refused, bootstrap: there},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			key := named("key")
			healthy, _ := newClient()
			repo := s.Prefix("testing/python")
			d := push(t, healthy, repo, 1)
			for _, tag := range finished(key, 0, d) {
				if err := healthy.MoveTag(t.Context(), repo, d, tag); err != nil {
					t.Fatal(err)
				}
			}
			for _, bootstrap := range []bool{false, true} {
				s.Heal()
				for _, f := range c.faults {
					s.Fail(f)
				}
				client, clock := newClient()
				state, err := client.State(t.Context(), model.RegistryQuery{
					Prefix: s.Prefix("testing"), ReadPrefix: s.Prefix("beside"), Bootstrap: bootstrap, Keys: map[string][]model.Digest{"python": {key}},
				})
				want := c.want
				if bootstrap && c.bootstrap != "" {
					want = c.bootstrap
				}
				if got := meaning(state, err, key); got != want {
					t.Errorf("bootstrap %v: %s, want %s: %v", bootstrap, got, want, err)
				}
				if c.slept != nil && !slices.Equal(c.slept, clock.slept) && !bootstrap {
					t.Errorf("slept %v, want %v", clock.slept, c.slept)
				}
			}
		})
	}
}

// meaning is what somebody who asked makes of the answer.
func meaning(state model.RegistryState, err error, key model.Digest) string {
	var unavailable *Unavailable
	var denied *Denied
	switch {
	case errors.As(err, &unavailable) && unavailable.ExitCode() == 75:
		return "try again"
	case errors.As(err, &denied):
		return "refused"
	case err != nil:
		return "failed"
	case !state.Known:
		return "not known"
	}
	if _, found := state.Repositories["python"].Contents[key]; found {
		return "there"
	}
	return "missing"
}

// What is no list of tags does not say that there are none.
func TestOtherDocumentsAreNoLists(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"name":"testing/python","tags":[]}`:   "missing",
		`{"name":"testing/python","tags":null}`: "missing",
		`{"name":"testing/python"}`:             "missing",
		`{}`:                                    "try again",
		`[]`:                                    "try again",
		`{"tags":{"a":1}}`:                      "try again",
		`{"errors":[{"code":"DENIED"}]}`:        "try again",
		`<html>Sign in to the guests' network</html>`: "try again",
		``: "try again",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				_, _ = w.Write([]byte(body))
			}
		}))
		t.Cleanup(server.Close)
		c, _ := newClient()
		key := named("key")
		state, err := c.State(t.Context(), model.RegistryQuery{
			Prefix: strings.TrimPrefix(server.URL, "http://") + "/testing", Keys: map[string][]model.Digest{"python": {key}},
		})
		if got := meaning(state, err, key); got != want {
			t.Errorf("%s: %s, want %s: %v", body, got, want, err)
		}
	}
}

// A registry that hands out tokens, to whom it knows.
func TestTokensAreRefused(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{http.StatusUnauthorized: "refused", http.StatusForbidden: "refused", http.StatusServiceUnavailable: "try again", http.StatusTooManyRequests: "try again"} {
		inner := registrytest.New(t)
		var address string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/token":
				w.WriteHeader(status)
			case r.Header.Get("Authorization") == "":
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+address+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				inner.ServeHTTP(w, r)
			}
		}))
		address = server.URL
		t.Cleanup(server.Close)
		c, _ := newClient()
		key := named("key")
		state, err := c.State(t.Context(), model.RegistryQuery{
			Prefix: strings.TrimPrefix(server.URL, "http://") + "/testing", Keys: map[string][]model.Digest{"python": {key}},
		})
		if got := meaning(state, err, key); got != want {
			t.Errorf("%d for a token: %s, want %s: %v", status, got, want, err)
		}
	}
}
