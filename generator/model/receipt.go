package model

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// ReceiptVersion is the version of the receipt that this program writes.
const ReceiptVersion = 1

// Receipt is what one step did to one digest. It is the predicate of an
// in-toto statement whose subject is Digest.
type Receipt struct {
	Version    int        `json:"version"`
	Step       string     `json:"step"`
	StepKey    Digest     `json:"step_key"`
	Status     string     `json:"status"` // ReceiptPassed or ReceiptFailed
	Image      string     `json:"image"`
	Tag        string     `json:"tag"`
	Variant    string     `json:"variant"`
	Platform   string     `json:"platform,omitempty"` // empty for a step of an index
	Key        Digest     `json:"key,omitempty"`
	Generation int        `json:"generation"`
	Digest     Digest     `json:"digest"`                // what the step worked on or made
	Inputs     []Material `json:"inputs,omitempty"`      // for StepBuild: parents and bases, sorted by name; for StepMerge: see MergeInputs
	VersionTag string     `json:"version_tag,omitempty"` // for StepMerge: the version tag
	Seconds    float64    `json:"seconds,omitempty"`     // that making the bytes or testing them took; 0 is not known
	Run        string     `json:"run,omitempty"`         // for StepTest: address of the job, empty for a desk
	UpdatedAt  string     `json:"updated_at"`            // RFC 3339, UTC
}

// The states of a receipt.
const (
	ReceiptPassed = "passed"
	ReceiptFailed = "failed"
)

// Material is one thing that a build was made from.
type Material struct {
	Name   string `json:"name"` // a parent's Node, or an outside reference
	Digest Digest `json:"digest"`
}

// StepKey is the identity of a step's result: SHA-256 over the step, the
// digest that it works on (for StepBuild the target's key) and its own inputs.
func StepKey(step string, subject Digest, inputs ...string) Digest {
	b, err := json.Marshal(append([]string{"rootfsgen-step/1", step, subject.String()}, inputs...))
	if err != nil {
		panic(err) // strings always marshal
	}
	return DigestOf(b)
}

// BuildStepKey is the build step's: of the target's key and the generation.
func BuildStepKey(key Digest, generation int) Digest {
	return StepKey(StepBuild, key, strconv.Itoa(generation))
}

// TestStepKey is the test step's: of the manifest that was tested and of its
// tests.
func TestStepKey(manifest, tests Digest) Digest {
	return StepKey(StepTest, manifest, tests.String())
}

// MergeStepKey is the merge step's: of what the index is made of.
func MergeStepKey(identity Digest) Digest { return StepKey(StepMerge, identity) }

// SBOMStepKey is the sbom step's: of the manifest that was read, the program
// that read it ("syft 1.57.0") and what it wrote ("cyclonedx-json").
func SBOMStepKey(manifest Digest, tool, format string) Digest {
	return StepKey(StepSBOM, manifest, tool, format, "2") // before, promotions brought to prod what lay in testing
}

// ScanStepKey is the scan step's: of the manifest, who scanned it, with which
// programs ("grype 0.121.2, syft 1.57.0"), and how old what those know is.
func ScanStepKey(manifest Digest, source, tool, database string) Digest {
	return StepKey(StepScan, manifest, source, tool, database)
}

// GateStepKey is the gate's: of the manifest and of the policy that it passed.
// The receipt under it is that of the last time that it passed, and its inputs
// are the scans that it stands on.
func GateStepKey(manifest, policy Digest) Digest {
	return StepKey(StepGate, manifest, policy.String())
}

// ReceiptTag is where the receipt of a step lies in the image's repository.
func ReceiptTag(step string, key Digest) string { return "r-" + step + "-" + key.Hex() }

// MaxGeneration is the highest generation that is believed: what is above it
// was not counted up to by builds, and adding to it must not overflow.
const MaxGeneration = 1_000_000

// ContentTag is the immutable tag of a target's bytes: k-<key>, and
// k-<key>-g<N> for a generation above 0.
func ContentTag(key Digest, generation int) string {
	if generation == 0 {
		return "k-" + key.Hex()
	}
	return fmt.Sprintf("k-%s-g%d", key.Hex(), generation)
}

// ParseContentTag is the inverse of ContentTag; false for any other tag.
func ParseContentTag(tag string) (key Digest, generation int, ok bool) {
	rest, found := strings.CutPrefix(tag, "k-")
	if !found || len(rest) < 64 {
		return "", 0, false
	}
	key = Digest("sha256:" + rest[:64])
	if !key.Valid() {
		return "", 0, false
	}
	if len(rest) == 64 {
		return key, 0, true
	}
	n, found := strings.CutPrefix(rest[64:], "-g")
	generation, err := strconv.Atoi(n)
	if !found || err != nil || generation < 1 || generation > MaxGeneration || strconv.Itoa(generation) != n {
		return "", 0, false
	}
	return key, generation, true
}

// IdentityTag marks an index by what it is made of, so that merging the same
// platforms again publishes nothing new.
func IdentityTag(identity Digest) string { return "i-" + identity.Hex() }

// MergeInputs are the materials of a merge: for each platform its manifest,
// named "linux/amd64", and the step keys of the receipts that speak for it,
// named "build linux/amd64" and "test linux/amd64".
func MergeInputs(p Platform, manifest, build, test Digest) []Material {
	return []Material{
		{Name: p.String(), Digest: manifest},
		{Name: StepBuild + " " + p.String(), Digest: build},
		{Name: StepTest + " " + p.String(), Digest: test},
	}
}
