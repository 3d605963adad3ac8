package buildkit

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/opencontainers/go-digest"
)

// shortestSecret is the length, in bytes, below which a value is no secret:
// blotting out "a" would make every message unreadable.
const shortestSecret = 4

// shortestLine is the same of one line of a value that has several: a brace or
// a "true" says nothing.
const shortestLine = 8

// blot stands where a secret was.
const blot = "***"

// secrets is what RUN --mount=type=secret reads, by id, and what must not be
// seen because of it.
type secrets struct {
	values map[string][]byte
	hidden [][]byte // longest first
}

// newSecrets refuses a value that could not be kept from people's eyes, or
// that the daemon would not take. The error holds no value.
func newSecrets(values map[string][]byte) (*secrets, error) {
	s := &secrets{values: values}
	for _, id := range slices.Sorted(maps.Keys(values)) {
		v := values[id]
		switch trimmed := bytes.TrimSpace(v); {
		case len(trimmed) < shortestSecret:
			return nil, fmt.Errorf("the secret %q has fewer than %d characters: it could not be kept out of the log", id, shortestSecret)
		case len(v) > secretsprovider.MaxSecretSize:
			return nil, fmt.Errorf("the secret %q has %d bytes, and may have %d", id, len(v), secretsprovider.MaxSecretSize)
		default:
			s.hide(shortestSecret, trimmed)
		}
		for line := range bytes.Lines(v) { // which tools print one by one
			s.hide(shortestLine, bytes.TrimSpace(line))
		}
	}
	slices.SortFunc(s.hidden, func(a, b []byte) int { return len(b) - len(a) })
	return s, nil
}

func (s *secrets) hide(shortest int, text []byte) {
	known := slices.ContainsFunc(s.hidden, func(h []byte) bool { return bytes.Equal(h, text) })
	if len(text) >= shortest && !known {
		s.hidden = append(s.hidden, text)
	}
}

// attachables is what gives the values to the daemon; nothing where there are
// none.
func (s *secrets) attachables() []session.Attachable {
	if len(s.values) == 0 {
		return nil
	}
	return []session.Attachable{secretsprovider.FromMap(s.values)}
}

// redact is a text without the values.
func (s *secrets) redact(text string) string {
	clean, _ := s.scan([]byte(text), true)
	return string(clean)
}

// scan is a text without the values, and the end of it that more text could
// make one; a text that is whole has no such end. Of two values that begin at
// one place the longer counts.
func (s *secrets) scan(text []byte, whole bool) (clean, rest []byte) {
	for at := 0; at < len(text); {
		end := at + 1
		for _, h := range s.hidden {
			switch {
			case bytes.HasPrefix(text[at:], h):
				end = max(end, at+len(h))
			case !whole && bytes.HasPrefix(h, text[at:]):
				return clean, text[at:]
			}
			if end > at+1 {
				break
			}
		}
		if end > at+1 {
			clean = append(clean, blot...)
		} else {
			clean = append(clean, text[at])
		}
		at = end
	}
	return clean, nil
}

// redacting takes the values out of what a build reports, also where a value
// comes in two pieces. It ends when from does.
func (s *secrets) redacting(from <-chan *bk.SolveStatus) <-chan *bk.SolveStatus {
	if len(s.hidden) == 0 {
		return from
	}
	to := make(chan *bk.SolveStatus)
	go func() {
		defer close(to)
		held := map[stream]bk.VertexLog{}
		for status := range from {
			to <- s.status(status, held)
		}
		if rest := s.rest(held, func(stream) bool { return true }); len(rest) > 0 {
			to <- &bk.SolveStatus{Logs: rest}
		}
	}()
	return to
}

// stream is one output of one step.
type stream struct {
	vertex digest.Digest
	number int
}

func (s *secrets) status(in *bk.SolveStatus, held map[stream]bk.VertexLog) *bk.SolveStatus {
	out := *in
	out.Logs = nil
	for _, l := range in.Logs {
		id := stream{l.Vertex, l.Stream}
		shown, next := *l, *l
		shown.Data, next.Data = s.scan(append(slices.Clip(held[id].Data), l.Data...), false)
		held[id] = next
		if len(shown.Data) > 0 {
			out.Logs = append(out.Logs, &shown)
		}
	}
	ended := map[digest.Digest]bool{}
	out.Vertexes = nil
	for _, v := range in.Vertexes {
		shown := *v
		shown.Name, shown.Error = s.redact(v.Name), s.redact(v.Error)
		out.Vertexes = append(out.Vertexes, &shown)
		ended[v.Digest] = v.Completed != nil
	}
	out.Logs = append(out.Logs, s.rest(held, func(id stream) bool { return ended[id.vertex] })...)
	return &out
}

// rest is what was held back of the streams that have ended.
func (s *secrets) rest(held map[stream]bk.VertexLog, ended func(stream) bool) []*bk.VertexLog {
	var out []*bk.VertexLog
	for id, l := range held {
		if !ended(id) {
			continue
		}
		if len(l.Data) > 0 {
			l.Data, _ = s.scan(l.Data, true)
			out = append(out, &l)
		}
		delete(held, id)
	}
	return out
}

// error is err where its text holds no value; else its text without them.
// Whoever asks for the cause gets one that has been redacted, too.
func (s *secrets) error(err error) error {
	text := err.Error()
	clean := s.redact(text)
	if clean == text {
		return err
	}
	if f, is := errors.AsType[*Failure](err); is {
		return &Failure{
			Name: f.Name, At: f.At, Step: s.redact(f.Step), Source: s.redact(f.Source), Tail: s.redact(f.Tail), Err: errors.New(s.redact(f.Err.Error())),
		}
	}
	if u, is := errors.AsType[*Unavailable](err); is {
		return &Unavailable{Addr: u.Addr, Err: errors.New(s.redact(u.Err.Error()))}
	}
	return errors.New(clean)
}
