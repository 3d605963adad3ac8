package sign

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Judge tells whether somebody who is trusted has signed. It is safe for
// concurrent use.
type Judge struct {
	trusted []trusted
}

// trusted is one signer and what is needed to recognise it.
type trusted struct {
	signer   model.Signer
	material root.TrustedMaterial
	options  []verify.VerifierOption
	policy   verify.PolicyOption
}

// Signed is what a signature says.
type Signed struct {
	By      string    // the signer as the settings name it, or what the certificate says
	Payload []byte    // the in-toto statement
	Time    time.Time // when, by an authority for times or a log; zero where none says it
}

// Untrusted is a bundle that nobody who is trusted has signed, or that was
// changed since.
type Untrusted struct {
	Claims string // who it says has signed it; not verified
	Err    error
}

// Error says whose signature it claims to be.
func (u *Untrusted) Error() string {
	return fmt.Sprintf("signed by nobody we trust (it claims to be signed by %s): %v", u.Claims, u.Err)
}

// Unwrap is why the nearest signer was not recognised.
func (u *Untrusted) Unwrap() error { return u.Err }

// Trusting makes a judge who trusts these signers. rootFile is Sigstore's
// trusted_root.json; it is needed for signers that are identities.
func Trusting(ctx context.Context, signers []model.Signer, rootFile string, o Options) (*Judge, error) {
	j := &Judge{}
	var certificates *root.TrustedRoot
	for _, s := range signers {
		if s.Key != "" {
			public, err := o.publicKey(ctx, s.Key)
			if err != nil {
				return nil, fmt.Errorf("reading the key %s: %w", s.Key, err)
			}
			j.trusted = append(j.trusted, trusted{signer: s, material: keyMaterial(verifierOf(public))})
			continue
		}
		if certificates == nil {
			text, err := o.readRoot(rootFile)
			if err != nil {
				return nil, err
			}
			if certificates, err = root.NewTrustedRootFromJSON(text); err != nil {
				return nil, &Unusable{fmt.Errorf("reading %s: %w", rootFile, err)}
			}
		}
		t, err := trustIdentity(s, certificates)
		if err != nil {
			return nil, err
		}
		j.trusted = append(j.trusted, t)
	}
	return j, nil
}

func (o Options) readRoot(file string) ([]byte, error) {
	if file == "" {
		return nil, &Unusable{errors.New("identities count only under a trusted root: name trusted_root.json")}
	}
	text, err := o.readBounded(file, maxRoot)
	if err != nil {
		return nil, &Unusable{fmt.Errorf("reading the trusted root: %w", err)}
	}
	return text, nil
}

// maxRoot bounds trusted_root.json, in bytes.
const maxRoot = 4 << 20

func (o Options) publicKey(ctx context.Context, key string) (crypto.PublicKey, error) {
	if strings.Contains(key, "://") {
		if err := model.CheckKMSKey(key); err != nil {
			return nil, &Unusable{err}
		}
		return o.kms().public(ctx, key)
	}
	text, err := o.readBounded(key, maxKey)
	if err != nil {
		return nil, &Unusable{err}
	}
	public, err := parsePublic(text)
	if err != nil {
		return nil, &Unusable{err}
	}
	return public, nil
}

// trustIdentity asks of a certificate what its root promises: a time by an
// authority or a log, an entry in the log where the root has one, and one in
// the log of certificates where it has one.
func trustIdentity(s model.Signer, r *root.TrustedRoot) (trusted, error) {
	who, err := verify.NewShortCertificateIdentity(s.Issuer, "", "", anchored(s.Identity))
	if err != nil {
		return trusted{}, fmt.Errorf("trusting %s: %w", s, err)
	}
	t := trusted{signer: s, material: r, policy: verify.WithCertificateIdentity(who)}
	t.options = append(t.options, verify.WithObserverTimestamps(1))
	if len(r.RekorLogs()) > 0 {
		t.options = append(t.options, verify.WithTransparencyLog(1))
	}
	if len(r.CTLogs()) > 0 {
		t.options = append(t.options, verify.WithSignedCertificateTimestamps(1))
	}
	return t, nil
}

// anchored is a glob, where "*" stands for any text, as a regular expression.
func anchored(glob string) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$"
}

func verifierOf(public crypto.PublicKey) (signature.Verifier, error) {
	return signature.LoadDefaultVerifier(public)
}

// keyMaterial recognises one key, whatever name a bundle gives it.
func keyMaterial(v signature.Verifier, err error) root.TrustedMaterial {
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
		if err != nil {
			return nil, err
		}
		return root.NewExpiringKey(v, time.Time{}, time.Time{}), nil
	})
}

