package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

var equateEmpty = cmpopts.EquateEmpty()

// tagServer lists the tags of one repository, "testing/python", in whatever
// manner it is told to, and counts how often it is asked.
type tagServer struct {
	tags     []string
	limit    int    // the most tags of a page, 0 is what is asked for
	deaf     bool   // does not know "last"; its links have a cursor
	links    string // "relative", "absolute", "scheme", "elsewhere", "loop", "none"; empty is relative
	unknown  int    // status for a "last" that is no tag; 0 begins behind it
	emptied  bool   // a "last" that is no tag gives an empty list
	absent   bool
	mu       sync.Mutex
	requests int
	url      string
}

func newTagServer(t testing.TB, tags []string) *tagServer {
	t.Helper()
	s := &tagServer{tags: slices.Compact(slices.Sorted(slices.Values(tags)))}
	s.start(t)
	return s
}

func (s *tagServer) start(t testing.TB) {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
}

func (s *tagServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/tags/list") {
		return // the ping
	}
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	if s.absent {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"NAME_UNKNOWN"}]}`))
		return
	}
	q := r.URL.Query()
	begin, status := s.begin(q.Get("last"), q.Get("cursor"))
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	n, _ := strconv.Atoi(q.Get("n"))
	if s.limit > 0 {
		n = min(n, s.limit)
	}
	page := s.tags[begin:min(begin+n, len(s.tags))]
	if begin+n < len(s.tags) {
		s.link(w, page[len(page)-1], begin+n, n)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": "testing/python", "tags": page})
}

func (s *tagServer) begin(last, cursor string) (begin, status int) {
	switch {
	case cursor != "":
		begin, _ = strconv.Atoi(cursor)
		return begin, 0
	case s.deaf || last == "":
		return 0, 0
	}
	if at := slices.Index(s.tags, last); at >= 0 {
		return at + 1, 0
	}
	if s.emptied {
		return len(s.tags), 0
	}
	begin, _ = slices.BinarySearch(s.tags, last)
	return begin, s.unknown
}

func (s *tagServer) link(w http.ResponseWriter, last string, cursor, n int) {
	target := fmt.Sprintf("/v2/testing/python/tags/list?n=%d&last=%s", n, last)
	if s.deaf || !slices.IsSorted(s.tags) {
		target = fmt.Sprintf("/v2/testing/python/tags/list?n=%d&cursor=%d", n, cursor)
	}
	switch s.links {
	case "none":
		return
	case "absolute":
		target = s.url + target
	case "scheme":
		target = strings.Replace(s.url, "http:", "https:", 1) + target
	case "elsewhere":
		target = "http://elsewhere.example.com" + target
	case "loop":
		target = fmt.Sprintf("/v2/testing/python/tags/list?n=%d&cursor=%d", n, cursor%(3*n))
	}
	w.Header().Add("Link", `</v2/>; rel="up", <`+target+`>; title=x; rel=next`)
}

func (s *tagServer) ask(t testing.TB, keys ...model.Digest) (map[model.Digest]model.Content, error) {
	t.Helper()
	s.mu.Lock()
	s.requests = 0
	s.mu.Unlock()
	c, _ := newClient()
	host := strings.TrimPrefix(s.url, "http://")
	got, err := c.State(t.Context(), model.RegistryQuery{Prefix: host + "/testing", Keys: map[string][]model.Digest{"python": keys}})
	return got.Repositories["python"].Contents, err
}

func (s *tagServer) state(t testing.TB, keys ...model.Digest) map[model.Digest]model.Content {
	t.Helper()
	got, err := s.ask(t, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// repository are the tags of n targets, some with older generations, with the
// versions that were made of them.
func repository(n int) (tags []string, keys []model.Digest, want map[model.Digest]model.Content) {
	want = map[model.Digest]model.Content{}
	for i := range n {
		key := named("key %d", i)
		keys = append(keys, key)
		for g := range 1 + i%3 {
			manifest := named("manifest %d %d", i, g)
			tags = append(tags, finished(key, g, manifest)...)
			want[key] = contentOf(g, manifest)
		}
		tags = append(tags, fmt.Sprintf("1.%d-2026.11.21", i), model.IdentityTag(named("identity %d", i)))
	}
	return tags, keys, want
}

// TestRequests counts at the server.
func TestRequests(t *testing.T) {
	t.Parallel()
	small, smallKeys, smallWant := repository(60)
	large, largeKeys, largeWant := repository(1500)
	pages := (len(large) + 999) / 1000
	t.Logf("%d and %d tags", len(small), len(large))
	for name, c := range map[string]struct {
		tags []string
		keys []model.Digest
		all  map[model.Digest]model.Content
		most int // requests
	}{
		"one page, one target":        {small, smallKeys[:1], smallWant, 1},
		"one page, all targets":       {small, smallKeys, smallWant, 1},
		"one page, a new target":      {small, []model.Digest{named("new")}, smallWant, 1},
		"many pages, one target":      {large, largeKeys[7:8], largeWant, 1},
		"many pages, two targets":     {large, []model.Digest{largeKeys[7], largeKeys[900]}, largeWant, 2},
		"many pages, a new target":    {large, []model.Digest{named("new")}, largeWant, 1},
		"many pages, a dozen targets": {large, largeKeys[40:52], largeWant, min(pages, 12)},
		"many pages, all targets":     {large, largeKeys, largeWant, pages},
		"missing":                     {nil, smallKeys, nil, 1},
		"many pages without links":    {large, largeKeys, largeWant, pages},
	} {
		s := newTagServer(t, c.tags)
		if name == "many pages without links" {
			s.links = "none"
		}
		s.absent = c.tags == nil
		want := map[model.Digest]model.Content{}
		for _, key := range c.keys {
			if content, found := c.all[key]; found {
				want[key] = content
			}
		}
		if diff := cmp.Diff(want, s.state(t, c.keys...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if s.requests > c.most {
			t.Errorf("%s: %d requests, at most %d are allowed", name, s.requests, c.most)
		}
	}
}

// Requests stay within both bounds whatever is asked about, and whatever the
// size of the registry's pages, and the answer is that of the whole list.
func TestRequestsLaw(t *testing.T) {
	t.Parallel()
	tags, keys, all := repository(120)
	s := newTagServer(t, tags)
	rapid.Check(t, func(r *rapid.T) {
		s.limit = rapid.SampledFrom([]int{0, 10, 37, 100, 1000}).Draw(r, "page size")
		size := s.limit
		if size == 0 {
			size = 1000
		}
		pages := (len(s.tags) + size - 1) / size
		chosen := rapid.SliceOfNDistinct(rapid.IntRange(0, 2*len(keys)), 1, 40, rapid.ID).Draw(r, "targets")
		var asked []model.Digest
		want := map[model.Digest]model.Content{}
		for _, n := range chosen {
			key := named("key %d", n) // every second one is not there
			asked = append(asked, key)
			if content, found := all[key]; found {
				want[key] = content
			}
		}
		if diff := cmp.Diff(want, s.state(t, asked...)); diff != "" {
			r.Fatalf("-want +got:\n%s", diff)
		}
		if most := min(pages, len(asked)); s.requests > most {
			r.Fatalf("%d requests for %d targets and %d pages", s.requests, len(asked), pages)
		}
	})
}

// A registry that does not list in lexical order is seen to do so, and its
// whole list is read.
func TestOtherOrders(t *testing.T) {
	t.Parallel()
	tags, keys, all := repository(40)
	slices.Sort(tags)
	reversed, mixed := slices.Clone(tags), slices.Clone(tags)
	slices.Reverse(reversed)
	slices.SortFunc(mixed, func(a, b string) int { return strings.Compare(named("%s", a).Hex(), named("%s", b).Hex()) })
	for name, s := range map[string]*tagServer{
		"as written":              {tags: mixed},
		"newest first":            {tags: reversed},
		"as written, a cursor":    {tags: mixed, deaf: true},
		"lexical, a cursor":       {tags: tags, deaf: true},
		"unknown names refused":   {tags: tags, unknown: http.StatusBadRequest},
		"unknown names not found": {tags: tags, unknown: http.StatusNotFound},
		"unknown names: nothing":  {tags: tags, emptied: true},
		"absolute links":          {tags: mixed, links: "absolute"},
		"links of a proxy":        {tags: mixed, links: "scheme"},
	} {
		s.limit = 33
		s.start(t)
		for _, chosen := range [][]model.Digest{keys, keys[3:4], {keys[39], keys[0], named("new")}} {
			want := map[model.Digest]model.Content{}
			for _, key := range chosen {
				if content, found := all[key]; found {
					want[key] = content
				}
			}
			if diff := cmp.Diff(want, s.state(t, chosen...)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			pages := (len(tags) + s.limit - 1) / s.limit
			if s.requests > pages+1 {
				t.Errorf("%s: %d requests for %d pages", name, s.requests, pages)
			}
		}
	}
}

// Half a list never counts as a whole one.
func TestBrokenPages(t *testing.T) {
	t.Parallel()
	tags, keys, _ := repository(40)
	slices.Sort(tags)
	slices.Reverse(tags)
	for links, want := range map[string]string{"loop": "lead back", "elsewhere": "another host"} {
		s := &tagServer{tags: tags, limit: 10, links: links}
		s.start(t)
		got, err := s.ask(t, keys...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", links, got, err)
		}
		if s.requests > 10 {
			t.Errorf("%s: %d requests", links, s.requests)
		}
	}
}

// A page that is not there any more, or that is cut, is no end of the list.
func TestALaterPageFails(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	d := push(t, c, s.Prefix("testing/python"), 1)
	if err := c.MoveTag(t.Context(), s.Prefix("testing/python"), d, "1"); err != nil {
		t.Fatal(err)
	}
	// The first request seeks and finds nothing of ours, so the list is read.
	s.Fail(registrytest.Fault{Path: "/tags/list", After: 1, Status: http.StatusInternalServerError})
	q := model.RegistryQuery{Prefix: s.Prefix("testing"), Keys: map[string][]model.Digest{"python": {named("key")}}}
	if got, err := c.State(t.Context(), q); err == nil {
		t.Errorf("got %+v", got)
	}
}

// That a registry lists in another order is found out once.
func TestAnotherOrderIsFoundOutOnce(t *testing.T) {
	t.Parallel()
	tags, keys, all := repository(20)
	slices.Sort(tags)
	slices.Reverse(tags)
	s := &tagServer{tags: tags}
	s.start(t)
	c, _ := newClient()
	for round, want := range []int{2, 1, 1} {
		s.requests = 0
		got, err := c.State(t.Context(), model.RegistryQuery{
			Prefix: strings.TrimPrefix(s.url, "http://") + "/testing", Keys: map[string][]model.Digest{"python": keys},
		})
		if err != nil || !cmp.Equal(all, got.Repositories["python"].Contents) || s.requests != want {
			t.Errorf("round %d: %d requests, want %d: %v", round, s.requests, want, err)
		}
	}
}
