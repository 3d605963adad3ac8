package sign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

const (
	issuer = "https://token.actions.githubusercontent.com"
	job    = "release@example.com"
)

// sigstore is a private Sigstore of this process: an authority that gives
// certificates to whoever shows a token, one for times, and a log.
type sigstore struct {
	t       *testing.T
	http    *httptest.Server
	virtual *ca.VirtualSigstore // of the log
	rootCA  *x509.Certificate
	interCA *x509.Certificate
	interK  *ecdsa.PrivateKey

	timesCA, times *x509.Certificate
	timesKey       *ecdsa.PrivateKey
	logged         atomic.Int64
}

func newSigstore(t *testing.T) *sigstore {
	t.Helper()
	virtual, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	s := &sigstore{t: t, virtual: virtual}
	var rootKey *ecdsa.PrivateKey
	if s.rootCA, rootKey, err = ca.GenerateRootCa(); err != nil {
		t.Fatal(err)
	}
	if s.interCA, s.interK, err = ca.GenerateFulcioIntermediate(s.rootCA, rootKey); err != nil {
		t.Fatal(err)
	}
	var timesCAKey *ecdsa.PrivateKey
	if s.timesCA, timesCAKey, err = ca.GenerateTSAIntermediate(s.rootCA, rootKey); err != nil {
		t.Fatal(err)
	}
	if s.timesKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if s.times, err = ca.GenerateTSALeafCert(time.Now().Add(-time.Minute), s.timesKey, s.timesCA, timesCAKey); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/signingCert", s.certificate)
	mux.HandleFunc("POST /api/v1/timestamp", s.timestamp)
	mux.HandleFunc("POST /api/v1/log/entries", s.log)
	mux.HandleFunc("GET /token", s.token)
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	return s
}

// token is GitHub's answer to a job that asks who it is.
func (s *sigstore) token(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer of the job" || r.URL.Query().Get("audience") != "sigstore" {
		http.Error(w, "who?", http.StatusForbidden)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"value": token(job)})
}

// token is unsigned: what is tested is who is asked for what.
func token(subject string) string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]string{"alg": "none"}) + "." + part(map[string]any{"iss": issuer, "sub": subject, "email": subject, "email_verified": true}) + "."
}

// publicOnly is a key whose other half somebody else has.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }
func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("not ours")
}

