package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrAbsent is a manifest, a blob or a repository that is not there.
var ErrAbsent = errors.New("not in the registry")

// Unavailable is a registry that did not answer as it should, however often it
// was asked.
type Unavailable struct {
	Doing    string // for example "reading tags of registry.example.com/team/python"
	Attempts int
	Err      error // the last answer
}

// Error names the last answer and how often it was asked for.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("%s: no good answer in %d tries: %v", u.Doing, u.Attempts, u.Err)
}

// Unwrap is the last answer.
func (u *Unavailable) Unwrap() error { return u.Err }

// ExitCode tells a CI to try again.
func (u *Unavailable) ExitCode() int { return 75 }

// Denied is a registry that refuses: 401 or 403. Trying again cannot help.
type Denied struct {
	Doing string
	Err   error
}

// Error names what was refused and where credentials come from.
func (d *Denied) Error() string {
	return fmt.Sprintf("%s: the registry refuses: %v (logins are read from DOCKER_AUTH_CONFIG and Docker's config.json)", d.Doing, d.Err)
}

// Unwrap is the registry's answer.
func (d *Denied) Unwrap() error { return d.Err }

// longestWait bounds what Retry-After may ask for.
const longestWait = time.Minute

// attemptTimeout bounds one try of a call that carries little data.
const attemptTimeout = 45 * time.Second

// try calls f until it succeeds, fails for good, or was called often enough.
// f gets a context for this try alone.
func (c *Client) try(ctx context.Context, doing string, f func(context.Context) error) error {
	wait := c.o.Backoff
	for n := 1; ; n++ {
		h := &hint{}
		err := f(context.WithValue(ctx, hintKey{}, h))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		case denied(err):
			return &Denied{Doing: doing, Err: err}
		case !temporary(err):
			return fmt.Errorf("%s: %w", doing, err)
		case n == c.o.Attempts:
			return &Unavailable{Doing: doing, Attempts: n, Err: err}
		}
		pause := min(max(wait+rand.N(wait/4+1), time.Duration(h.after.Load())), longestWait)
		wait *= 2
		c.o.Log.Warn(fmt.Sprintf("%s: %v; trying again in %.1f s (%d of %d)", doing, err, pause.Seconds(), n+1, c.o.Attempts))
		if err := c.o.Sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// tryShort is try for calls that carry little data: each try is bounded.
func (c *Client) tryShort(ctx context.Context, doing string, f func(context.Context) error) error {
	return c.try(ctx, doing, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
		return f(ctx)
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errGarbled is an answer whose content is not what was asked for.
var errGarbled = errors.New("garbled answer")

func status(err error) int {
	if t, ok := errors.AsType[*transport.Error](err); ok {
		return t.StatusCode
	}
	return 0
}

func denied(err error) bool {
	s := status(err)
	return s == http.StatusUnauthorized || s == http.StatusForbidden
}

// temporary tells whether the same call may succeed later.
func temporary(err error) bool {
	if s := status(err); s != 0 {
		return s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500 || s == 499 || uploadLost(err)
	}
	var certificate *x509.UnknownAuthorityError
	var hostname x509.HostnameError
	if errors.As(err, &certificate) || errors.As(err, &hostname) {
		return false
	}
	for _, e := range []error{errGarbled, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	var n net.Error
	var u *url.Error
	return errors.As(err, &n) || errors.As(err, &u)
}

// uploadLost is a registry that forgot an upload, which happens after a cut
// connection; the blob is sent anew.
func uploadLost(err error) bool {
	var t *transport.Error
	if !errors.As(err, &t) {
		return false
	}
	for _, d := range t.Errors {
		if d.Code == transport.BlobUploadInvalidErrorCode || d.Code == transport.BlobUploadUnknownErrorCode {
			return true
		}
	}
	return false
}

// hint is what the answers of one try said about when to come back. A push
// sends several requests at once.
type hint struct{ after atomic.Int64 } // a time.Duration

type hintKey struct{}

// hinting keeps the Retry-After of a refused request for try.
type hinting struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t hinting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if h, ok := req.Context().Value(hintKey{}).(*hint); ok && resp.StatusCode >= 400 {
		h.after.Store(int64(retryAfter(resp.Header.Get("Retry-After"))))
	}
	return resp, nil
}

// retryAfter reads seconds or a date; nonsense is 0.
func retryAfter(s string) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(n, 0), int(longestWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// private tells whether host is an address literal inside a private network.
func private(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified())
}
