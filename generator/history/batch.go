package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// batch is one `git cat-file --batch`. Its goroutine is the only one that
// talks to the process; it ends when the process does or close is called.
type batch struct {
	requests chan request
	quit     chan struct{}
	once     sync.Once
	done     chan struct{} // closed when the goroutine has ended and the process is reaped
}

type request struct {
	name  string
	reply chan<- object // buffered: the asker may have left
}

// object is an answer of git's.
type object struct {
	id, kind string
	content  []byte
	err      error
}

// errAbsent is git's answer "missing"; errAmbiguous is "ambiguous".
var (
	errAbsent    = errors.New("missing")
	errAmbiguous = errors.New("ambiguous")
)

// maxObject bounds one object in memory; what is read this way are build
// files and text, never layers.
const maxObject = 64 << 20

func startBatch(ctx context.Context, root string, env []string) (*batch, error) {
	cmd, err := command(root, env, "cat-file", "--batch").Cmd(ctx)
	if err != nil {
		return nil, notInstalled(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	b := &batch{requests: make(chan request), quit: make(chan struct{}), done: make(chan struct{})}
	p := process{in: in, out: bufio.NewReaderSize(out, 64<<10), said: said, wait: cmd.Wait, kill: cmd.Process.Kill}
	go b.serve(p)
	return b, nil
}

// process is a running git, as its goroutine holds it.
type process struct {
	in         io.WriteCloser
	out        *bufio.Reader
	said       *bytes.Buffer // on standard error; complete after wait
	wait, kill func() error
}

func (b *batch) serve(p process) {
	defer close(b.done)
	var last *request
	for last == nil {
		select {
		case <-b.quit:
			_ = p.in.Close()
			_ = p.wait()
			return
		case q := <-b.requests:
			o := p.ask(q.name)
			if o.err == nil || errors.Is(o.err, errAbsent) || errors.Is(o.err, errAmbiguous) {
				q.reply <- o
				continue
			}
			last = &q
			last.reply <- p.broken(o.err)
		}
	}
}

// broken reaps a process that no longer answers and says what it said.
func (p process) broken(cause error) object {
	_ = p.in.Close()
	_ = p.kill() // it may be in the middle of an answer
	_ = p.wait()
	if s := strings.TrimSpace(p.said.String()); s != "" {
		cause = errors.New(s)
	}
	return object{err: fmt.Errorf("git cat-file: %w", cause)}
}

// ask writes one request and reads its answer. After an error other than
// errAbsent and errAmbiguous the stream is out of step.
func (p process) ask(name string) object {
	if _, err := io.WriteString(p.in, name+"\n"); err != nil {
		return object{err: err}
	}
	head, err := p.out.ReadString('\n')
	if err != nil {
		return object{err: err}
	}
	head = strings.TrimSuffix(head, "\n")
	switch {
	case strings.HasSuffix(head, " missing"):
		return object{err: errAbsent}
	case strings.HasSuffix(head, " ambiguous"):
		return object{err: errAmbiguous}
	}
	f := strings.Fields(head)
	if len(f) != 3 {
		return object{err: fmt.Errorf("unexpected answer %q", head)}
	}
	n, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil || n < 0 || n > maxObject {
		return object{err: fmt.Errorf("object %s of %s bytes is too large to read", f[0], f[2])}
	}
	content := make([]byte, n+1) // and the line's end
	if _, err := io.ReadFull(p.out, content); err != nil {
		return object{err: err}
	}
	return object{id: f[0], kind: f[1], content: content[:n]}
}

var errEnded = errors.New("git cat-file has ended")

// get asks for one object by any name that git knows.
func (b *batch) get(ctx context.Context, name string) object {
	reply := make(chan object, 1)
	select {
	case b.requests <- request{name: name, reply: reply}:
	case <-b.done:
		return object{err: errEnded}
	case <-ctx.Done():
		return object{err: context.Cause(ctx)}
	}
	select {
	case o := <-reply:
		return o
	case <-ctx.Done():
		return object{err: context.Cause(ctx)}
	}
}

// close ends the process and waits for it.
func (b *batch) close() {
	b.once.Do(func() { close(b.quit) })
	<-b.done
}
