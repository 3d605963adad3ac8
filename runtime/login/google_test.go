package login_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

func TestIsGoogle(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"gcr.io": true, "eu.gcr.io": true, "europe-west1-docker.pkg.dev": true,
		"docker.io": false, "ghcr.io": false, "pkg.dev.example.com": false, "notgcr.io": false, "127.0.0.1:5000": false, "": false,
	} {
		if login.IsGoogle(host) != want {
			t.Errorf("%s: %v", host, !want)
		}
	}
}

// bare is a machine without any login: no files, no gcloud, and a metadata
// server that counts, and answers the question for a token with a status.
func bare(t *testing.T, token int) (asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/token") {
			w.WriteHeader(token)
			_, _ = fmt.Fprint(w, `{"access_token":"of-the-machine","expires_in":3600,"token_type":"Bearer"}`)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(server.URL, "http://"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CLOUDSDK_CONFIG", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	return asked
}

func TestGoogleAsksTheMachine(t *testing.T) {
	asked := bare(t, http.StatusOK)
	g := &login.Google{}
	if asked.Load() != 0 {
		t.Error("the metadata server was asked before anybody wanted a login")
	}
	for range 3 {
		user, password, found, err := g.Login(t.Context())
		if err != nil || !found || user != "oauth2accesstoken" || password != "of-the-machine" {
			t.Fatal(user, password, found, err)
		}
	}
	if asked.Load() > 3 {
		t.Errorf("the metadata server was asked %d times for one token", asked.Load())
	}
}

// serviceAccount is a key file whose tokens come from a server.
func serviceAccount(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "builder@project.example.com", "token_uri": server.URL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGoogleReadsAKeyFile(t *testing.T) {
	asked := bare(t, http.StatusOK)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"access_token":"of-the-account","expires_in":3600,"token_type":"Bearer"}`)
	}))
	_, password, found, err := (&login.Google{}).Login(t.Context())
	if err != nil || !found || password != "of-the-account" || asked.Load() != 0 {
		t.Error(password, found, err, asked.Load())
	}
}

func TestGoogleRefuses(t *testing.T) {
	bare(t, http.StatusOK)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"invalid_grant","error_description":"s3cret"}`)
	}))
	_, _, found, err := (&login.Google{}).Login(t.Context())
	if found || err == nil || !strings.Contains(err.Error(), "400 Bad Request") || strings.Contains(err.Error(), "s3cret") {
		t.Error(found, err)
	}
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"private_key":"s3cret`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{broken, filepath.Join(t.TempDir(), "absent.json")} {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		_, _, found, err := (&login.Google{}).Login(t.Context())
		if found || err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
}

// gcloud is asked where nothing else answers, and its own trouble is no error.
func TestGoogleAsksGcloud(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		found  bool
	}{
		"logged in":     {`printf '{"credential":{"access_token":"of-gcloud","token_expiry":"2999-01-01T00:00:00Z"}}'`, true},
		"not logged in": {"echo s3cret >&2; exit 1", false},
		"garbage":       {"echo s3cret", false},
	} {
		bare(t, http.StatusNotFound)
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "gcloud"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin)
		_, password, found, err := (&login.Google{}).Login(t.Context())
		if err != nil || found != c.found || found && password != "of-gcloud" {
			t.Errorf("%s: %q %v %v", name, password, found, err)
		}
	}
}
