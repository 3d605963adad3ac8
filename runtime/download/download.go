// Package download fetches files over HTTPS. Nothing is put where it is wanted
// before its SHA-256 is the expected one.
package download

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// How often a file is asked for, how long is waited before the second time,
// doubled before each further one, and how long a server may be silent.
const (
	defaultAttempts = 4
	defaultBackoff  = time.Second
	longestWait     = time.Minute
	silence         = time.Minute
)

// Options says how a Client behaves. The zero value is what a command wants.
type Options struct {
	Authorities []byte                                     // certificate authorities in PEM, beside the machine's own
	Log         *slog.Logger                               // nil: nothing is logged; each retry is a warning
	Sleep       func(context.Context, time.Duration) error // nil: the clock
}

// Client fetches files. It is safe for concurrent use.
type Client struct {
	http *http.Client
	o    Options
}

// New makes a client. Proxies are those of the environment. The error is
// authorities that are none.
func New(o Options) (*Client, error) {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default transport has been replaced")
	}
	t := base.Clone()
	t.ResponseHeaderTimeout = silence
	if len(o.Authorities) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(o.Authorities) {
			return nil, errors.New("no certificate in the file of authorities: expected PEM")
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &Client{o: o, http: &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) >= 5 || req.URL.Scheme != "https" {
			return fmt.Errorf("%w to %s", errRedirect, req.URL.Redacted())
		}
		return nil
	}}}, nil
}

// errRedirect is a redirect that is not followed.
var errRedirect = errors.New("refusing the redirect")

// MismatchError is a file that is not the expected one.
type MismatchError struct{ Address, Want, Got string }

// Error names both digests.
func (m *MismatchError) Error() string {
	return fmt.Sprintf("%s is not what was expected: its SHA-256 is %s, expected %s", m.Address, m.Got, m.Want)
}

// UnavailableError is a server that does not give the file.
type UnavailableError struct {
	Address string
	Status  int // 0: no answer
	Err     error
}

// Error names the file and the last answer.
func (u *UnavailableError) Error() string {
	if u.Status != 0 {
		return fmt.Sprintf("fetching %s: status %d", u.Address, u.Status)
	}
	return fmt.Sprintf("fetching %s: %v", u.Address, u.Err)
}

// Unwrap is the last failure.
func (u *UnavailableError) Unwrap() error { return u.Err }

// ExitCode tells a CI to try again where that can help.
func (u *UnavailableError) ExitCode() int {
	if u.temporary() {
		return 75
	}
	return 1
}

func (u *UnavailableError) temporary() bool {
	var certificate *tls.CertificateVerificationError
	return u.Status == 0 && !errors.As(u.Err, &certificate) && !errors.Is(u.Err, errRedirect) || u.Status == http.StatusTooManyRequests || u.Status == http.StatusRequestTimeout || u.Status >= 500
}

// Bytes fetches a small file, of at most limit bytes.
func (c *Client) Bytes(ctx context.Context, address string, limit int64) ([]byte, error) {
	var content []byte
	err := c.try(ctx, address, func(body io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(body, limit+1))
		if err == nil && int64(len(b)) > limit {
			return &tooLargeError{address, limit}
		}
		content = b
		return err
	})
	return content, err
}

// File fetches a file of at most limit bytes and puts it at path, with mode, in
// one step, if its SHA-256 is want.
func (c *Client) File(ctx context.Context, address, path, want string, limit int64, mode os.FileMode) error {
	part, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return fmt.Errorf("making a file: %w", err)
	}
	defer func() { _ = os.Remove(part.Name()) }() // is gone where it was put in place
	err = c.try(ctx, address, func(body io.Reader) error { return fill(part, body, address, want, limit) })
	if err == nil {
		err = part.Chmod(mode)
	}
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return fmt.Errorf("putting %s in place: %w", path, err)
	}
	return nil
}

// fill writes body to f from its beginning, and checks what it was.
func fill(f *os.File, body io.Reader, address, want string, limit int64) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(body, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return &tooLargeError{address, limit}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return &MismatchError{Address: address, Want: want, Got: got}
	}
	return nil
}

// tooLargeError is a file that is longer than it may be.
type tooLargeError struct {
	address string
	limit   int64
}

func (t *tooLargeError) Error() string {
	return fmt.Sprintf("%s has more than %d bytes", t.address, t.limit)
}

// try asks until read has what it wants, the server refuses for good, or it was
// asked often enough. A cut connection is asked again; a file that is another
// one is not.
func (c *Client) try(ctx context.Context, address string, read func(io.Reader) error) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%.200q is no https:// address", address)
	}
	wait := defaultBackoff
	for n := 1; ; n++ {
		after, err := c.once(ctx, address, read)
		unavailable, asked := errors.AsType[*UnavailableError](err)
		if err == nil || !asked || !unavailable.temporary() || n == defaultAttempts || ctx.Err() != nil {
			return err
		}
		pause := min(max(wait, after), longestWait)
		c.o.Log.Warn(fmt.Sprintf("%v; trying again in %.0f s (%d of %d)", err, pause.Seconds(), n+1, defaultAttempts))
		if err := c.o.Sleep(ctx, pause); err != nil {
			return err
		}
		wait *= 2
	}
}

func (c *Client) once(ctx context.Context, address string, read func(io.Reader) error) (after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, &UnavailableError{Address: address, Err: withoutAddress(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is none
		return time.Duration(max(seconds, 0)) * time.Second, &UnavailableError{Address: address, Status: resp.StatusCode}
	}
	body := &failing{r: resp.Body}
	if err = read(body); err != nil && body.err != nil {
		return 0, &UnavailableError{Address: address, Err: body.err}
	}
	return 0, err
}

// failing remembers that the other side ended too early.
type failing struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// withoutAddress is the cause alone: the address is said already.
func withoutAddress(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
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
