package registry_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// guarded is a registry that wants a login.
func guarded(t *testing.T, user, password string) (host string) {
	t.Helper()
	inner := registrytest.New(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func configJSON(host, user, password string) string {
	return `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + `"}}}`
}

// TestLogin pushes with the login of the environment, and without it with that
// of Docker's file; an empty variable is none.
func TestLogin(t *testing.T) {
	host := guarded(t, "robot", "s3cret")
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := configJSON(host, "robot", "s3cret"), configJSON(host, "robot", "wr0ng")
	for name, c := range map[string]struct {
		variable, file string
		want           bool
	}{
		"nothing":                 {"", "", false},
		"environment":             {good, "", true},
		"file":                    {"", good, true},
		"environment comes first": {good, bad, true},
		"environment alone":       {bad, good, false},
		"another registry":        {configJSON("r.example.com", "a", "b"), good, true},
		"malformed":               {"s3cret", good, false},
	} {
		home := t.TempDir()
		t.Setenv("HOME", home)
		t.Setenv("DOCKER_CONFIG", filepath.Join(home, ".docker"))
		t.Setenv(login.Variable, c.variable)
		if c.file != "" {
			if err := os.Mkdir(filepath.Join(home, ".docker"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".docker", "config.json"), []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		o := registry.Options{Attempts: 1, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		_, err := registry.New(o).PushImage(t.Context(), host+"/team/app", img)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		said := log.String()
		if err != nil {
			said += err.Error()
		}
		for _, secret := range []string{"s3cret", "wr0ng", good, base64.StdEncoding.EncodeToString([]byte("robot:wr0ng"))} {
			if strings.Contains(said, secret) {
				t.Errorf("%s: a login was told: %s", name, said)
			}
		}
	}
}
