package buildkit

import (
	"errors"
	"strings"
	"testing"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

func hiding(t *testing.T, values ...string) *secrets {
	t.Helper()
	m := map[string][]byte{}
	for i, v := range values {
		m[string(rune('a'+i))] = []byte(v)
	}
	s, err := newSecrets(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values     []string
		text, want string
	}{
		"a value":                   {[]string{"s3cr3t"}, "token=s3cr3t!", "token=***!"},
		"twice":                     {[]string{"s3cr3t"}, "s3cr3ts3cr3t", "******"},
		"with a last newline":       {[]string{"s3cr3t\n"}, "x s3cr3t y", "x *** y"},
		"one is in the other":       {[]string{"abcd", "abcdefgh"}, "abcdefgh abcd", "*** ***"},
		"they overlap":              {[]string{"abcd", "cdef"}, "abcdef", "***ef"},
		"the lines of one":          {[]string{"BEGIN KEY\n  0123456789\n}\n"}, "0123456789 }", "*** }"},
		"nothing":                   {[]string{"s3cr3t"}, "s3cr3", "s3cr3"},
		"no secrets, nothing to do": {nil, "text", "text"},
	} {
		if got := hiding(t, c.values...).redact(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestRedactInPieces cuts what a step prints at every place.
func TestRedactInPieces(t *testing.T) {
	t.Parallel()
	s := hiding(t, "abcabd", "abcabdXYZ9\nsecond line\nend")
	const text = "x abcabd y abcabdXYZ9\nsecond line\nend z abcab"
	for i := range text {
		for j := i; j < len(text); j++ {
			if got := piecewise(s, text[:i], text[i:j], text[j:]); got != "x *** y *** z abcab" {
				t.Fatalf("%d %d: %q", i, j, got)
			}
		}
	}
}

func piecewise(s *secrets, pieces ...string) string {
	from := make(chan *bk.SolveStatus, len(pieces)+1)
	v := digest.FromString("step")
	for _, p := range pieces {
		from <- &bk.SolveStatus{Logs: []*bk.VertexLog{{Vertex: v, Stream: 1, Data: []byte(p)}}}
	}
	now := time.Now()
	from <- &bk.SolveStatus{Vertexes: []*bk.Vertex{{Digest: v, Completed: &now}}}
	close(from)
	var out strings.Builder
	for status := range s.redacting(from) {
		for _, l := range status.Logs {
			out.Write(l.Data)
		}
	}
	return out.String()
}

func TestRedactNamesAndErrors(t *testing.T) {
	t.Parallel()
	s := hiding(t, "s3cr3t")
	from := make(chan *bk.SolveStatus, 1)
	from <- &bk.SolveStatus{Vertexes: []*bk.Vertex{{Name: "RUN x s3cr3t", Error: "x s3cr3t: exit 1"}}}
	close(from)
	for status := range s.redacting(from) {
		if v := status.Vertexes[0]; v.Name != "RUN x ***" || v.Error != "x ***: exit 1" {
			t.Errorf("%+v", v)
		}
	}
	for _, err := range []error{
		errors.New("s3cr3t"), &Failure{Name: "x", Step: "RUN s3cr3t", Source: "s3cr3t", Tail: "s3cr3t", Err: errors.New("s3cr3t")},
		&Unavailable{Addr: "a", Err: errors.New("s3cr3t")},
	} {
		for e := s.error(err); e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "s3cr3t") {
				t.Errorf("%T: %v", e, e)
			}
		}
	}
	if _, again := errors.AsType[*Unavailable](s.error(&Unavailable{Err: errors.New("s3cr3t")})); !again {
		t.Error("a daemon in trouble is no longer one")
	}
	if plain := errors.New("x"); !errors.Is(s.error(plain), plain) {
		t.Error("an error without a secret was changed")
	}
}

func TestValuesThatAreNoSecrets(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "abc", "  a  \n", strings.Repeat("x", 600<<10)} {
		_, err := newSecrets(map[string][]byte{"npm": []byte(v)})
		if err == nil || !strings.Contains(err.Error(), `"npm"`) || v == "abc" && strings.Contains(err.Error(), v) {
			t.Errorf("%.10q: %v", v, err)
		}
	}
}
