// Package attest says of a published image, signed, what is known about it:
// that it is ours, what it was made from, what it holds, what a scanner found
// and what the policy decided. Each is an in-toto statement in a Sigstore
// bundle, attached to the digests of the index and of every platform, where
// cosign finds it too; and each is read again, with what is inside, before an
// image is promoted.
package attest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What the statements say, by the type of their predicate.
const (
	TypeSignature  = "https://sigstore.dev/cosign/sign/v1"
	TypeProvenance = "https://slsa.dev/provenance/v1"
	TypeCycloneDX  = "https://cyclonedx.org/bom"
	TypeSPDX       = "https://spdx.dev/Document"
	TypeSyft       = "https://syft.dev/bom"
	TypeScan       = "https://cosign.sigstore.dev/attestation/vuln/v1"
	TypeDecision   = "https://rootfsgen.dev/decision/v1" // model.Verdict
)

// statementForm is the version of in-toto's statement.
const statementForm = "https://in-toto.io/Statement/v1"

// Statement is an in-toto statement about one digest.
type Statement struct {
	Form      string          `json:"_type"`
	Subject   []Subject       `json:"subject"`
	Type      string          `json:"predicateType"`
	Predicate json.RawMessage `json:"predicate"`
}

// Subject is what a statement is about.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// encode is the statement's text: the same for the same predicate.
func encode(repo string, digest model.Digest, kind string, predicate any) ([]byte, error) {
	raw, err := json.Marshal(predicate)
	if err != nil {
		return nil, fmt.Errorf("writing a statement of type %s: %w", kind, err)
	}
	return json.Marshal(Statement{
		Form: statementForm, Type: kind, Predicate: raw,
		Subject: []Subject{{Name: repo, Digest: map[string]string{"sha256": digest.Hex()}}},
	})
}

// Decode reads a statement whose signature was verified.
func Decode(payload []byte) (Statement, error) {
	var s Statement
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, fmt.Errorf("reading a statement: %w", err)
	}
	if s.Form != statementForm && s.Form != "https://in-toto.io/Statement/v0.1" {
		return s, errors.New("reading a statement: it is none of in-toto's")
	}
	return s, nil
}

// typesOf are the types of predicate that answer a requirement.
func typesOf(requirement string) []string {
	switch requirement {
	case model.RequireSignature:
		return []string{TypeSignature}
	case model.RequireProvenance:
		return []string{TypeProvenance}
	case model.RequireSBOM:
		return []string{TypeCycloneDX, TypeSPDX, TypeSyft}
	case model.RequireScan:
		return []string{TypeScan}
	case model.RequireDecision:
		return []string{TypeDecision}
	}
	return nil
}
