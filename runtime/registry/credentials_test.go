package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

const password = "s3cret-pa55word"

// tokens is a registry whose tokens are for robot alone, as Docker's own and
// GitHub's are.
func tokens(t *testing.T) (host string) {
	t.Helper()
	inner := registrytest.New(t)
	var address string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			if u, p, ok := r.BasicAuth(); !ok || u != "robot" || p != password {
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
				return
			}
			_, _ = fmt.Fprint(w, `{"token":"t0ken"}`)
		case r.Header.Get("Authorization") != "Bearer t0ken":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+address+`/token",service="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	address = s.URL
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// person has no login anywhere, and the places for one.
type person struct {
	t                          *testing.T
	home, docker, runtime, bin string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	p := &person{t: t, home: t.TempDir(), docker: t.TempDir(), runtime: t.TempDir(), bin: t.TempDir()}
	for name, value := range map[string]string{
		login.Variable: "", "HOME": p.home, "DOCKER_CONFIG": filepath.Join(p.home, ".docker"), "XDG_RUNTIME_DIR": p.runtime, "XDG_CONFIG_HOME": "",
		"REGISTRY_AUTH_FILE": "", "PATH": p.bin + ":/usr/bin:/bin", "GOOGLE_APPLICATION_CREDENTIALS": "",
	} {
		t.Setenv(name, value)
	}
	return p
}

func (p *person) write(file, content string, mode os.FileMode) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		p.t.Fatal(err)
	}
}

// helper puts a credential helper on PATH.
func (p *person) helper(script string) {
	p.write(filepath.Join(p.bin, "docker-credential-fake"), "#!/bin/sh\n"+script+"\n", 0o755)
}

// ask reads a repository's state and returns everything that was logged or
// said.
func ask(t *testing.T, host string) (known bool, said string) {
	t.Helper()
	var log bytes.Buffer
	c := registry.New(registry.Options{Attempts: 2, Backoff: 1, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	state, err := c.State(t.Context(), model.RegistryQuery{Prefix: host + "/testing", Keys: map[string][]model.Digest{"python": {model.DigestOf(nil)}}})
	return state.Known, fmt.Sprintf("%s %v", log.String(), err)
}

// TestWhereLoginsAreFound asks a registry that wants one, with a login in each
// of the places that Docker and Podman have for one.
func TestWhereLoginsAreFound(t *testing.T) {
	const answer = `printf '{"ServerURL":"x","Username":"robot","Secret":"` + password + `"}'`
	for name, c := range map[string]struct {
		prepare func(p *person, host string)
		want    bool
	}{
		"nowhere": {func(*person, string) {}, false},
		"Docker's file": {func(p *person, host string) {
			p.write(filepath.Join(p.home, ".docker", "config.json"), configJSON(host, "robot", password), 0o600)
		}, true},
		"DOCKER_CONFIG": {func(p *person, host string) {
			p.t.Setenv("DOCKER_CONFIG", p.docker)
			p.write(filepath.Join(p.docker, "config.json"), configJSON(host, "robot", password), 0o600)
		}, true},
		"a helper of the registry": {func(p *person, host string) {
			p.helper(answer)
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credHelpers":{"`+host+`":"fake"}}`, 0o600)
		}, true},
		"a helper of another registry": {func(p *person, _ string) {
			p.helper(answer)
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credHelpers":{"registry.example.com":"fake"}}`, 0o600)
		}, false},
		"a store for all": {func(p *person, _ string) {
			p.helper(answer)
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credsStore":"fake"}`, 0o600)
		}, true},
		"Podman's file": {func(p *person, host string) {
			p.write(filepath.Join(p.runtime, "containers", "auth.json"), configJSON(host, "robot", password), 0o600)
		}, true},
		"Podman's file at home": {func(p *person, host string) {
			p.write(filepath.Join(p.home, ".config", "containers", "auth.json"), configJSON(host, "robot", password), 0o600)
		}, true},
		"REGISTRY_AUTH_FILE": {func(p *person, host string) {
			p.t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(p.docker, "auth.json"))
			p.write(filepath.Join(p.docker, "auth.json"), configJSON(host, "robot", password), 0o600)
		}, true},
		"a wrong one": {func(p *person, host string) {
			p.write(filepath.Join(p.home, ".docker", "config.json"), configJSON(host, "robot", password+"x"), 0o600)
		}, false},
		"a helper that fails": {func(p *person, host string) {
			p.helper("echo " + password + "; exit 1")
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credHelpers":{"`+host+`":"fake"}}`, 0o600)
		}, false},
		"a helper that prints something else": {func(p *person, host string) {
			p.helper("echo " + password)
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credHelpers":{"`+host+`":"fake"}}`, 0o600)
		}, false},
		"a helper that is not installed": {func(p *person, host string) {
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"credHelpers":{"`+host+`":"absent"}}`, 0o600)
		}, false},
		"a file that is none": {func(p *person, _ string) {
			p.write(filepath.Join(p.home, ".docker", "config.json"), `{"auths":"`+password+`"}`, 0o600)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			for kind, host := range map[string]string{"htpasswd": guarded(t, "robot", password), "tokens": tokens(t)} {
				c.prepare(p, host)
				known, said := ask(t, host)
				if known != c.want {
					t.Errorf("%s: known %v: %s", kind, known, said)
				}
				if strings.Contains(said, password) || strings.Contains(said, "t0ken") {
					t.Errorf("%s: a secret is said: %s", kind, said)
				}
			}
		})
	}
}

// Only Google's registries make this machine's metadata server be asked.
func TestOtherRegistriesDoNotAskTheMachine(t *testing.T) {
	newPerson(t)
	var asked atomic.Int32
	machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Metadata-Flavor", "Google")
		_, _ = fmt.Fprint(w, `{"access_token":"t0ken","expires_in":3600,"token_type":"Bearer"}`)
	}))
	t.Cleanup(machine.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(machine.URL, "http://"))
	if known, said := ask(t, guarded(t, "robot", password)); known || asked.Load() != 0 {
		t.Errorf("known %v, asked %d times: %s", known, asked.Load(), said)
	}
	// A registry of Google's, which the network does not lead to.
	offline := errors.New("no network in this test")
	c := registry.New(registry.Options{Attempts: 1, Transport: transport(func(*http.Request) (*http.Response, error) { return nil, offline })})
	_, err := c.Tags(t.Context(), "europe-docker.pkg.dev/project/repository/python")
	if !errors.Is(err, offline) || asked.Load() == 0 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }
