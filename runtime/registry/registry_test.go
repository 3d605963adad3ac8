package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// clock records how long a client would have slept.
type clock struct {
	mu    sync.Mutex
	slept []time.Duration
}

func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

func newClient() (*Client, *clock) {
	c := &clock{}
	return New(Options{Sleep: c.sleep}), c
}

func image(t *testing.T, seed int64) v1.Image {
	t.Helper()
	img, err := random.Image(512, 2, random.WithSource(zeroes(seed)))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// push uploads a small image and returns its digest.
func push(t *testing.T, c *Client, repo string, seed int64) model.Digest {
	t.Helper()
	d, err := c.PushImage(t.Context(), repo, image(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestImagesAreFoundByDigestAndTag(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	d := push(t, c, repo, 1)
	if _, found, err := c.Resolve(t.Context(), repo, d.String()); err != nil || !found {
		t.Fatalf("by digest: %v, %v", found, err)
	}
	if tags, err := c.Tags(t.Context(), repo); err != nil || len(tags) != 0 {
		t.Errorf("pushing by digest made tags %v (%v)", tags, err)
	}
	winner, err := c.TagOnce(t.Context(), repo, d, "k-1")
	if err != nil || winner != d {
		t.Fatalf("TagOnce = %s, %v", winner, err)
	}
	other := push(t, c, repo, 2)
	if winner, err = c.TagOnce(t.Context(), repo, other, "k-1"); err != nil || winner != d {
		t.Errorf("the loser got %s, %v instead of %s", winner, err, d)
	}
	if err := c.MoveTag(t.Context(), repo, other, "latest"); err != nil {
		t.Fatal(err)
	}
	if tags, err := c.Tags(t.Context(), repo); err != nil || !cmp.Equal(tags, []string{"k-1", "latest"}) {
		t.Errorf("tags = %v, %v", tags, err)
	}
	cfg, err := c.Config(t.Context(), repo, d)
	if err != nil || len(cfg.RootFS.DiffIDs) != 2 {
		t.Errorf("config = %+v, %v", cfg, err)
	}
}

func TestAbsentIsNoError(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/nothing")
	if tags, err := c.Tags(t.Context(), repo); err != nil || tags != nil {
		t.Errorf("Tags = %v, %v", tags, err)
	}
	if _, found, err := c.Resolve(t.Context(), repo, "v1"); err != nil || found {
		t.Errorf("Resolve = %v, %v", found, err)
	}
	if _, _, err := c.Manifest(t.Context(), repo, "v1"); !errors.Is(err, ErrAbsent) {
		t.Errorf("Manifest: %v", err)
	}
	if _, found, err := c.Receipt(t.Context(), repo, "r-test-0"); err != nil || found {
		t.Errorf("Receipt = %v, %v", found, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		fault registrytest.Fault
		want  string // "" is success, else part of the error
		code  int    // of the error, 0 for one without
		slept []time.Duration
	}{
		{name: "500 and then well", fault: registrytest.Fault{Path: "/manifests/", Status: 500, Times: 2}},
		{name: "503 for ever", fault: registrytest.Fault{Path: "/manifests/", Status: 503}, want: "no good answer in 5 tries", code: 75},
		{name: "503 at the door", fault: registrytest.Fault{Path: "^/v2/$", Status: 503}, want: "no good answer in 5 tries", code: 75},
		{name: "429 asks for patience", fault: registrytest.Fault{Path: "/manifests/", Status: 429, RetryAfter: "7", Times: 1}, slept: []time.Duration{7 * time.Second}},
		{name: "nobody waits for an hour", fault: registrytest.Fault{Path: "/manifests/", Status: 429, RetryAfter: "3600", Times: 1}, slept: []time.Duration{time.Minute}},
		{name: "cut connection", fault: registrytest.Fault{Path: "/manifests/", Cut: true, Times: 3}},
		{name: "cut for ever", fault: registrytest.Fault{Path: "/manifests/", Cut: true}, want: "no good answer", code: 75},
		{name: "401", fault: registrytest.Fault{Path: "/manifests/", Status: 401}, want: "the registry refuses"},
		{name: "403", fault: registrytest.Fault{Path: "/manifests/", Status: 403}, want: "the registry refuses"},
		{name: "400", fault: registrytest.Fault{Path: "/manifests/", Status: 400}, want: "injected"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			repo := s.Prefix("testing/python")
			healthy, _ := newClient()
			d := push(t, healthy, repo, 1)
			c, clock := newClient()
			s.Fail(tc.fault)
			_, _, err := c.Manifest(t.Context(), repo, d.String())
			checkFault(t, err, tc.want, tc.code)
			if tc.slept != nil && !cmp.Equal(clock.slept, tc.slept) {
				t.Errorf("slept %v, want %v", clock.slept, tc.slept)
			}
		})
	}
}

func checkFault(t *testing.T, err error, want string, code int) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
	var coded interface{ ExitCode() int }
	if got := errors.As(err, &coded); got != (code != 0) || got && coded.ExitCode() != code {
		t.Errorf("error %v: exit code wrong, want %d", err, code)
	}
}

func TestAPushSurvivesFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]registrytest.Fault{
		"start of an upload": {Method: http.MethodPost, Status: 502, Times: 1},
		"middle of one":      {Method: http.MethodPatch, Cut: true, Times: 1},
		"end of one":         {Method: http.MethodPut, Path: "/blobs/", Status: 500, Times: 1},
		"manifest":           {Method: http.MethodPut, Path: "/manifests/", Status: 429, Times: 1},
		"late":               {Method: http.MethodPut, Late: true, Status: 500, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			s.Fail(f)
			c, _ := newClient()
			repo := s.Prefix("testing/python")
			d := push(t, c, repo, 1)
			if _, found, err := c.Resolve(t.Context(), repo, d.String()); err != nil || !found {
				t.Errorf("not there: %v, %v", found, err)
			}
		})
	}
}

func TestARefusedConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	host := s.Host()
	s.Close()
	c, clock := newClient()
	_, err := c.Tags(t.Context(), host+"/testing/python")
	checkFault(t, err, "no good answer in 5 tries", 75)
	if len(clock.slept) != 4 {
		t.Errorf("slept %v", clock.slept)
	}
}

func TestCancellingEndsTheRetries(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	s.Fail(registrytest.Fault{Status: 500})
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := New(Options{Sleep: func(ctx context.Context, _ time.Duration) error { cancel(why); return context.Cause(ctx) }})
	if _, err := c.Tags(ctx, s.Prefix("testing/python")); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestBootstrapTakesRefusalsAsAbsent(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	s.Fail(registrytest.Fault{Path: "/testing/", Status: 403})
	q := model.RegistryQuery{Prefix: s.Prefix("testing"), Keys: map[string][]model.Digest{"python": {model.DigestOf(nil)}}}
	c, _ := newClient()
	if _, err := c.State(t.Context(), q); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("without bootstrap: %v", err)
	}
	q.Bootstrap = true
	state, err := c.State(t.Context(), q)
	if err != nil || len(state.Repositories["python"].Contents) != 0 {
		t.Errorf("with bootstrap: %+v, %v", state, err)
	}
}

func TestNamesAreCheckedBeforeTheyBecomeURLs(t *testing.T) {
	t.Parallel()
	c, _ := newClient()
	for _, repo := range []string{"", "host.example", "host.example/../x", "host.example/UPPER", "team/python", "h.example/a?b", "h.example/a b", "user@h.example/a"} {
		if _, err := c.Tags(t.Context(), repo); err == nil || !strings.Contains(err.Error(), "invalid") {
			t.Errorf("%q: %v", repo, err)
		}
	}
	for _, ref := range []string{"", "../x", "a/b", "sha256:short", strings.Repeat("a", 129), "a?b"} {
		if _, _, err := c.Resolve(t.Context(), "h.example/a", ref); err == nil || !strings.Contains(err.Error(), "invalid reference") {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestCopyMountsWithinARegistry(t *testing.T) {
	t.Parallel()
	s, far := registrytest.New(t), registrytest.New(t)
	c, _ := newClient()
	source := s.Prefix("testing/python")
	idx := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image(t, 1)}, mutate.IndexAddendum{Add: image(t, 2)})
	d, err := c.PushIndex(t.Context(), source, idx)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{s.Prefix("prod/python"), far.Prefix("prod/python")} {
		s.Forget()
		if err := c.Copy(t.Context(), source, target, d); err != nil {
			t.Fatal(err)
		}
		raw, got, err := c.Manifest(t.Context(), target, d.String())
		if err != nil || !got.IsIndex() || model.DigestOf(raw) != d {
			t.Errorf("%s: %+v, %v", target, got, err)
		}
		for _, r := range s.Requests() {
			if strings.HasPrefix(r, "PATCH ") {
				t.Errorf("%s: blobs were sent although they could be mounted: %s", target, r)
			}
		}
	}
}
