package model

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Signing is what is signed with, and where signatures are recorded. The zero
// value signs nothing.
type Signing struct {
	Key          string `json:"key,omitempty"`      // "file:PATH", "env:NAME" or "gcpkms://...": see CheckSigningKey
	Password     string `json:"password,omitempty"` // variable that holds the password of Key
	Fulcio       string `json:"fulcio,omitempty"`   // address of the authority that gives this job a certificate, instead of Key
	Audience     string `json:"audience,omitempty"` // of the forge's token for Fulcio
	Rekor        string `json:"rekor,omitempty"`    // address of a transparency log; empty is none
	RekorVersion int    `json:"rekor_version,omitempty"`
	TSA          string `json:"tsa,omitempty"` // address of an authority for time stamps; empty is none
}

// What Signing holds where the settings do not say it.
const (
	DefaultAudience = "sigstore"
	DefaultPassword = "COSIGN_PASSWORD"
)

// On tells whether anything is signed.
func (s Signing) On() bool { return s.Key != "" || s.Fulcio != "" }

// Trust is whose signatures count, and what must be signed. The zero value
// trusts nobody, and asks for nothing.
type Trust struct {
	Root       string   `json:"root,omitempty"`        // Sigstore's trusted_root.json, from the root of the tree
	Signers    []Signer `json:"signers,omitempty"`     // of images and of attestations
	Builders   []Signer `json:"builders,omitempty"`    // of receipts; where there are any, no other receipt counts
	BuilderIDs []string `json:"builder_ids,omitempty"` // globs of builders that provenance may name; none is any
	Require    []string `json:"require,omitempty"`     // Require constants, sorted; what a promotion asks for
}

// Signer is a key or the identity in a certificate.
type Signer struct {
	Key      string `json:"key,omitempty"`      // file with a public key in PEM, from the root of the tree, or "gcpkms://..."
	Identity string `json:"identity,omitempty"` // of a certificate: an address, where "*" stands for any text
	Issuer   string `json:"issuer,omitempty"`   // who said so to the certificate's authority
}

// String names the signer for people.
func (s Signer) String() string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return s.Identity + " by " + s.Issuer
}

// What can be asked of an image.
const (
	RequireSignature  = "signature"
	RequireSBOM       = "sbom"
	RequireProvenance = "provenance"
	RequireScan       = "scan"
	RequireDecision   = "decision"
)

// Requirables are all of them, in the order in which they are looked for.
func Requirables() []string {
	return []string{RequireSignature, RequireProvenance, RequireSBOM, RequireScan, RequireDecision}
}

// Lengths are checked beside the expressions: a bounded repetition is compiled
// to as many states, by every program that starts.
var (
	kmsKey   = regexp.MustCompile(`^gcpkms://projects/[a-z0-9.:-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+/(?:cryptoKeyVersions|versions)/[0-9]+$`)
	envKey   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	identity = regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9*@:/._~%+#-]*$`)
)

// maxSigner bounds the address of a key, and an identity, in characters.
const maxSigner = 512

// CheckKMSKey tells why s is not the address of a key that this program can
// ask: one version of one key of Google's.
func CheckKMSKey(s string) error {
	scheme, _, found := strings.Cut(s, "://")
	switch {
	case found && scheme != "gcpkms":
		return fmt.Errorf("no key management service is known by %s://: only gcpkms:// is; for another one, sign keylessly or with a key in a variable", scheme)
	case len(s) > maxSigner || !kmsKey.MatchString(s):
		return fmt.Errorf("invalid key %.200q: expected gcpkms://projects/PROJECT/locations/PLACE/keyRings/RING/cryptoKeys/KEY/versions/N, with its version", s)
	}
	return nil
}

// CheckSigningKey tells why s cannot be where a private key is.
func CheckSigningKey(s string) error {
	if strings.Contains(s, "://") {
		return CheckKMSKey(s)
	}
	if file, found := strings.CutPrefix(s, "file:"); found {
		if file == "" || strings.ContainsAny(file, "\x00\n") {
			return fmt.Errorf("invalid key %.200q: expected file:PATH", s)
		}
		return nil
	}
	if name, found := strings.CutPrefix(s, "env:"); found && len(name) <= 100 && envKey.MatchString(name) {
		return nil
	}
	return fmt.Errorf("invalid key %.200q: expected file:PATH, env:VARIABLE or a version of a key of gcpkms://", s)
}

// CheckPublicKey tells why s cannot be where a public key is.
func CheckPublicKey(s string) error {
	if strings.Contains(s, "://") {
		return CheckKMSKey(s)
	}
	if path.IsAbs(s) || s == "" || strings.ContainsAny(s, "\x00\n\\") || path.Clean(s) != s || strings.HasPrefix(s, "../") || s == ".." {
		return fmt.Errorf("invalid key %.200q: expected a file of the repository, such as keys/cosign.pub, or a version of a key of gcpkms://", s)
	}
	return nil
}

// CheckIdentity tells why s cannot be the identity in a certificate.
func CheckIdentity(s string) error {
	if len(s) > maxSigner || !identity.MatchString(s) {
		return fmt.Errorf("invalid identity %.200q: expected an address, such as https://github.com/team/images/.github/workflows/*@refs/heads/main", s)
	}
	if strings.Trim(s, "*") == "" {
		return fmt.Errorf("invalid identity %q: it is everybody's", s)
	}
	return nil
}

// CheckService tells why s cannot be the address of one of Sigstore's
// services. Plain http is for services of this machine.
func CheckService(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("invalid address %.200q: expected https://, without a user or a query", s)
	}
	local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("invalid address %.200q: expected https://", s)
	}
	return nil
}

// Variables are the names of the variables that hold the private key and its
// password, sorted; a key that is asked for signatures, and a certificate, need
// none.
func (s Signing) Variables() []string {
	var names []string
	name, inVariable := strings.CutPrefix(s.Key, "env:")
	if inVariable {
		names = append(names, name)
	}
	if (inVariable || strings.HasPrefix(s.Key, "file:")) && s.Password != "" {
		names = append(names, s.Password)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
