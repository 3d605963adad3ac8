package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// Sigstore's public services, which a job signs with that has no key.
const (
	fulcio = "https://fulcio.sigstore.dev"
	rekor  = "https://rekor.sigstore.dev"
)

// keyVariable holds a private key in PEM where jobs cannot reach these services.
const keyVariable = "RELEASE_KEY"

// sign signs the digests as a file, and the provenance as a statement.
func (o *options) sign(ctx context.Context, env func(string) string) error {
	if err := o.complete(); err != nil {
		return err
	}
	settings := model.Signing{Key: o.key, Password: model.DefaultPassword}
	if o.key == "" && env(keyVariable) != "" {
		settings.Key = "env:" + keyVariable
	}
	if settings.Key == "" {
		settings = model.Signing{Fulcio: fulcio, Rekor: rekor, RekorVersion: 1, Audience: model.DefaultAudience}
	}
	signer, err := sign.Open(ctx, settings, sign.Options{Env: env})
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		sign func(context.Context, []byte) ([]byte, error)
	}{{sumsFile, signer.SignFile}, {provenanceFile, signer.Sign}} {
		content, err := os.ReadFile(filepath.Join(o.dir, s.name))
		if err != nil {
			return fmt.Errorf("reading the release: %w", err)
		}
		bundle, err := s.sign(ctx, content)
		if err != nil {
			return err
		}
		if err := o.write(s.name+bundleSuffix, bundle); err != nil {
			return err
		}
	}
	return nil
}

// complete tells whether SHA256SUMS names each file of the release with its
// digest, and nothing else.
func (r *release) complete() error {
	all, err := r.files(sumsFile)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(filepath.Join(r.dir, sumsFile))
	if err != nil {
		return fmt.Errorf("reading the release: %w", err)
	}
	if !bytes.Equal(have, sums(all)) {
		return fmt.Errorf("%s is not of the files beside it", sumsFile)
	}
	return nil
}

// verify checks the digests and both signatures, and tells whose they are.
func (o *options) verify(ctx context.Context, env func(string) string) (by string, err error) {
	if err := o.complete(); err != nil {
		return "", err
	}
	signer := model.Signer{Key: o.key, Identity: o.identity, Issuer: o.issuer}
	judge, err := sign.Trusting(ctx, []model.Signer{signer}, o.root, sign.Options{Env: env})
	if err != nil {
		return "", err
	}
	read := func(name string) []byte {
		content, failed := os.ReadFile(filepath.Join(o.dir, name))
		err = errors.Join(err, failed)
		return content
	}
	digests, signature := read(sumsFile), read(sumsFile+bundleSuffix)
	statement, attestation := read(provenanceFile), read(provenanceFile+bundleSuffix)
	if err != nil {
		return "", fmt.Errorf("reading the release: %w", err)
	}
	signed, err := judge.VerifyFile(signature, digests)
	if err != nil {
		return "", fmt.Errorf("%s: %w", sumsFile, err)
	}
	all, err := o.files(sumsFile, provenanceFile)
	if err != nil {
		return "", err
	}
	for _, f := range all {
		said, err := judge.Verify(attestation, model.Digest("sha256:"+f.sum))
		if err != nil {
			return "", fmt.Errorf("the provenance of %s: %w", f.name, err)
		}
		if !bytes.Equal(said.Payload, statement) {
			return "", fmt.Errorf("%s is not what was signed", provenanceFile)
		}
	}
	return signed.By, nil
}
