package sign_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

const subject = model.Digest("sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")

// statement is about one digest.
func statement(t *testing.T, of model.Digest) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://example.com/p/v1", "predicate": map[string]string{"a": "b"},
		"subject": []any{map[string]any{"name": "x", "digest": map[string]string{"sha256": of.Hex()}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keys writes a key pair and returns the texts of both halves.
func keys(t *testing.T, private crypto.Signer) (privatePEM, publicPEM []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// trusting is a judge who trusts one public key.
func trusting(t *testing.T, public []byte) *sign.Judge {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key.pub"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := sign.Trusting(t.Context(), []model.Signer{{Key: "key.pub"}}, "", sign.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// TestKeys signs with every kind of key, from a file and from a variable.
func TestKeys(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "RSA": rsaKey, "Ed25519": edKey,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			private, public := keys(t, key)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "cosign.key"), private, 0o600); err != nil {
				t.Fatal(err)
			}
			o := sign.Options{Dir: dir, Env: env(map[string]string{"KEY": string(private)})}
			for _, where := range []string{"file:cosign.key", "env:KEY"} {
				s, err := sign.Open(t.Context(), model.Signing{Key: where}, o)
				if err != nil {
					t.Fatal(err)
				}
				b, err := s.Sign(t.Context(), statement(t, subject))
				if err != nil {
					t.Fatal(err)
				}
				for who, j := range map[string]*sign.Judge{"public": trusting(t, public), "own": s.Own()} {
					got, err := j.Verify(b, subject)
					if err != nil {
						t.Fatalf("%s, by the %s key: %v", where, who, err)
					}
					if string(got.Payload) != string(statement(t, subject)) {
						t.Errorf("it says %s", got.Payload)
					}
				}
			}
		})
	}
}

// TestEncryptedKey opens what cosign generate-key-pair writes.
func TestEncryptedKey(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"} {
		sealed, err := encrypted.Encrypt(der, []byte("open sesame"))
		if err != nil {
			t.Fatal(err)
		}
		text := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: sealed}))
		set := model.Signing{Key: "env:KEY", Password: "SECRET"}
		if _, err := sign.Open(t.Context(), set, sign.Options{Env: env(map[string]string{"KEY": text, "SECRET": "open sesame"})}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		_, err = sign.Open(t.Context(), set, sign.Options{Env: env(map[string]string{"KEY": text, "SECRET": "wrong"})})
		if err == nil || !strings.Contains(err.Error(), "COSIGN_PASSWORD") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s with a wrong password: %v", kind, err)
		}
	}
}

// TestRefusedKeys names what is wrong with a key, and never its text.
func TestRefusedKeys(t *testing.T) {
	t.Parallel()
	_, public := keys(t, ecKey(t, elliptic.P256()))
	o := sign.Options{Dir: t.TempDir(), Env: env(map[string]string{
		"PUBLIC": string(public), "TEXT": "hunter2", "DAMAGED": "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
	})}
	for where, want := range map[string]string{
		"env:PUBLIC":             "no private key that is known",
		"env:TEXT":               "no key in PEM",
		"env:DAMAGED":            "damaged",
		"env:NOTHING":            "NOTHING is empty",
		"file:missing":           "no such file",
		"awskms:///alias/images": "only gcpkms:// is",
		"hashivault://images":    "only gcpkms:// is",
		"gcpkms://projects/p":    "with its version",
	} {
		_, err := sign.Open(t.Context(), model.Signing{Key: where}, o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", where, err, want)
		}
		unusable(t, where, err)
	}
	if _, err := sign.Open(t.Context(), model.Signing{}, o); !errors.Is(err, sign.ErrOff) {
		t.Errorf("without a key: %v", err)
	}
}

// unusable wants an error to be the mistake of whoever named a key.
func unusable(t *testing.T, name string, err error) {
	t.Helper()
	if mistake, is := errors.AsType[*sign.Unusable](err); !is || mistake.ExitCode() != 3 {
		t.Errorf("%s: %v is no mistake in what the settings name", name, err)
	}
}

// TestRefusedPublicKeys names what is wrong with a key or a root that is to be
// trusted.
func TestRefusedPublicKeys(t *testing.T) {
	t.Parallel()
	private, _ := keys(t, ecKey(t, elliptic.P256()))
	o := sign.Options{Dir: t.TempDir()}
	for name, text := range map[string]string{
		"private.pub": string(private), "text.pub": "hunter2", "damaged.pub": "-----BEGIN PUBLIC KEY-----\naHVudGVyMg==\n-----END PUBLIC KEY-----\n",
		"root.json": "{", "long.pub": strings.Repeat("x", 1<<17),
	} {
		if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	who := model.Signer{Identity: "https://example.com/*", Issuer: "https://example.com"}
	for name, c := range map[string]struct {
		signer model.Signer
		root   string
	}{
		"no such key":         {model.Signer{Key: "missing.pub"}, ""},
		"a private key":       {model.Signer{Key: "private.pub"}, ""},
		"no key":              {model.Signer{Key: "text.pub"}, ""},
		"a damaged key":       {model.Signer{Key: "damaged.pub"}, ""},
		"a key that is long":  {model.Signer{Key: "long.pub"}, ""},
		"another service":     {model.Signer{Key: "awskms:///alias/images"}, ""},
		"no root":             {who, ""},
		"no such root":        {who, "missing.json"},
		"a root that is none": {who, "root.json"},
	} {
		_, err := sign.Trusting(t.Context(), []model.Signer{c.signer}, c.root, o)
		unusable(t, name, err)
	}
}

// TestNobodyWeTrust refuses signatures of others, for other digests and on
// changed statements.
func TestNobodyWeTrust(t *testing.T) {
	t.Parallel()
	private, public := keys(t, ecKey(t, elliptic.P256()))
	_, other := keys(t, ecKey(t, elliptic.P256()))
	s, err := sign.Open(t.Context(), model.Signing{Key: "env:KEY"}, sign.Options{Env: env(map[string]string{"KEY": string(private)})})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Sign(t.Context(), statement(t, subject))
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	elsewhere := model.DigestOf([]byte("elsewhere"))
	raw["dsseEnvelope"].(map[string]any)["payload"] = statement(t, elsewhere)
	changed, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := sign.Trusting(t.Context(), nil, "", sign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		judge  *sign.Judge
		bundle []byte
		digest model.Digest
	}{
		"another key":       {trusting(t, other), b, subject},
		"nobody is trusted": {nobody, b, subject},
		"another digest":    {trusting(t, public), b, elsewhere},
		"changed statement": {trusting(t, public), changed, elsewhere},
		"no bundle":         {trusting(t, public), []byte("{}"), subject},
		"garbage":           {trusting(t, public), []byte("\x00"), subject},
	} {
		_, err := c.judge.Verify(c.bundle, c.digest)
		if _, ok := errors.AsType[*sign.Untrusted](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := trusting(t, public).Verify(b, subject); err != nil {
		t.Errorf("the trap is open: %v", err)
	}
}
