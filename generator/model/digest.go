package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is a SHA-256 in its registry form, "sha256:" and 64 lower-case
// hexadecimal digits. The empty Digest means "not known".
type Digest string

// ParseDigest checks s before it becomes part of a reference or a tag.
func ParseDigest(s string) (Digest, error) {
	d := Digest(s)
	if !d.Valid() {
		return "", fmt.Errorf("invalid digest %q: expected sha256: and 64 hexadecimal digits", s)
	}
	return d, nil
}

// DigestOf is the digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	text := [len("sha256:") + 2*len(sum)]byte{'s', 'h', 'a', '2', '5', '6', ':'}
	hex.Encode(text[len("sha256:"):], sum[:])
	return Digest(text[:])
}

// Valid tells whether d has the canonical form.
func (d Digest) Valid() bool {
	h, found := strings.CutPrefix(string(d), "sha256:")
	return found && len(h) == 64 && strings.Trim(h, "0123456789abcdef") == ""
}

// Hex is the 64 digits without the algorithm; empty for an invalid digest.
func (d Digest) Hex() string {
	if !d.Valid() {
		return ""
	}
	return string(d[len("sha256:"):])
}

// Short is the first twelve digits, for people.
func (d Digest) Short() string {
	if h := d.Hex(); h != "" {
		return h[:12]
	}
	return ""
}

// String is the canonical form.
func (d Digest) String() string { return string(d) }
