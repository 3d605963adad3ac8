package googleapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode"

	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// callTimeout bounds one try.
const callTimeout = time.Minute

// longestWait bounds the pause between two tries.
const longestWait = 30 * time.Second

// longestText bounds what is shown of what a server says.
const longestText = 300

// Once makes a call of Google's clients try once: Retry tries again, by a
// clock that its caller chooses.
func Once() gax.CallOption { return gax.WithRetry(func() gax.Retryer { return nil }) }

// Retry says how often a call is tried.
type Retry struct {
	Attempts int           // 0 is 6
	Backoff  time.Duration // before the second try, doubled before each further one; 0 is 1 s
	Log      *slog.Logger  // nil: nothing is logged
	Sleep    func(ctx context.Context, d time.Duration) error
}

// Do calls f until it succeeds, fails for good, or was called often enough; f
// gets a context for this try alone. The error is a *Failed, or that of ctx.
func (r Retry) Do(ctx context.Context, doing string, f func(context.Context) error) error {
	attempts, wait := r.Attempts, r.Backoff
	if attempts == 0 {
		attempts = 6
	}
	if wait == 0 {
		wait = time.Second
	}
	for n := 1; ; n++ {
		err := bounded(ctx, f)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		case !Temporary(err) || n == attempts:
			return &Failed{Doing: doing, Attempts: n, Err: err}
		}
		pause := min(wait+rand.N(wait/4+1), longestWait)
		wait *= 2
		if r.Log != nil {
			r.Log.Warn(fmt.Sprintf("%s: %s; trying again in %.1f s (%d of %d)", doing, Says(err), pause.Seconds(), n+1, attempts))
		}
		if err := r.Pause(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// Pause waits by the clock that was chosen.
func (r Retry) Pause(ctx context.Context, d time.Duration) error {
	if r.Sleep != nil {
		return r.Sleep(ctx, d)
	}
	return Sleep(ctx, d)
}

// Sleep waits for d by the machine's clock, or until ctx is done.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func bounded(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return f(ctx)
}

// Failed is a call that Google refused, or did not answer.
type Failed struct {
	Doing    string
	Attempts int
	Err      error // the last answer
}

// Error names the last answer, in Google's words.
func (f *Failed) Error() string {
	tries := ""
	if f.Attempts > 1 {
		tries = fmt.Sprintf(" in %d tries", f.Attempts)
	}
	return fmt.Sprintf("%s: no good answer%s: %s", f.Doing, tries, Says(f.Err))
}

// Unwrap is the last answer.
func (f *Failed) Unwrap() error { return f.Err }

// ExitCode tells a CI to try again where that can help.
func (f *Failed) ExitCode() int {
	if Temporary(f.Err) {
		return 75
	}
	return 1
}

// LoginError is a token that could not be had.
type LoginError struct{ err error }

// Error says why.
func (l *LoginError) Error() string { return l.err.Error() }

// Unwrap is why.
func (l *LoginError) Unwrap() error { return l.err }

// GRPCStatus keeps gRPC from taking a missing login for a broken connection.
func (l *LoginError) GRPCStatus() *status.Status {
	var exit interface{ ExitCode() int }
	if errors.As(l.err, &exit) && exit.ExitCode() == 75 {
		return status.New(codes.Unavailable, l.Error())
	}
	return status.New(codes.Unauthenticated, l.Error())
}

// Temporary tells whether the same call may succeed later. A quota that is
// used up is one of these: those of Google's are by the minute.
func Temporary(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status.Code(err) {
	case codes.ResourceExhausted, codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Internal:
		return true
	}
	return false
}

// Denied tells an answer to somebody who may not ask, or is not known.
func Denied(err error) bool {
	c := status.Code(err)
	return c == codes.PermissionDenied || c == codes.Unauthenticated
}

// Missing tells that what was asked about is not there.
func Missing(err error) bool { return status.Code(err) == codes.NotFound }

// Says is what an answer says, as one line: its words are a server's.
func Says(err error) string {
	s, ok := status.FromError(err)
	if !ok {
		return Line(err.Error())
	}
	return Line(s.Code().String() + ": " + s.Message())
}

// Line is text from a server as one line that is not long and has nothing in
// it that moves a terminal's cursor.
func Line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > longestText {
		return string(r[:longestText]) + "..."
	}
	return text
}
