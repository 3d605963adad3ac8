package sign

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// googleKMS is where Google's key management service is.
const googleKMS = "https://cloudkms.googleapis.com"

// maxKMSAnswer bounds an answer of the service, in bytes.
const maxKMSAnswer = 64 << 10

// kmsAlgorithms are what the service calls the algorithms that bundles have,
// with their hashes' names in its interface.
var kmsAlgorithms = map[string]struct {
	hash crypto.Hash
	name string
}{
	"EC_SIGN_P256_SHA256":        {crypto.SHA256, "sha256"},
	"EC_SIGN_P384_SHA384":        {crypto.SHA384, "sha384"},
	"RSA_SIGN_PKCS1_2048_SHA256": {crypto.SHA256, "sha256"},
	"RSA_SIGN_PKCS1_3072_SHA256": {crypto.SHA256, "sha256"},
	"RSA_SIGN_PKCS1_4096_SHA256": {crypto.SHA256, "sha256"},
}

// kms is Google's key management service, by its REST interface: two calls do
// not warrant its client.
type kms struct {
	client *http.Client
	url    string
	tokens func(context.Context) (string, error)
}

func (o Options) kms() *kms {
	k := &kms{client: o.client(), url: cmp.Or(o.KMS, googleKMS)}
	google := &login.Google{Scope: o.Scope, Transport: o.Transport}
	k.tokens = func(ctx context.Context) (string, error) {
		token, found, err := google.Token(ctx)
		if err == nil && !found {
			err = errors.New("this machine has no login for Google: see docs/guide/google.md")
		}
		return token, err
	}
	return k
}

// openKMS is a key that the service keeps. Its public half is asked for at
// once, so that a key which is not there or cannot sign is found here.
func openKMS(ctx context.Context, uri string, o Options) (*keypair, error) {
	k := o.kms()
	name := keyName(uri)
	public, algorithm, err := k.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	how := kmsAlgorithms[algorithm]
	pair, err := newKeypair(public, func(ctx context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
		if hash != how.hash {
			return nil, fmt.Errorf("%s signs with %s, not with %s", uri, how.hash, hash)
		}
		return k.sign(ctx, name, how.name, digest)
	})
	if err != nil {
		return nil, err
	}
	return pair, nil
}

// keyName is the service's name of a version of a key.
func keyName(uri string) string {
	return strings.Replace(strings.TrimPrefix(uri, "gcpkms://"), "/versions/", "/cryptoKeyVersions/", 1)
}

func (k *kms) public(ctx context.Context, uri string) (crypto.PublicKey, error) {
	public, _, err := k.describe(ctx, keyName(uri))
	return public, err
}

func (k *kms) describe(ctx context.Context, name string) (crypto.PublicKey, string, error) {
	var answer struct {
		PEM       string `json:"pem"`
		Algorithm string `json:"algorithm"`
	}
	if err := k.call(ctx, http.MethodGet, name+"/publicKey", nil, &answer); err != nil {
		return nil, "", err
	}
	if _, known := kmsAlgorithms[answer.Algorithm]; !known {
		return nil, "", &Unusable{fmt.Errorf("the key %s is for %.60q: expected one that signs with elliptic curves (P-256, P-384) or RSA (PKCS #1)", name, answer.Algorithm)}
	}
	public, err := parsePublic([]byte(answer.PEM))
	return public, answer.Algorithm, err
}

func (k *kms) sign(ctx context.Context, name, hash string, digest []byte) ([]byte, error) {
	var answer struct {
		Signature string `json:"signature"`
		Name      string `json:"name"`
	}
	request := map[string]any{"digest": map[string]string{hash: base64.StdEncoding.EncodeToString(digest)}}
	if err := k.call(ctx, http.MethodPost, name+":asymmetricSign", request, &answer); err != nil {
		return nil, err
	}
	if answer.Name != name {
		return nil, fmt.Errorf("asked %s to sign, and %.200q has", name, answer.Name)
	}
	return base64.StdEncoding.DecodeString(answer.Signature)
}

func (k *kms) call(ctx context.Context, method, path string, request, answer any) error {
	var body io.Reader
	if request != nil {
		b, err := json.Marshal(request)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, k.url+"/v1/"+path, body)
	if err != nil {
		return err
	}
	token, err := k.tokens(ctx)
	if err != nil {
		return fmt.Errorf("asking the key management service: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := k.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the key management service: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxKMSAnswer))
	if err != nil {
		return fmt.Errorf("asking the key management service: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		_ = json.Unmarshal(b, &refused) // the status says enough where this is no JSON
		err := fmt.Errorf("asking the key management service: %s %.300q", resp.Status, refused.Error.Message)
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest && method == http.MethodGet { // one that is disabled is the latter
			err = &Unusable{err}
		}
		return err
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("asking the key management service: %w", err)
	}
	return nil
}
