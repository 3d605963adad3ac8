package gitcontext

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Repository reads objects through a running "git cat-file". It is safe for
// concurrent use; one object is read at a time. A git that ends, over an object
// that is damaged, say, is started again for the next object.
type Repository struct {
	ctx    context.Context //nolint:containedctx // of the git that runs, whoever asks it
	end    context.CancelFunc
	root   string
	common string        // git's own folder, which all work trees share
	turn   chan struct{} // held by who talks to git
	git    *process
}

// process is one "git cat-file".
type process struct {
	cmd    *tool.Process
	in     io.WriteCloser
	out    *bufio.Reader
	said   said
	cancel context.CancelFunc
	broken error // why it cannot be talked to any more
}

// whole is up to which size an object is read at once; a larger one is
// streamed, and holds up the others meanwhile.
const whole = 1 << 20

// OpenRepository reads the repository at dir. Objects that were made of
// uncommitted files, in .cache/objects, are found too. It must be closed.
func OpenRepository(ctx context.Context, dir string) (*Repository, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the repository %s: %w", dir, err)
	}
	where, err := tool.Command{
		Name: "git", Args: []string{"rev-parse", "--show-toplevel", "--git-common-dir"}, Dir: abs, Env: tool.GitEnviron(),
	}.Output(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the repository %s: %w", dir, err)
	}
	root, common, _ := strings.Cut(strings.TrimSuffix(string(where), "\n"), "\n")
	if !filepath.IsAbs(common) {
		common = filepath.Join(abs, common)
	}
	r := &Repository{root: root, common: common, turn: make(chan struct{}, 1)}
	r.ctx, r.end = context.WithCancel(context.WithoutCancel(ctx))
	if r.git, err = r.start(); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

// start runs git.
func (r *Repository) start() (*process, error) {
	ctx, cancel := context.WithCancel(r.ctx)
	p := &process{cancel: cancel}
	err := p.start(ctx, r.root)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	return p, nil
}

func (p *process) start(ctx context.Context, root string) (err error) {
	p.cmd, err = tool.Command{
		Name: "git", Args: []string{"cat-file", "--batch-command"}, Dir: root,
		Env: append(tool.GitEnviron(), "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quotePath(filepath.Join(root, ".cache", "objects"))),
	}.Cmd(ctx)
	if err != nil {
		return err
	}
	p.cmd.Stderr = &p.said
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.out = bufio.NewReaderSize(out, 64<<10)
	return p.cmd.Start()
}

// stop ends the process.
func (p *process) stop() {
	p.cancel()
	_ = p.in.Close() // it has no more to say
	_ = p.cmd.Wait() // it was told to end: how it did is no news
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

// Close ends git, also for whoever talks to it.
func (r *Repository) Close() error {
	r.end()
	select {
	case r.turn <- struct{}{}:
		r.git.stop()
		<-r.turn
	default: // somebody reads an object, or never closed it: git ends all the same
	}
	return nil
}

// lock waits for the turn to talk to git.
func (r *Repository) lock(ctx context.Context) (*process, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	err := r.ctx.Err()
	if err == nil && r.git.broken != nil {
		r.git.stop()
		var again *process
		if again, err = r.start(); err == nil {
			r.git = again
		}
	}
	if err != nil {
		<-r.turn
		return nil, fmt.Errorf("talking to git cat-file: %w", err)
	}
	return r.git, nil
}

// ask sends one request and reads the line that answers it: the size of the
// object. The caller has the turn.
func (p *process) ask(request, oid string) (int64, error) {
	if len(oid) < 40 || strings.Trim(oid, "0123456789abcdef") != "" {
		return 0, fmt.Errorf("invalid object id %q", oid)
	}
	if _, err := io.WriteString(p.in, request+" "+oid+"\n"); err != nil {
		return 0, p.breakOff(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, p.breakOff(err)
	}
	fields := strings.Fields(line)
	if len(fields) == 2 && fields[1] == "missing" {
		return 0, fmt.Errorf("object %s: %w", oid, fs.ErrNotExist)
	}
	var size int64
	if len(fields) == 3 {
		size, err = strconv.ParseInt(fields[2], 10, 64)
	}
	if len(fields) != 3 || err != nil {
		return 0, p.breakOff(fmt.Errorf("object %s: git says %q", oid, strings.TrimSpace(line)))
	}
	if fields[1] == "blob" {
		return size, nil
	}
	if request == "contents" {
		if _, err := io.CopyN(io.Discard, p.out, size+1); err != nil {
			return 0, p.breakOff(err)
		}
	}
	return 0, fmt.Errorf("object %s is no file: %s", oid, strings.TrimSpace(line))
}

// breakOff ends the conversation: what git would say next is out of step.
func (p *process) breakOff(err error) error {
	if errors.Is(err, io.EOF) {
		_ = p.cmd.Wait() // it has ended, and said why
		if s := p.said.String(); s != "" {
			err = errors.New(s)
		}
	}
	p.broken = fmt.Errorf("talking to git cat-file: %w", err)
	return p.broken
}

// Size is the length of an object in bytes.
func (r *Repository) Size(ctx context.Context, oid string) (int64, error) {
	p, err := r.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { <-r.turn }()
	return p.ask("info", oid)
}

// Large is the content of a file that git LFS keeps: what was fetched of it lies
// beside git's own objects. The error wraps fs.ErrNotExist when it was not.
func (r *Repository) Large(_ context.Context, sum string) (io.ReadCloser, error) {
	if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("invalid id %q of an object of git LFS", sum)
	}
	return os.Open(filepath.Join(r.common, "lfs", "objects", sum[:2], sum[2:4], sum))
}

// Open is the content of an object.
func (r *Repository) Open(ctx context.Context, oid string) (io.ReadCloser, error) {
	p, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	size, err := p.ask("contents", oid)
	if err != nil {
		<-r.turn
		return nil, err
	}
	s := &stream{r: r, git: p, left: size}
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
	git    *process
	left   int64
	closed bool
}

func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.git.out.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	if err != nil {
		return n, s.git.breakOff(fmt.Errorf("%w with %d bytes to come", err, s.left))
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
	if s.git.broken != nil {
		return s.git.broken
	}
	if _, err := io.CopyN(io.Discard, s.git.out, s.left+1); err != nil { // and the line end after it
		return s.git.breakOff(err)
	}
	return nil
}
