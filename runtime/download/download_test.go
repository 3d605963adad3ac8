package download_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/download"
)

const text = "a program\n"

var sum = func() string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }()

// server answers with each of the faults once, then with the file, over TLS
// with an authority of its own.
func server(t *testing.T, faults ...http.HandlerFunc) (address string, authorities []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(faults) > 0 {
			fault := faults[0]
			faults = faults[1:]
			fault(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL + "/file", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func client(t *testing.T, authorities []byte, slept *[]time.Duration) *download.Client {
	t.Helper()
	c, err := download.New(download.Options{Authorities: authorities, Sleep: func(_ context.Context, d time.Duration) error {
		*slept = append(*slept, d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func busy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(http.StatusTooManyRequests)
}

// cut ends the connection in the middle of the file.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "10")
	_, _ = io.WriteString(w, text[:4])
}

func other(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "something else\n") }

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func TestFile(t *testing.T) {
	t.Parallel()
	var slept []time.Duration
	address, authorities := server(t, status(http.StatusBadGateway), busy, cut)
	path := filepath.Join(t.TempDir(), "program")
	if err := client(t, authorities, &slept).File(t.Context(), address, path, sum, 1<<10, 0o755); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]time.Duration{time.Second, 7 * time.Second, 4 * time.Second}, slept); d != "" {
		t.Errorf("waited (-want +got):\n%s", d)
	}
	b, err := os.ReadFile(path)
	info, serr := os.Stat(path)
	if err := errors.Join(err, serr); err != nil || string(b) != text || info.Mode().Perm() != 0o755 {
		t.Errorf("%q %v %v", b, info, err)
	}
}

// Whatever goes wrong, there is no file: neither where it was wanted nor beside.
func TestFileRefused(t *testing.T) {
	t.Parallel()
	many := func(f http.HandlerFunc) []http.HandlerFunc { return []http.HandlerFunc{f, f, f, f, f} }
	for name, c := range map[string]struct {
		faults  []http.HandlerFunc
		limit   int64
		want    string
		code    int
		pauses  int
		strange bool // the server's authority is not known
		scheme  string
	}{
		"another file":        {faults: many(other), want: "is not what was expected: its SHA-256 is", code: 0},
		"not there":           {faults: many(status(http.StatusNotFound)), want: "status 404", code: 1},
		"down":                {faults: many(status(http.StatusServiceUnavailable)), want: "status 503", code: 75, pauses: 3},
		"cut each time":       {faults: many(cut), want: "unexpected EOF", code: 75, pauses: 3},
		"too long":            {limit: 3, want: "more than 3 bytes"},
		"in plain text":       {faults: many(redirect("http://127.0.0.1:1/file")), want: "refusing the redirect", code: 1},
		"a strange authority": {strange: true, want: "certificate", code: 1},
		"no https":            {scheme: "http", want: "no https:// address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var slept []time.Duration
			address, authorities := server(t, c.faults...)
			if c.strange {
				authorities = nil
			}
			if c.scheme != "" {
				address = c.scheme + strings.TrimPrefix(address, "https")
			}
			if c.limit == 0 {
				c.limit = 1 << 10
			}
			dir := t.TempDir()
			err := client(t, authorities, &slept).File(t.Context(), address, filepath.Join(dir, "program"), sum, c.limit, 0o755)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(slept) != c.pauses {
				t.Errorf("%v, after %v; want %q", err, slept, c.want)
			}
			var coded interface{ ExitCode() int }
			if c.code != 0 && (!errors.As(err, &coded) || coded.ExitCode() != c.code) {
				t.Errorf("%v does not end with exit code %d", err, c.code)
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

func TestAuthoritiesMustBeSome(t *testing.T) {
	t.Parallel()
	if _, err := download.New(download.Options{Authorities: []byte("none")}); err == nil {
		t.Error("no certificate, and no error")
	}
}
