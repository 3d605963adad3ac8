package sign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxKey bounds a file that holds a key, in bytes.
const maxKey = 64 << 10

// keypair is a key, wherever its private half is.
type keypair struct {
	public  crypto.PublicKey
	details signature.AlgorithmDetails
	hint    string // SHA-256 of the public half, as cosign writes it
	pem     string // the public half
	// sign signs a digest, or, where hash is 0, the data itself.
	sign func(ctx context.Context, digest []byte, hash crypto.Hash) ([]byte, error)
}

var _ sign.Keypair = (*keypair)(nil)

func newKeypair(public crypto.PublicKey, f func(context.Context, []byte, crypto.Hash) ([]byte, error)) (*keypair, error) {
	details, err := signature.GetDefaultAlgorithmDetails(public)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &keypair{
		public: public, details: details, sign: f, hint: base64.StdEncoding.EncodeToString(sum[:]),
		pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

// Unusable is a key, or a trusted root, that is not there or is none: a mistake
// of whoever named it, in the settings or in a flag.
type Unusable struct{ Err error }

// Error is what is wrong with it, without its text.
func (u *Unusable) Error() string { return u.Err.Error() }

// Unwrap is what is wrong with it.
func (u *Unusable) Unwrap() error { return u.Err }

// ExitCode is that of wrong settings.
func (u *Unusable) ExitCode() int { return 3 }

// openKey finds the key that the settings name.
func openKey(ctx context.Context, s model.Signing, o Options) (*keypair, error) {
	if err := model.CheckSigningKey(s.Key); err != nil {
		return nil, &Unusable{err}
	}
	if strings.Contains(s.Key, "://") {
		return openKMS(ctx, s.Key, o)
	}
	pair, err := o.ownKey(s)
	if err != nil {
		return nil, &Unusable{err}
	}
	return pair, nil
}

// ownKey is a key in a file or a variable.
func (o Options) ownKey(s model.Signing) (*keypair, error) {
	text, err := o.readKey(s.Key)
	if err != nil {
		return nil, err
	}
	private, err := parsePrivate(text, func() []byte { return []byte(o.env(s.Password)) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Key, err)
	}
	return newKeypair(private.Public(), func(_ context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
		return private.Sign(rand.Reader, digest, hash)
	})
}

// readKey reads "file:PATH" or "env:NAME".
func (o Options) readKey(key string) ([]byte, error) {
	if name, found := strings.CutPrefix(key, "env:"); found {
		text := o.env(name)
		if text == "" {
			return nil, fmt.Errorf("the variable %s is empty: it must hold a private key in PEM", name)
		}
		return []byte(text), nil
	}
	return o.readBounded(strings.TrimPrefix(key, "file:"), maxKey)
}

// readBounded reads a file of at most limit bytes.
func (o Options) readBounded(name string, limit int64) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(o.Dir, name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, limit)
	}
	return os.ReadFile(name)
}

// parsePrivate reads a private key in PEM. Its text is in no error.
func parsePrivate(text []byte, password func() []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("this is no key in PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY":
		var der []byte
		if der, err = encrypted.Decrypt(block.Bytes, password()); err != nil {
			return nil, errors.New("the key cannot be decrypted: its password is in the variable that sign.password names, COSIGN_PASSWORD by default")
		}
		key, err = x509.ParsePKCS8PrivateKey(der)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a %.60q is no private key that is known", block.Type)
	}
	if err != nil {
		return nil, errors.New("the private key is damaged")
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("a key of type %T cannot sign", key)
}

// parsePublic reads a public key in PEM.
func parsePublic(text []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("this is no public key in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key is damaged: %w", err)
	}
	return public, nil
}

func (k *keypair) fingerprint() string { return "SHA256:" + k.hint }

// verifier judges what this key has signed.
func (k *keypair) verifier() (signature.Verifier, error) { return verifierOf(k.public) }

// GetHashAlgorithm implements sign.Keypair.
func (k *keypair) GetHashAlgorithm() protocommon.HashAlgorithm { return k.details.GetProtoHashType() }

// GetSigningAlgorithm implements sign.Keypair.
func (k *keypair) GetSigningAlgorithm() protocommon.PublicKeyDetails {
	return k.details.GetSignatureAlgorithm()
}

// GetHint implements sign.Keypair.
func (k *keypair) GetHint() []byte { return []byte(k.hint) }

// GetKeyAlgorithm implements sign.Keypair.
func (k *keypair) GetKeyAlgorithm() string {
	switch k.public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA"
	case *rsa.PublicKey:
		return "RSA"
	}
	return "ED25519"
}

// GetPublicKey implements sign.Keypair.
func (k *keypair) GetPublicKey() crypto.PublicKey { return k.public }

// GetPublicKeyPem implements sign.Keypair.
func (k *keypair) GetPublicKeyPem() (string, error) { return k.pem, nil }

// SignData implements sign.Keypair: it returns the signature and what was
// signed.
func (k *keypair) SignData(ctx context.Context, data []byte) (sig, signed []byte, err error) {
	hash, signed := k.details.GetHashType(), data
	if hash != crypto.Hash(0) {
		h := hash.New()
		h.Write(data)
		signed = h.Sum(nil)
	}
	sig, err = k.sign(ctx, signed, hash)
	return sig, signed, err
}
