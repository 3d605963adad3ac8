package buildkit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"golang.org/x/sync/errgroup"
)

// Progress says how a build is shown.
type Progress struct {
	Mode   string    // auto, plain, tty, quiet or rawjson; empty is auto
	Out    io.Writer // nil shows nothing; auto is for a terminal if it is one
	Prefix string    // before each line, so that builds side by side can be told apart; makes auto plain
}

// Modes are the valid values of Progress.Mode.
func Modes() []string { return []string{"auto", "plain", "tty", "quiet", "rawjson"} }

// show passes the status on to the display and to the tails until it ends. It
// drains the channel whatever happens, because the sender blocks on it.
func show(status <-chan *bk.SolveStatus, tails *tails, p Progress) error {
	mode, out := progressui.DisplayMode(p.Mode), p.Out
	if out == nil {
		mode, out = progressui.QuietMode, io.Discard
	}
	var lines *prefixer
	if p.Prefix != "" && mode != progressui.RawJSONMode && mode != progressui.QuietMode {
		lines = &prefixer{w: out, prefix: p.Prefix}
		mode, out = progressui.PlainMode, lines
	}
	shown := make(chan *bk.SolveStatus)
	var g errgroup.Group
	g.Go(func() error {
		defer drain(shown)
		display, err := progressui.NewDisplay(out, mode)
		if err != nil {
			return fmt.Errorf("showing progress: %w", err)
		}
		_, err = display.UpdateFrom(context.Background(), shown) // ends with the channel, also after a cancellation
		return err
	})
	for s := range status {
		tails.add(s)
		shown <- s
	}
	close(shown)
	err := g.Wait()
	if lines != nil {
		_ = lines.Close() // the display is over: nobody could be told
	}
	return err
}

func drain(c <-chan *bk.SolveStatus) {
	for range c {
		continue // what comes after the display has failed is of no use
	}
}

// Prefixed writes to w with a prefix before each line, whole lines only.
// Closing it writes an unfinished last line; w stays open.
func Prefixed(w io.Writer, prefix string) io.WriteCloser { return &prefixer{w: w, prefix: prefix} }

// prefixer puts a prefix before each line and hands on whole lines only.
type prefixer struct {
	w       io.Writer
	prefix  string
	pending []byte
}

func (p *prefixer) Write(b []byte) (int, error) {
	p.pending = append(p.pending, b...)
	end := bytes.LastIndexByte(p.pending, '\n')
	if end < 0 {
		return len(b), nil
	}
	var out bytes.Buffer
	for line := range bytes.Lines(p.pending[:end+1]) {
		if len(line) > 1 { // the display separates its groups by empty lines
			out.WriteString(p.prefix)
			out.Write(line)
		}
	}
	p.pending = append(p.pending[:0], p.pending[end+1:]...)
	_, err := p.w.Write(out.Bytes())
	return len(b), err
}

// Close writes what is left.
func (p *prefixer) Close() error {
	if len(p.pending) == 0 {
		return nil
	}
	_, err := io.WriteString(p.w, p.prefix+string(p.pending)+"\n")
	p.pending = nil
	return err
}

// tailLines and tailBytes bound what an error carries of a step's output.
const (
	tailLines = 20
	tailBytes = 8 << 10
)

// tails keeps the end of each step's output, and the names of the steps.
type tails struct {
	logs  map[string][]byte
	names map[string]string
}

func newTails() *tails { return &tails{logs: map[string][]byte{}, names: map[string]string{}} }

func (t *tails) add(s *bk.SolveStatus) {
	for _, v := range s.Vertexes {
		t.names[v.Digest.String()] = v.Name
	}
	for _, l := range s.Logs {
		id := l.Vertex.String()
		log := append(t.logs[id], l.Data...)
		if len(log) > tailBytes {
			log = append(log[:0], log[len(log)-tailBytes:]...)
		}
		t.logs[id] = log
	}
}

// of is the last lines of one step.
func (t *tails) of(vertex string) string {
	lines := strings.Split(strings.TrimSpace(string(t.logs[vertex])), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
