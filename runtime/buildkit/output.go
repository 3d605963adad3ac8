package buildkit

import (
	"io"
	"sync"
)

// sharedWriter takes both streams of a program, in the order in which they
// come, and keeps their end.
type sharedWriter struct {
	mu     sync.Mutex
	w      io.Writer
	last   []byte
	closed bool
}

// stream is one of the two; closing it closes nothing.
func (s *sharedWriter) stream() io.WriteCloser { return sharedStream{s} }

// close drops what is still to come, so that the caller has its writer back.
func (s *sharedWriter) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *sharedWriter) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.last)
}

type sharedStream struct{ s *sharedWriter }

func (t sharedStream) Close() error { return nil }

func (t sharedStream) Write(b []byte) (int, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.s.closed {
		return len(b), nil
	}
	t.s.last = append(t.s.last, b...)
	if n := len(t.s.last); n > tailBytes {
		t.s.last = append(t.s.last[:0], t.s.last[n-tailBytes:]...)
	}
	if t.s.w == nil {
		return len(b), nil
	}
	return t.s.w.Write(b)
}
