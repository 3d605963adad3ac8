package registry

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

const documentType = "application/vnd.example+json"

func document(subject model.Digest, text, created string) Artifact {
	a := Artifact{Subject: subject, Type: documentType, Body: []byte(text)}
	if created != "" {
		a.Annotations = map[string]string{CreatedAnnotation: created}
	}
	return a
}

func put(t *testing.T, c *Client, repo string, a Artifact) model.Digest {
	t.Helper()
	d, err := c.PutArtifact(t.Context(), repo, a)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func digests(t *testing.T, c *Client, repo string, subject model.Digest, of string) []model.Digest {
	t.Helper()
	found, err := c.Artifacts(t.Context(), repo, subject, of)
	if err != nil {
		t.Fatal(err)
	}
	var list []model.Digest
	for _, f := range found {
		list = append(list, f.Digest)
	}
	return list
}

// registries are both kinds: one that lists artifacts by their subject, and
// one that does not.
func registries(t *testing.T) map[string]*registrytest.Server {
	return map[string]*registrytest.Server{"referrers": registrytest.New(t), "fallback": registrytest.NewWithoutReferrers(t)}
}

func TestArtifactsComeBack(t *testing.T) {
	t.Parallel()
	for name, s := range registries(t) {
		c, _ := newClient()
		repo := s.Prefix("testing/python")
		subject, other := push(t, c, repo, 1), push(t, c, repo, 2)
		if got := digests(t, c, repo, subject, ""); len(got) != 0 {
			t.Errorf("%s: %v before anything was attached", name, got)
		}
		old := put(t, c, repo, document(subject, "old", "2026-11-20T09:00:00Z"))
		recent := put(t, c, repo, document(subject, "recent", "2026-11-21T09:00:00Z"))
		undated := put(t, c, repo, document(subject, "undated", ""))
		put(t, c, repo, document(other, "of another", ""))
		second := document(subject, "second", "")
		second.Type = "application/vnd.other+json"
		put(t, c, repo, second)
		if again := put(t, c, repo, document(subject, "old", "2026-11-20T09:00:00Z")); again != old {
			t.Errorf("%s: writing the same again made %s of %s", name, again, old)
		}
		if got, want := digests(t, c, repo, subject, documentType), []model.Digest{recent, old, undated}; !cmp.Equal(got, want) {
			t.Errorf("%s: listed %v, want %v", name, got, want)
		}
		if got := digests(t, c, repo, subject, ""); len(got) != 4 {
			t.Errorf("%s: of every type: %v", name, got)
		}
		body, of, what, err := c.ReadArtifact(t.Context(), repo, recent, 100)
		if err != nil || string(body) != "recent" || of != subject || what != documentType {
			t.Errorf("%s: %q, %s, %s, %v", name, body, of, what, err)
		}
		if _, _, _, err := c.ReadArtifact(t.Context(), repo, recent, 5); err == nil || !strings.Contains(err.Error(), "more than the 5") {
			t.Errorf("%s: too long: %v", name, err)
		}
		if _, _, _, err := c.ReadArtifact(t.Context(), repo, subject, 100); err == nil {
			t.Errorf("%s: an image was taken for an artifact", name)
		}
		if _, _, _, err := c.ReadArtifact(t.Context(), repo, model.DigestOf([]byte("x")), 100); !errors.Is(err, ErrAbsent) {
			t.Errorf("%s: absent: %v", name, err)
		}
		if _, err := c.PutArtifact(t.Context(), repo, document(model.DigestOf([]byte("x")), "y", "")); !errors.Is(err, ErrAbsent) {
			t.Errorf("%s: about nothing: %v", name, err)
		}
	}
}

func TestArtifactsHaveTagsOnlyWithoutReferrers(t *testing.T) {
	t.Parallel()
	for name, s := range registries(t) {
		c, _ := newClient()
		repo := s.Prefix("testing/python")
		subject := push(t, c, repo, 1)
		d := put(t, c, repo, document(subject, "x", ""))
		var want []string
		if name == "fallback" {
			want = []string{FallbackTag(subject), FallbackTag(subject) + "." + d.Hex()[:16]}
		}
		tags, err := c.Tags(t.Context(), repo)
		if err != nil || !cmp.Equal(tags, want) {
			t.Errorf("%s: tags %v, want %v (%v)", name, tags, want, err)
		}
		for _, tag := range tags {
			if of, ok := ParseFallbackTag(tag); !ok || of != subject {
				t.Errorf("%s: %s is about %s, %v", name, tag, of, ok)
			}
		}
	}
	for _, tag := range []string{"v1", "sha256-1", "sha256-" + strings.Repeat("a", 64) + ".sig", "sha256-" + strings.Repeat("g", 64), "sha256-" + strings.Repeat("a", 81)} {
		if of, ok := ParseFallbackTag(tag); ok {
			t.Errorf("%s was taken for a tag about %s", tag, of)
		}
	}
}

// Another process writes between our reading of the index and our writing.
func TestTwoWritersLoseNoArtifact(t *testing.T) {
	t.Parallel()
	s := registrytest.NewWithoutReferrers(t)
	ours, _ := newClient()
	theirs, _ := newClient()
	repo := s.Prefix("testing/python")
	subject := push(t, ours, repo, 1)
	index := "/manifests/" + FallbackTag(subject)
	var raced bool
	var other model.Digest
	s.OnRequest(func(r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, index) && !raced {
			raced = true
			other = put(t, theirs, repo, document(subject, "theirs", "2026-11-20T09:00:00Z"))
		}
	})
	mine := put(t, ours, repo, document(subject, "ours", "2026-11-21T09:00:00Z"))
	s.OnRequest(nil)
	if !raced {
		t.Fatal("nobody wrote in between")
	}
	want := []model.Digest{mine, other}
	if got := digests(t, ours, repo, subject, documentType); !cmp.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	third := put(t, theirs, repo, document(subject, "third", "2026-11-22T09:00:00Z"))
	listed, err := theirs.fallbackIndex(t.Context(), repo, subject)
	if err != nil || len(listed) != 3 {
		t.Errorf("the index was not mended by the next writer: %v, %v", listed, err)
	}
	if got := digests(t, ours, repo, subject, ""); !cmp.Equal(got, append([]model.Digest{third}, want...)) {
		t.Errorf("listed %v", got)
	}
}

