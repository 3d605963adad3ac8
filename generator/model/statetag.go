package model

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// StateTag says in a tag's name that a step of a target is finished:
//
//	d-<key>-<generation>-<step><digest>-<step key>
//
// It begins with the target's key, so that everything about one target is
// contiguous in a list of tags that is sorted, and can be sought; and it sorts
// before the content tags, receipts and identities, so that in a repository
// that holds anything of ours there is always something behind it. Newer
// generations come first. Its name says all that there is to say: two writers
// of the same tag write the same thing.
type StateTag struct {
	Key        Digest // of the target; for StepMerge of the first platform's
	Generation int    // 0 to MaxGeneration
	Step       string // StepBuild, StepTest, StepMerge or StepWithdraw
	Digest     Digest // of the platform's manifest; for StepMerge of the index
	StepKey    Digest // only its beginning is in the tag, see Mark
}

const (
	statePrefix = "d-" // done
	keyLength   = 52   // of a digest in base 32
	genLength   = 7    // of MaxGeneration
	shortLength = 11   // of a step key: what remains of the 128 characters that a tag may have
)

// ordered is base 32 whose letters sort as what they stand for.
var ordered = base32.HexEncoding.WithPadding(base32.NoPadding)

// stateLetters are the steps in a state tag. A letter that is not known is
// some other program's and is passed over.
var stateLetters = map[string]byte{StepBuild: 'b', StepTest: 't', StepMerge: 'm', StepWithdraw: 'w'}

func (d Digest) ordered() string {
	raw, err := hex.DecodeString(d.Hex())
	if err != nil || len(raw) == 0 {
		return ""
	}
	return strings.ToLower(ordered.EncodeToString(raw))
}

func parseOrdered(s string) (Digest, bool) {
	raw, err := ordered.DecodeString(strings.ToUpper(s))
	if err != nil || len(raw) != 32 || s != strings.ToLower(s) {
		return "", false
	}
	d := Digest("sha256:" + hex.EncodeToString(raw))
	return d, d.ordered() == s // the last letter has a bit that must be 0
}

// StatePrefix is what all state tags of a target begin with, less the dash
// behind the key: it sorts directly before the first of them. It is empty for
// an invalid key.
func StatePrefix(key Digest) string {
	if !key.Valid() {
		return ""
	}
	return statePrefix + key.ordered()
}

// StateGenerationPrefix is what all state tags of one generation begin with.
func StateGenerationPrefix(key Digest, generation int) string {
	return fmt.Sprintf("%s-%0*d-", StatePrefix(key), genLength, MaxGeneration-generation)
}

// Mark is the step and the beginning of its key, as they stand in the tag;
// empty where one of them is not valid.
func (s StateTag) Mark() string {
	letter, known := stateLetters[s.Step]
	if !known || !s.StepKey.Valid() {
		return ""
	}
	return string(letter) + s.StepKey.ordered()[:shortLength]
}

// String is the tag; empty where a field is not valid.
func (s StateTag) String() string {
	mark := s.Mark()
	if mark == "" || !s.Key.Valid() || !s.Digest.Valid() || s.Generation < 0 || s.Generation > MaxGeneration {
		return ""
	}
	return StateGenerationPrefix(s.Key, s.Generation) + mark[:1] + s.Digest.ordered() + "-" + mark[1:]
}

// ParsedState is what a state tag says.
type ParsedState struct {
	Key        Digest
	Generation int
	Digest     Digest
	Mark       string // see StateTag.Mark
}

// ParseStateTag reads a state tag; false for any other tag.
func ParseStateTag(tag string) (p ParsedState, ok bool) {
	const length = len(statePrefix) + keyLength + 1 + genLength + 1 + 1 + keyLength + 1 + shortLength
	rest, found := strings.CutPrefix(tag, statePrefix)
	if !found || len(tag) != length {
		return p, false
	}
	key, rest := rest[:keyLength], rest[keyLength:]
	generation, rest := rest[1:1+genLength], rest[1+genLength:]
	letter, digest, short := rest[1:2], rest[2:2+keyLength], rest[3+keyLength:]
	if rebuilt := statePrefix + key + "-" + generation + "-" + letter + digest + "-" + short; rebuilt != tag {
		return p, false
	}
	n, err := strconv.Atoi(generation)
	if err != nil || n < 0 || n > MaxGeneration || strings.Trim(generation, "0123456789") != "" ||
		strings.Trim(short, "0123456789abcdefghijklmnopqrstuv") != "" || letter < "a" || letter > "z" {
		return p, false
	}
	p.Generation, p.Mark = MaxGeneration-n, letter+short
	var first, second bool
	p.Key, first = parseOrdered(key)
	p.Digest, second = parseOrdered(digest)
	return p, first && second
}

// Of tells whether it is the state of a step.
func (p ParsedState) Of(step string) bool {
	return p.Mark != "" && p.Mark[0] == stateLetters[step]
}

// MergeStateKey is what the merge's state tag names: what the index is made
// of, the tests that have passed on each platform, by their step keys in the
// platforms' order, and the policy that each platform has passed, empty where
// nothing was asked. Receipts have MergeStepKey, which neither changes.
func MergeStateKey(identity Digest, tests []Digest, policy Digest) Digest {
	inputs := make([]string, len(tests), len(tests)+2)
	for i, t := range tests {
		inputs[i] = t.String()
	}
	if policy != "" {
		inputs = append(inputs, "policy", policy.String())
	}
	return StepKey(StepMerge, identity, append([]string{"tests"}, inputs...)...)
}
