package gencmd

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestMain lets this machine trust the servers of the tests: a client takes the
// machine's authorities when it first needs them.
func TestMain(m *testing.M) {
	code, err := trusting(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func trusting(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "rootfsgen-gencmd-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := httptest.NewTLSServer(http.NotFoundHandler()) // all have one certificate
	s.Close()
	file := filepath.Join(dir, "authorities.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := errors.Join(os.WriteFile(file, content, 0o600), os.Setenv("SSL_CERT_FILE", file)); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

const released = "v9.8.7"

// releaseServer has a release, but for one file with other bytes than
// SHA256SUMS says, and returns the address of its files.
func releaseServer(t *testing.T, other string) string {
	t.Helper()
	files, sums := map[string]string{}, ""
	for _, key := range model.ProgramKeys() {
		content := "the program " + key
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(content)), key)
		if key == other {
			content = "another"
		}
		files["/"+released+"/"+key] = content
	}
	files["/"+released+"/SHA256SUMS"] = sums
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/{version}/{program}-{os}-{arch}"
}

// begin runs init in a new repository of one image, and returns what it said
// and the settings that it wrote.
func begin(t *testing.T, ctx context.Context, o initOptions, asJSON bool) (out, errs, settings string, err error) {
	t.Helper()
	r := gittest.New(t)
	r.Write(map[string]string{"images/base/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	streams, stdout, stderr := term.Buffers()
	a := &app.App{Streams: streams, Dir: r.Dir, JSON: asJSON, Diagnostics: "text", Env: func(string) string { return "" },
		Log: slog.New(term.NewHandler(streams.Err, slog.LevelInfo, false))}
	err = runInit(ctx, a, o)
	content, readErr := os.ReadFile(filepath.Join(r.Dir, source.DefaultConfig))
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		t.Fatal(readErr)
	}
	return stdout.String(), stderr.String(), string(content), err
}

// A released program pins the release that it is of, with the checks of
// "lock --programs".
func TestInitPinsItsRelease(t *testing.T) {
	t.Parallel()
	url := releaseServer(t, "")
	_, errs, settings, err := begin(t, t.Context(), initOptions{release: released, url: url}, false)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	s, list := source.ReadSettings(source.DefaultConfig, ".", []byte(settings))
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	if s.Runtime != model.RuntimeRelease || s.Programs.Version != released || s.Programs.URL != url || len(s.Programs.SHA256) != len(model.ProgramKeys()) {
		t.Errorf("runtime %q, programs %+v", s.Runtime, s.Programs)
	}
	if strings.Contains(errs, "warning") || strings.Contains(errs, "--programs") || !strings.Contains(errs, "\n  rootfsgen generate ") {
		t.Errorf("it says\n%s", errs)
	}
	out, _, _, err := begin(t, t.Context(), initOptions{release: released, url: url}, true)
	var said struct{ Programs string }
	if err := errors.Join(err, json.Unmarshal([]byte(out), &said)); err != nil || said.Programs != released {
		t.Errorf("%v, programs %q", err, said.Programs)
	}
}

// What is not to be had, or not what it is to be, is not pinned: init says so,
// and which command does it later.
func TestInitWithoutItsRelease(t *testing.T) {
	t.Parallel()
	whole := releaseServer(t, "")
	for name, c := range map[string]struct {
		o    initOptions
		want []string
	}{
		"a release that is not there": {initOptions{release: "v1.0.0", url: whole}, []string{
			"warning: release v1.0.0 is not pinned, so that the first run is red on the forge's own machines: ", "SHA256SUMS: status 404",
			"\n  rootfsgen lock --programs v1.0.0 --url '" + whole + "'\n",
		}},
		"other bytes": {initOptions{release: released, url: releaseServer(t, "rootfsrun-linux-arm64")}, []string{
			"warning: release v9.8.7 is not pinned", "is not what was expected", "\n  rootfsgen lock --programs v9.8.7 --url '",
		}},
		"no release": {initOptions{}, []string{
			"warning: this program (", ") is no release, so none is pinned", "the first run is red on the forge's own machines, which have neither", "\n  rootfsgen lock --programs VERSION ",
		}},
	} {
		_, errs, settings, err := begin(t, t.Context(), c.o, false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: it does not say %q:\n%s", name, want, errs)
			}
		}
		if s, list := source.ReadSettings(source.DefaultConfig, ".", []byte(settings)); list.Err() != nil || settings == "" || s.Programs.Version != "" {
			t.Errorf("%s: %v, programs %+v", name, list.Err(), s.Programs)
		}
	}
}

// Which forge a host of one's own has nobody can tell from its address, so
// init asks for the line that says it, and writes none.
func TestInitOnAForgeOfOnesOwn(t *testing.T) {
	t.Parallel()
	const says = "origin is on "
	for origin, want := range map[string]string{
		"git@git.example.com:acme/images.git":              `origin is on "git.example.com"`,
		"https://user:hunter2@git.example.com/acme/images": `origin is on "git.example.com"`,
		"git@github.com:acme/images.git":                   "",
		"ssh://git@altssh.gitlab.com:443/acme/images.git":  "",
		"file:///srv/images":                               "",
		"/srv/images":                                      "",
		"":                                                 "",
	} {
		r := gittest.New(t)
		r.Write(map[string]string{"images/base/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
		if origin != "" {
			r.Git("remote", "add", "origin", origin)
		}
		streams, _, stderr := term.Buffers()
		a := &app.App{Streams: streams, Dir: r.Dir, Diagnostics: "text", Env: func(string) string { return "" }, Log: slog.New(term.NewHandler(streams.Err, slog.LevelInfo, false))}
		if err := runInit(t.Context(), a, initOptions{noLock: true}); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
		errs := stderr.String()
		if !strings.Contains(errs, want) || strings.Contains(errs, says) != (want != "") || strings.Contains(errs, "hunter2") {
			t.Errorf("%s: it says\n%s", origin, errs)
		}
	}
}

// Who stops init while it fetches finds nothing written, and may begin again.
func TestInitIsStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stop() }))
	t.Cleanup(s.Close)
	_, _, settings, err := begin(t, ctx, initOptions{release: released, url: s.URL + "/{program}-{arch}"}, false)
	if !errors.Is(err, context.Canceled) || settings != "" {
		t.Errorf("%v, wrote %q", err, settings)
	}
}