// An answer that is none must not read as "nothing is attached".
func TestArtifactsOfARegistryThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Fault{
		"error":    {Path: "/referrers/", Status: 500},
		"cut":      {Path: "/referrers/", Cut: true},
		"denied":   {Path: "/referrers/", Status: 403},
		"no index": {Path: "/referrers/", Status: 200},
	} {
		s := registrytest.New(t)
		c, _ := newClient()
		repo := s.Prefix("testing/python")
		subject := push(t, c, repo, 1)
		put(t, c, repo, document(subject, "x", ""))
		s.Fail(fault)
		if found, err := c.Artifacts(t.Context(), repo, subject, ""); err == nil {
			t.Errorf("%s: listed %v", name, found)
		}
		s.Heal()
		if got := digests(t, c, repo, subject, ""); len(got) != 1 {
			t.Errorf("%s: healed: %v", name, got)
		}
	}
	s := registrytest.NewWithoutReferrers(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	subject := push(t, c, repo, 1)
	put(t, c, repo, document(subject, "x", ""))
	s.Fail(registrytest.Fault{Path: "/manifests/sha256-", Status: 503})
	if found, err := c.Artifacts(t.Context(), repo, subject, ""); err == nil {
		t.Errorf("fallback: listed %v", found)
	}
}

// What somebody else put under the tags is not taken for what it is not.
func TestForgedFallbackTags(t *testing.T) {
	t.Parallel()
	s := registrytest.NewWithoutReferrers(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	subject, other := push(t, c, repo, 1), push(t, c, repo, 2)
	put(t, c, repo, document(subject, "x", ""))
	about := put(t, c, repo, document(other, "of another", ""))
	if err := c.MoveTag(t.Context(), repo, about, FallbackTag(subject)+"."+about.Hex()[:16]); err != nil {
		t.Fatal(err)
	}
	if found, err := c.Artifacts(t.Context(), repo, subject, ""); err == nil {
		t.Errorf("listed what is about another manifest: %v", found)
	}
}
