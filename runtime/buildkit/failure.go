package buildkit

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// Failure is a build that could not be done because of what was to be built.
type Failure struct {
	Name   string   // what was built
	Step   string   // the instruction, as BuildKit shows it; empty where none is to blame
	Source string   // the place in the Dockerfile, with the lines around it
	At     diag.Pos // the same place; without a File where none is to blame
	Tail   string   // the end of the instruction's output
	Err    error
}

// Error is the cause, then the place in the Dockerfile, then the output.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "building %s: %v", f.Name, f.Err)
	if f.Source != "" {
		b.WriteString("\n" + strings.TrimRight(f.Source, "\n"))
	}
	if f.Tail != "" {
		fmt.Fprintf(&b, "\nthe end of what %s printed:\n  | %s", f.Step, strings.ReplaceAll(f.Tail, "\n", "\n  | "))
	}
	return b.String()
}

// Place is where in the repository the mistake is, for annotations.
func (f *Failure) Place() diag.Pos { return f.At }

// Unwrap is BuildKit's own error.
func (f *Failure) Unwrap() error { return f.Err }

// Unavailable is a daemon, or a registry that it talks to, in trouble: what
// failed may succeed when it is tried again.
type Unavailable struct {
	Addr string // of the daemon
	Err  error
}

// Error names the daemon.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("BuildKit at %s: %v\nhint: see that it runs ('rootfsrun services status'), then try again", u.Addr, u.Err)
}

// Unwrap is the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

// ExitCode is 75: try again.
func (u *Unavailable) ExitCode() int { return 75 }

// trouble is how BuildKit words what goes wrong between it and a registry; its
// errors have lost their types by the time they are here.
var trouble = regexp.MustCompile(`unexpected status[^\n]*: (429|5\d\d)\b|connection (refused|reset)|i/o timeout|TLS handshake timeout|` +
	`no such host|network is unreachable|server misbehaving|closing transport|error reading from server: EOF|` + leftover)

// leftover is how BuildKit words that the folder of its next snapshot is there
// already: a daemon that is killed between making one and writing it down
// leaves it behind. What fails by it has removed it.
const leftover = `failed to rename: rename \S+/snapshots/new-\d+ \S+/snapshots/\d+: file exists`

var isLeftover = regexp.MustCompile(leftover)

// overLeftover calls f a second time where the first met a leftover.
func overLeftover(f func() error) error {
	err := f()
	if err != nil && isLeftover.MatchString(err.Error()) {
		return f()
	}
	return err
}

// explain turns an error of a build into one that says where and why.
func (c *Client) explain(err error, t *tails, r Request) error {
	_, ran := errors.AsType[*gwpb.ExitError](err)
	if !ran {
		switch grpcerrors.Code(err) {
		case codes.Unavailable:
			return &Unavailable{Addr: c.addr, Err: err}
		default:
			if trouble.MatchString(err.Error()) {
				return &Unavailable{Addr: c.addr, Err: fmt.Errorf("building %s: %w", r.Name, err)}
			}
		}
	}
	f := &Failure{Name: r.Name, Err: err}
	var source strings.Builder
	for _, s := range errdefs.Sources(err) {
		if s.Info != nil && s.Info.Filename == dockerfileName {
			s.Info.Filename = r.Path
			f.At = place(r.Path, s.GetRanges())
		}
		_ = s.Print(&source) // a strings.Builder takes everything
	}
	f.Source = source.String()
	if vertex, found := errors.AsType[*errdefs.VertexError](err); found {
		f.Step, f.Tail = t.names[vertex.Digest], t.of(vertex.Digest)
	}
	switch {
	case strings.Contains(err.Error(), "denied by policy"):
		f.Err = fmt.Errorf("%w\nhint: only images that the plan knows can be read: name it in FROM, COPY --from or RUN --mount, and lock it with 'rootfsgen lock'", err)
	case strings.Contains(err.Error()+f.Tail, "exec format error") && !c.CanRun(r.Platform):
		f.Err = fmt.Errorf("%w\nhint: this machine cannot run %s programs: 'rootfsrun services start' registers the emulator", err, r.Platform)
	}
	return f
}

// place is where ranges of a file begin. A file that is in no tree has none.
func place(file string, ranges []*pb.Range) diag.Pos {
	at := diag.Pos{File: file}
	for _, r := range ranges {
		if line := int(r.GetStart().GetLine()); line > 0 && (at.Line == 0 || line < at.Line) {
			at.Line = line
		}
	}
	if file == "" || at.Line == 0 {
		return diag.Pos{}
	}
	return at
}