// Verify tells what a bundle says of a digest, and who has signed it. The
// error is an *Untrusted where nobody who is trusted has, or where the
// statement is about something else.
func (j *Judge) Verify(raw []byte, digest model.Digest) (Signed, error) {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(raw); err != nil {
		return Signed{}, &Untrusted{Claims: "nobody", Err: fmt.Errorf("this is no bundle: %w", err)}
	}
	claims := claimed(b)
	envelope, err := b.Envelope()
	if err != nil || envelope.PayloadType != StatementType {
		return Signed{}, &Untrusted{Claims: claims, Err: errors.New("it holds no statement")}
	}
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		return Signed{}, &Untrusted{Claims: claims, Err: err}
	}
	out, err := j.recognise(b, digest)
	if err != nil {
		return Signed{}, err
	}
	out.Payload = payload
	return out, nil
}

// VerifyFile tells who has signed the content of a file. The error is an
// *Untrusted where nobody who is trusted has.
func (j *Judge) VerifyFile(raw, content []byte) (Signed, error) {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(raw); err != nil {
		return Signed{}, &Untrusted{Claims: "nobody", Err: fmt.Errorf("this is no bundle: %w", err)}
	}
	if b.GetMessageSignature() == nil {
		return Signed{}, &Untrusted{Claims: claimed(b), Err: errors.New("it is no signature of a file")}
	}
	return j.recognise(b, model.DigestOf(content))
}

// recognise finds the signer of a bundle that is about a digest.
func (j *Judge) recognise(b *bundle.Bundle, digest model.Digest) (Signed, error) {
	sum, err := hex.DecodeString(digest.Hex())
	if err != nil || len(sum) == 0 {
		return Signed{}, fmt.Errorf("verifying a signature: invalid digest %q", digest)
	}
	nearest := errors.New("nobody is trusted")
	for _, t := range j.trusted {
		r, err := t.verify(b, sum)
		if err != nil {
			nearest = err
			continue
		}
		out := Signed{By: t.signer.String()}
		if r.Signature != nil && r.Signature.Certificate != nil {
			out.By = r.Signature.Certificate.SubjectAlternativeName + " by " + r.Signature.Certificate.Issuer
		}
		for _, at := range r.VerifiedTimestamps {
			if out.Time.IsZero() || at.Timestamp.Before(out.Time) {
				out.Time = at.Timestamp.UTC()
			}
		}
		return out, nil
	}
	return Signed{}, &Untrusted{Claims: claimed(b), Err: nearest}
}

func (t trusted) verify(b *bundle.Bundle, sum []byte) (*verify.VerificationResult, error) {
	options, policy := t.options, t.policy
	content, err := b.VerificationContent()
	if err != nil {
		return nil, err
	}
	if byKey := content.Certificate() == nil; byKey != (t.signer.Key != "") {
		if byKey {
			return nil, errors.New("it is signed with a key, not by an identity")
		}
		return nil, errors.New("it is signed by an identity, not with the key")
	}
	if t.signer.Key != "" {
		options, policy = []verify.VerifierOption{verify.WithNoObserverTimestamps()}, verify.WithKey()
	}
	v, err := verify.NewVerifier(t.material, append(options, verify.WithoutStatementPredicate())...)
	if err != nil {
		return nil, err
	}
	return v.Verify(b, verify.NewPolicy(verify.WithArtifactDigest("sha256", sum), policy))
}

// claimed is who a bundle says has signed it.
func claimed(b *bundle.Bundle) string {
	content, err := b.VerificationContent()
	if err != nil {
		return "nobody"
	}
	if c := content.Certificate(); c != nil {
		for _, u := range c.URIs {
			return u.String()
		}
		for _, e := range c.EmailAddresses {
			return e
		}
		return "a certificate without a name"
	}
	if k := content.PublicKey(); k != nil && k.Hint() != "" {
		return "key SHA256:" + k.Hint()
	}
	return "a key without a name"
}

// Claim is what a bundle says, believed by nobody yet.
type Claim struct {
	By      string // who it says has signed it
	Payload []byte // the in-toto statement
}

// Claimed reads a bundle without verifying it.
func Claimed(raw []byte) (Claim, error) {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(raw); err != nil {
		return Claim{}, fmt.Errorf("this is no bundle: %w", err)
	}
	envelope, err := b.Envelope()
	if err != nil {
		return Claim{}, err
	}
	payload, err := envelope.DecodeB64Payload()
	return Claim{By: claimed(b), Payload: payload}, err
}
