package gitcontext

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Repository reads objects through one running "git cat-file". It is safe for
// concurrent use; one object is read at a time.
type Repository struct {
	cmd    *tool.Process
	in     io.WriteCloser
	out    *bufio.Reader
	said   said
	cancel context.CancelFunc
	turn   chan struct{} // held by who talks to the process
	once   sync.Once
	broken error // why the process cannot be talked to any more
}

// whole is up to which size an object is read at once; a larger one is
// streamed, and holds up the others meanwhile.
const whole = 1 << 20

// OpenRepository starts git in the repository at dir. Objects that were made
// of uncommitted files, in .cache/objects, are found too. It must be closed.
func OpenRepository(ctx context.Context, dir string) (*Repository, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the repository %s: %w", dir, err)
	}
	top, err := tool.Command{Name: "git", Args: []string{"rev-parse", "--show-toplevel"}, Dir: abs, Env: tool.GitEnviron()}.Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the repository %s: %w", dir, err)
	}
	root := strings.TrimSuffix(string(top), "\n")
	r := &Repository{turn: make(chan struct{}, 1)}
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.cmd, err = tool.Command{
		Name: "git", Args: []string{"cat-file", "--batch-command"}, Dir: root,
		Env: append(tool.GitEnviron(), "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quotePath(filepath.Join(root, ".cache", "objects"))),
	}.Cmd(ctx)
	if err != nil {
		r.cancel()
		return nil, err
	}
	r.cmd.Stderr = &r.said
	if err := r.start(); err != nil {
		r.cancel()
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	return r, nil
}

// said keeps the end of what the process complained about.
type said struct {
	mu  sync.Mutex
	buf []byte
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(s.buf, b...)
	s.buf = s.buf[max(0, len(s.buf)-1024):]
	return len(b), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(string(s.buf))
}

// quotePath writes a path so that git does not split it at colons.
func quotePath(p string) string {
	if !strings.ContainsAny(p, ":\"\n") {
		return p
	}
	return strconv.Quote(p)
}

func (r *Repository) start() error {
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	r.in, r.out = in, bufio.NewReaderSize(out, 64<<10)
	return r.cmd.Start()
}

// Close ends the process.
func (r *Repository) Close() error {
	r.once.Do(func() {
		r.cancel()
		_ = r.in.Close() // it has no more to say
		_ = r.cmd.Wait() // it was told to end: how it did is no news
	})
	return nil
}

// lock waits for the turn to talk to git.
func (r *Repository) lock(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.broken != nil {
		<-r.turn
		return r.broken
	}
	return nil
}

// ask sends one request and reads the line that answers it: the size of the
// object. The caller has the turn.
func (r *Repository) ask(request, oid string) (int64, error) {
	if len(oid) < 40 || strings.Trim(oid, "0123456789abcdef") != "" {
		return 0, fmt.Errorf("invalid object id %q", oid)
	}
	if _, err := io.WriteString(r.in, request+" "+oid+"\n"); err != nil {
		return 0, r.breakOff(err)
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		return 0, r.breakOff(err)
	}
	fields := strings.Fields(line)
	if len(fields) == 2 && fields[1] == "missing" {
		return 0, fmt.Errorf("object %s: %w", oid, fs.ErrNotExist)
	}
	if len(fields) != 3 || fields[1] != "blob" {
		if request == "contents" {
			return 0, r.breakOff(fmt.Errorf("object %s is no file: %s", oid, strings.TrimSpace(line)))
		}
		return 0, fmt.Errorf("object %s is no file: %s", oid, strings.TrimSpace(line))
	}
	return strconv.ParseInt(fields[2], 10, 64)
}

// breakOff ends the conversation: what git would say next is out of step.
func (r *Repository) breakOff(err error) error {
	if s := r.said.String(); errors.Is(err, io.EOF) && s != "" {
		err = errors.New(s)
	}
	r.broken = fmt.Errorf("talking to git cat-file: %w", err)
	return r.broken
}

// Size is the length of an object in bytes.
func (r *Repository) Size(ctx context.Context, oid string) (int64, error) {
	if err := r.lock(ctx); err != nil {
		return 0, err
	}
	defer func() { <-r.turn }()
	return r.ask("info", oid)
}

// Open is the content of an object.
func (r *Repository) Open(ctx context.Context, oid string) (io.ReadCloser, error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	size, err := r.ask("contents", oid)
	if err != nil {
		<-r.turn
		return nil, err
	}
	s := &stream{r: r, left: size}
	if size > whole {
		return s, nil
	}
	b, err := io.ReadAll(s)
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// stream is the content of one object; it has the turn until it is closed.
type stream struct {
	r      *Repository
	left   int64
	closed bool
}

func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.out.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err != nil {
		return n, s.r.breakOff(fmt.Errorf("%w with %d bytes to come", err, s.left))
	}
	return n, nil
}

// Close reads what is left, so that the next answer is in step.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer func() { <-s.r.turn }()
	if s.r.broken != nil {
		return s.r.broken
	}
	if _, err := io.CopyN(io.Discard, s.r.out, s.left+1); err != nil { // and the line end after it
		return s.r.breakOff(err)
	}
	return nil
}
