package tool

import (
	"bytes"
	"io"
	"strings"
)

// shortest is the length below which a value is no secret: blotting out "a"
// would make every message unreadable.
const shortest = 4

func (c Command) redact(s string) string {
	for _, secret := range c.Secrets {
		if len(secret) >= shortest {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}

// redacted wraps w so that no secret reaches it; nil stays nil.
func (c Command) redacted(w io.Writer) io.Writer {
	if w == nil || len(c.Secrets) == 0 {
		return w
	}
	return &lineRedactor{w: w, redact: c.redact}
}

// lineRedactor holds back an unfinished line, so that a secret cut in two by
// the pipe is still seen whole.
type lineRedactor struct {
	w       io.Writer
	redact  func(string) string
	pending []byte
}

func (l *lineRedactor) Write(p []byte) (int, error) {
	l.pending = append(l.pending, p...)
	i := bytes.LastIndexByte(l.pending, '\n')
	if i < 0 {
		return len(p), nil
	}
	line := l.redact(string(l.pending[:i+1]))
	l.pending = l.pending[i+1:]
	_, err := io.WriteString(l.w, line)
	return len(p), err
}

// flush writes the last line, which may lack its end.
func (l *lineRedactor) flush() error {
	_, err := io.WriteString(l.w, l.redact(string(l.pending)))
	l.pending = nil
	return err
}

// tailWriter keeps the last max bytes.
type tailWriter struct {
	max int
	buf []byte
}

func (t *tailWriter) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if len(t.buf) > t.max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(p), nil
}

func (t *tailWriter) String() string { return string(t.buf) }
