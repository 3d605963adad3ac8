package sign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

const (
	kmsName = "projects/team/locations/global/keyRings/images/cryptoKeys/sign/cryptoKeyVersions/1"
	kmsURI  = "gcpkms://projects/team/locations/global/keyRings/images/cryptoKeys/sign/versions/1"
)

// kmsServer keeps one key, as Google's service does.
type kmsServer struct {
	key       crypto.Signer
	algorithm string
	answers   string // name that it says has signed
}

func (k kmsServer) start(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		_, public := keys(t, k.key)
		switch {
		case r.Header.Get("Authorization") != "Bearer of the machine":
			http.Error(w, `{"error": {"message": "who?"}}`, http.StatusUnauthorized)
		case r.Method == http.MethodGet && r.URL.Path == "/v1/"+kmsName+"/publicKey":
			_ = json.NewEncoder(w).Encode(map[string]string{"pem": string(public), "algorithm": k.algorithm})
		case r.Method == http.MethodPost && r.URL.Path == "/v1/"+kmsName+":asymmetricSign":
			var request struct{ Digest map[string]string }
			if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			sum, err := base64.StdEncoding.DecodeString(request.Digest["sha256"])
			if err != nil || len(sum) != 32 {
				http.Error(w, `{"error": {"message": "no digest"}}`, http.StatusBadRequest)
				return
			}
			sig, err := k.key.Sign(rand.Reader, sum, crypto.SHA256)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"signature": base64.StdEncoding.EncodeToString(sig), "name": k.answers})
		default:
			http.Error(w, `{"error": {"message": "there is no such key"}}`, http.StatusNotFound)
		}
	})
	// Where the machine's account exchanges what it has for an access token.
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token": "of the machine", "token_type": "Bearer", "expires_in": 3600, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}`))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// account makes this process one that has a workload identity at a server.
func account(t *testing.T, server string) {
	t.Helper()
	dir := t.TempDir()
	config, err := json.Marshal(map[string]any{
		"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": server + "/token",
		"credential_source": map[string]string{"file": filepath.Join(dir, "token")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"token": "of the forge", "config.json": string(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(dir, "config.json"))
}

// TestKMS signs with a key that a service keeps, and trusts it by its address.
func TestKMS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := sign.Options{KMS: kmsServer{key, "EC_SIGN_P256_SHA256", kmsName}.start(t)}
	account(t, o.KMS)
	for _, uri := range []string{kmsURI, "gcpkms://" + kmsName} {
		s, err := sign.Open(t.Context(), model.Signing{Key: uri}, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Sign(t.Context(), statement(t, subject))
		if err != nil {
			t.Fatal(err)
		}
		j, err := sign.Trusting(t.Context(), []model.Signer{{Key: kmsURI}}, "", o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Verify(b, subject); err != nil {
			t.Error(err)
		}
		_, public := keys(t, key)
		if _, err := trusting(t, public).Verify(b, subject); err != nil {
			t.Errorf("by the public half: %v", err)
		}
	}
}

// TestKMSRefusals names what the service does not have, or does otherwise than
// asked.
func TestKMSRefusals(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server kmsServer
		uri    string
		want   string
		// mistake is that of whoever named the key, and not the service's.
		mistake bool
	}{
		"a key for encryption": {kmsServer{key, "GOOGLE_SYMMETRIC_ENCRYPTION", kmsName}, kmsURI, "expected one that signs", true},
		"no such key":          {kmsServer{key, "EC_SIGN_P256_SHA256", kmsName}, strings.Replace(kmsURI, "versions/1", "versions/2", 1), "there is no such key", true},
		"another key signs":    {kmsServer{key, "EC_SIGN_P256_SHA256", "projects/other"}, kmsURI, `"projects/other" has`, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := sign.Options{KMS: c.server.start(t)}
			account(t, o.KMS)
			s, err := sign.Open(t.Context(), model.Signing{Key: c.uri}, o)
			if err == nil {
				_, err = s.Sign(t.Context(), statement(t, subject))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if _, is := errors.AsType[*sign.Unusable](err); is != c.mistake {
				t.Errorf("%v is the mistake of whoever named the key: %v", err, is)
			}
		})
	}
}
