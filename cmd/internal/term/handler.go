package term

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// NewHandler logs for a person: one line a record, no time, warnings and
// errors marked, attributes after the message.
func NewHandler(w io.Writer, level slog.Level, color bool) slog.Handler {
	return &handler{w: w, level: level, color: color, mu: &sync.Mutex{}}
}

type handler struct {
	w     io.Writer
	level slog.Level
	color bool
	attrs []slog.Attr
	mu    *sync.Mutex
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(h.paint("error: ", "31"))
	case r.Level >= slog.LevelWarn:
		b.WriteString(h.paint("warning: ", "33"))
	}
	b.WriteString(r.Message)
	write := func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value); return true }
	for _, a := range h.attrs {
		write(a)
	}
	r.Attrs(write)
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	return &n
}

func (h *handler) WithGroup(string) slog.Handler { return h }

func (h *handler) paint(s, code string) string {
	if !h.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
