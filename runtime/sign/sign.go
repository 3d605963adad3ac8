// Package sign makes and judges signatures: Sigstore bundles around in-toto
// statements, as cosign writes and reads them. It is the one place that knows
// Sigstore. It signs with a key in a file or a variable, with a key that a
// service keeps, or, without any key, as the job that runs, by a certificate
// that is good for minutes.
package sign

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sigstore/sigstore-go/pkg/sign"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// BundleType is the media type of a signature, and the type of the artifact
// that it is attached as.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// StatementType is what is signed: an in-toto statement.
const StatementType = "application/vnd.in-toto+json"

// serviceTimeout bounds one question to one of Sigstore's services, and
// serviceRetries how often it is asked again.
const (
	serviceTimeout = 30 * time.Second
	serviceRetries = 3
)

// Options says where keys and tokens come from. The zero value finds none but
// files.
type Options struct {
	Dir       string                   // that relative files begin at
	Env       func(name string) string // nil has no variables
	Transport http.RoundTripper        // nil: the network
	KMS       string                   // address of the key management service; empty is Google's
	Scope     string                   // one of model's Scope constants: which account of a job that has several asks it; empty is the only one
}

func (o Options) env(name string) string {
	if o.Env == nil {
		return ""
	}
	return o.Env(name)
}

func (o Options) client() *http.Client {
	return &http.Client{Transport: o.Transport, Timeout: serviceTimeout}
}

// Signer signs as one key or one job. It is safe for concurrent use.
type Signer struct {
	options  Options
	settings model.Signing
	key      *keypair // nil: keyless
}

// ErrOff is a signer that was asked for where the settings sign nothing.
var ErrOff = errors.New("nothing is signed: rootfsgen.yaml has no \"sign\"")

// Open finds the key, and reads its public half where a service keeps it. A
// job's certificate is asked for when something is signed.
func Open(ctx context.Context, s model.Signing, o Options) (*Signer, error) {
	if !s.On() {
		return nil, ErrOff
	}
	out := &Signer{options: o, settings: s}
	if s.Key == "" {
		return out, nil
	}
	var err error
	if out.key, err = openKey(ctx, s, o); err != nil {
		return nil, fmt.Errorf("opening the key that signs: %w", err)
	}
	return out, nil
}

// String names who signs, for people.
func (s *Signer) String() string {
	if s.key == nil {
		return "this job, by a certificate of " + s.settings.Fulcio
	}
	return "key " + s.key.fingerprint()
}

// Sign signs an in-toto statement and returns the bundle: the statement, its
// signature, and what is needed to verify it.
func (s *Signer) Sign(ctx context.Context, statement []byte) ([]byte, error) {
	return s.bundle(ctx, &sign.DSSEData{Data: statement, PayloadType: StatementType})
}

// SignFile signs the content of a file as it is, and returns the bundle, which
// does not hold it: what "cosign verify-blob" reads.
func (s *Signer) SignFile(ctx context.Context, content []byte) ([]byte, error) {
	return s.bundle(ctx, &sign.PlainData{Data: content})
}

func (s *Signer) bundle(ctx context.Context, content sign.Content) ([]byte, error) {
	var pair sign.Keypair = s.key
	o := sign.BundleOptions{Context: ctx}
	if s.key == nil {
		token, err := s.options.identityToken(ctx, s.settings.Audience)
		if err != nil {
			return nil, fmt.Errorf("signing as this job: %w", err)
		}
		if pair, err = sign.NewEphemeralKeypair(nil); err != nil {
			return nil, fmt.Errorf("signing as this job: %w", err)
		}
		o.CertificateProvider = sign.NewFulcio(&sign.FulcioOptions{
			BaseURL: s.settings.Fulcio, Timeout: serviceTimeout, Retries: serviceRetries, Transport: s.options.Transport,
		})
		o.CertificateProviderOptions = &sign.CertificateProviderOptions{IDToken: token}
	}
	if s.settings.TSA != "" {
		o.TimestampAuthorities = []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{
			URL: s.settings.TSA, Timeout: serviceTimeout, Retries: serviceRetries, Transport: s.options.Transport,
		})}
	}
	if s.settings.Rekor != "" {
		o.TransparencyLogs = []sign.Transparency{sign.NewRekor(&sign.RekorOptions{
			BaseURL: s.settings.Rekor, Timeout: serviceTimeout, Retries: serviceRetries, Version: uint32(max(s.settings.RekorVersion, 1)), //nolint:gosec // 1 or 2
		})}
	}
	b, err := sign.Bundle(content, pair, o)
	if err != nil {
		return nil, fmt.Errorf("signing as %s: %w", s, err)
	}
	return protojson.Marshal(b)
}

// Own judges what this signer has signed with its key; nil for a signer
// without one, whose certificates differ each time.
func (s *Signer) Own() *Judge {
	if s.key == nil {
		return nil
	}
	return &Judge{trusted: []trusted{{signer: model.Signer{Key: s.key.fingerprint()}, material: keyMaterial(s.key.verifier())}}}
}
