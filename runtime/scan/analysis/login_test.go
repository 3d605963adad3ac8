package analysis_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/scan/analysis"
)

// federation is a security token service that exchanges the token in a file
// for one of Google's, as a job's GOOGLE_APPLICATION_CREDENTIALS say.
func federation(t *testing.T, answer http.HandlerFunc) {
	t.Helper()
	sts := httptest.NewServer(answer)
	t.Cleanup(sts.Close)
	dir := t.TempDir()
	subject := filepath.Join(dir, "token")
	if err := os.WriteFile(subject, []byte("job-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/v",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": sts.URL + "/v1/token",
		"credential_source": map[string]string{"file": subject},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "gha-creds.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(login.ProviderVariable, "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
}

// TestTokenExchange goes the whole way of a job: its own token is exchanged,
// and what it gets is sent with each question, over TLS.
func TestTokenExchange(t *testing.T) {
	exchanged := 0
	federation(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("subject_token") != "job-token" || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		exchanged++
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`))
	})
	certificate, authorities := gcptest.Certificate(t)
	a := gcptest.NewAnalysis(t, certificate)
	a.Require("federated")
	a.Discover(resource, success())
	s, _ := source(t, a, func(o *analysis.Options) {
		o.API = googleapi.Options{Endpoint: a.Address(), TLS: authorities, Tokens: &login.Google{Scope: model.ScopeTesting}}
	})
	for range 2 {
		if got := scanned(t, s); got.State != model.ScanFinished {
			t.Errorf("%s: %s", got.State, got.Detail)
		}
	}
	if exchanged != 1 {
		t.Errorf("%d tokens were exchanged for one hour", exchanged)
	}
}

// TestNoToken: who is not logged in has no finished scan, and what the token
// service said is not shown.
func TestNoToken(t *testing.T) {
	federation(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"bad job-token"}`))
	})
	certificate, authorities := gcptest.Certificate(t)
	a := gcptest.NewAnalysis(t, certificate)
	a.Discover(resource, success())
	s, clock := source(t, a, func(o *analysis.Options) {
		o.API = googleapi.Options{Endpoint: a.Address(), TLS: authorities, Tokens: &login.Google{}}
	})
	got := scanned(t, s)
	if got.State != model.ScanFailed || strings.Contains(got.Detail, "job-token") || !strings.Contains(got.Detail, "access token") {
		t.Errorf("%s: %s", got.State, got.Detail)
	}
	if len(a.Calls()) != 0 || clock.waited() != 0 {
		t.Errorf("%d calls, waited %s", len(a.Calls()), clock.waited())
	}
}