func (s *sigstore) certificate(w http.ResponseWriter, r *http.Request) {
	_, claims, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSuffix(claims, "."))
	var who struct{ Email, Iss string }
	if err != nil || json.Unmarshal(raw, &who) != nil {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	var request struct {
		PublicKeyRequest struct {
			PublicKey struct{ Content string } `json:"publicKey"`
		} `json:"publicKeyRequest"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	block, _ := pem.Decode([]byte(request.PublicKeyRequest.PublicKey.Content))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cert, err := ca.GenerateLeafCert(who.Email, who.Iss, time.Now().Add(-time.Minute), publicOnly{key}, s.interCA, s.interK)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	_ = json.NewEncoder(w).Encode(map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": []string{text}}}})
}

// timestamp says when a signature was made.
func (s *sigstore) timestamp(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := timestamp.ParseRequest(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	stamp := timestamp.Timestamp{
		HashAlgorithm: request.HashAlgorithm, HashedMessage: request.HashedMessage, Time: time.Now(),
		Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, Nonce: request.Nonce,
	}
	answer, err := stamp.CreateResponseWithOpts(s.times, s.timesKey, crypto.SHA256)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(answer)
}

// log records a signature, as Rekor's first version does.
func (s *sigstore) log(w http.ResponseWriter, r *http.Request) {
	proposed, err := models.UnmarshalProposedEntry(r.Body, runtime.JSONConsumer())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := types.CanonicalizeEntry(r.Context(), entry)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := s.virtual.RekorLogID()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	now, text := time.Now().Unix(), base64.StdEncoding.EncodeToString(body)
	promise, err := s.virtual.RekorSignPayload(tlog.RekorPayload{Body: text, IntegratedTime: now, LogIndex: 0, LogID: id})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	proof, err := s.virtual.GetInclusionProof(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.logged.Add(1)
	const uuid = "24296fb24b8ad77a0000000000000000000000000000000000000000000000000000000000000000"
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", uuid)
	w.Header().Set("Location", "/api/v1/log/entries/"+uuid)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{uuid: map[string]any{
		"body": text, "integratedTime": now, "logIndex": 0, "logID": id,
		"verification": map[string]any{"signedEntryTimestamp": promise, "inclusionProof": proof},
	}})
}

// trustedRoot writes what says whose certificates, times and entries count.
func (s *sigstore) trustedRoot(dir string, withLog bool) {
	s.t.Helper()
	start := time.Now().Add(-time.Hour)
	authority := &root.FulcioCertificateAuthority{Root: s.rootCA, Intermediates: []*x509.Certificate{s.interCA}, ValidityPeriodStart: start, URI: s.http.URL}
	times := &root.SigstoreTimestampingAuthority{Root: s.rootCA, Intermediates: []*x509.Certificate{s.timesCA}, Leaf: s.times, ValidityPeriodStart: start, URI: s.http.URL}
	logs := map[string]*root.TransparencyLog{}
	if withLog {
		for id, l := range s.virtual.RekorLogs() {
			raw, err := hex.DecodeString(id)
			if err != nil {
				s.t.Fatal(err)
			}
			l.ID = raw
			logs[id] = l
		}
	}
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority}, nil, []root.TimestampingAuthority{times}, logs)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted_root.json"), text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// github is what a job of GitHub's has in its environment.
func (s *sigstore) github() func(string) string {
	return env(map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": s.http.URL + "/token?v=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job"})
}

// TestKeyless signs as a job of GitHub's and of GitLab's, with a private
// Sigstore: with times by an authority, and with a log.
func TestKeyless(t *testing.T) {
	t.Parallel()
	s := newSigstore(t)
	for name, c := range map[string]struct {
		env     func(string) string
		signing model.Signing
		log     bool
	}{
		"GitHub, times": {s.github(), model.Signing{Fulcio: s.http.URL, Audience: "sigstore", TSA: s.http.URL + "/api/v1/timestamp"}, false},
		"GitLab, times": {env(map[string]string{sign.TokenVariable: token(job)}), model.Signing{Fulcio: s.http.URL, Audience: "sigstore", TSA: s.http.URL + "/api/v1/timestamp"}, false},
		"GitHub, log":   {s.github(), model.Signing{Fulcio: s.http.URL, Audience: "sigstore", Rekor: s.http.URL, RekorVersion: 1}, true},
		"GitHub, both":  {s.github(), model.Signing{Fulcio: s.http.URL, Audience: "sigstore", Rekor: s.http.URL, RekorVersion: 1, TSA: s.http.URL + "/api/v1/timestamp"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := sign.Options{Dir: t.TempDir(), Env: c.env}
			s.trustedRoot(o.Dir, c.log)
			signer, err := sign.Open(t.Context(), c.signing, o)
			if err != nil {
				t.Fatal(err)
			}
			b, err := signer.Sign(t.Context(), statement(t, subject))
			if err != nil {
				t.Fatal(err)
			}
			for who, ok := range map[model.Signer]bool{
				{Identity: job, Issuer: issuer}:                       true,
				{Identity: "*@example.com", Issuer: issuer}:           true,
				{Identity: "somebody@example.com", Issuer: issuer}:    false,
				{Identity: "release@example.co", Issuer: issuer}:      false,
				{Identity: job, Issuer: "https://gitlab.example.com"}: false,
			} {
				j, err := sign.Trusting(t.Context(), []model.Signer{who}, "trusted_root.json", o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := j.Verify(b, subject)
				if ok != (err == nil) {
					t.Errorf("%s: %v", who, err)
				}
				if ok && (!strings.Contains(got.By, job) || got.Time.IsZero()) {
					t.Errorf("%s: signed by %q at %s", who, got.By, got.Time)
				}
			}
			_, public := keys(t, ecKey(t, elliptic.P256()))
			if _, err := trusting(t, public).Verify(b, subject); err == nil {
				t.Error("a key recognises what an identity has signed")
			}
		})
	}
	t.Cleanup(func() {
		if n := s.logged.Load(); n != 2 {
			t.Errorf("%d signatures are in the log, not those of the two jobs that name it", n)
		}
	})
}

// TestKeylessRefusals asks of a certificate's signature what its root promises.
func TestKeylessRefusals(t *testing.T) {
	t.Parallel()
	s, other := newSigstore(t), newSigstore(t)
	who := []model.Signer{{Identity: job, Issuer: issuer}}
	sealed := func(how model.Signing) []byte {
		t.Helper()
		how.Fulcio, how.Audience = s.http.URL, "sigstore"
		signer, err := sign.Open(t.Context(), how, sign.Options{Env: s.github()})
		if err != nil {
			t.Fatal(err)
		}
		b, err := signer.Sign(t.Context(), statement(t, subject))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		root    *sigstore
		withLog bool
		signing model.Signing
	}{
		"no record of the time":   {s, false, model.Signing{}},
		"not in the log":          {s, true, model.Signing{TSA: s.http.URL + "/api/v1/timestamp"}},
		"another Sigstore's root": {other, false, model.Signing{TSA: s.http.URL + "/api/v1/timestamp"}},
		"times of another":        {s, false, model.Signing{TSA: other.http.URL + "/api/v1/timestamp"}},
	} {
		o := sign.Options{Dir: t.TempDir()}
		c.root.trustedRoot(o.Dir, c.withLog)
		j, err := sign.Trusting(t.Context(), who, "trusted_root.json", o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = j.Verify(sealed(c.signing), subject)
		if _, ok := errors.AsType[*sign.Untrusted](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := sign.Trusting(t.Context(), who, "", sign.Options{}); err == nil {
		t.Error("identities count without a root")
	}
	signer, err := sign.Open(t.Context(), model.Signing{Fulcio: s.http.URL, Audience: "sigstore"}, sign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Sign(t.Context(), statement(t, subject)); err == nil || !strings.Contains(err.Error(), "id-token: write") || !strings.Contains(err.Error(), sign.TokenVariable) {
		t.Errorf("a job without a token: %v", err)
	}
}
