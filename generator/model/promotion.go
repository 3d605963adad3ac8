package model

// The versions of the records that this program writes.
const (
	PromotionVersion  = 1
	WithdrawalVersion = 1
)

// How the records lie in a registry: artifacts whose subject is the digest that
// they speak of, with one layer that is the JSON.
const (
	PromotionArtifactType  = "application/vnd.rootfsgen.promotion.v1+json"
	WithdrawalArtifactType = "application/vnd.rootfsgen.withdrawal.v1+json"
)

// Promotion is the record of one image's coming to prod, or of its coming back
// there. It is attached to the index that was promoted, in the repository that
// it was promoted to.
type Promotion struct {
	Version  int                `json:"version"`
	Digest   Digest             `json:"digest"` // of the index
	Image    string             `json:"image"`  // id in the channel documents
	From     string             `json:"from"`   // reference in the testing channel; for a rollback what prod had before
	To       string             `json:"to"`     // reference in prod
	Commit   string             `json:"commit,omitempty"`
	Time     string             `json:"time"` // RFC 3339, UTC
	Actor    string             `json:"actor,omitempty"`
	Run      string             `json:"run,omitempty"`      // address of the job
	Verdicts []PromotionVerdict `json:"verdicts,omitempty"` // by platform; none where enforcement is off
	Tests    []PromotionTest    `json:"tests,omitempty"`    // by platform: what shows that just these bytes were tested
	Reason   string             `json:"reason,omitempty"`   // that a person gave
}

// PromotionTest is the receipt of the tests that one platform has passed.
type PromotionTest struct {
	Platform string `json:"platform"`
	Digest   Digest `json:"digest"`             // of the platform's manifest, which was tested
	Receipt  string `json:"receipt"`            // its tag, beside the image
	Artifact Digest `json:"artifact,omitempty"` // the receipt's manifest, as it was when the image was promoted
	Run      string `json:"run,omitempty"`      // address of the job that tested, empty for a desk
}

// PromotionVerdict is the judgement of one platform that a promotion stands on.
type PromotionVerdict struct {
	Platform string `json:"platform"`
	Digest   Digest `json:"digest"`             // of the platform's manifest
	Outcome  string `json:"outcome"`            // one of the Verdict constants
	Policy   Digest `json:"policy"`             // Policy.Digest
	Artifact Digest `json:"artifact,omitempty"` // manifest of the verdict
}

// Withdrawal is the record of a digest that must not be used any more. It is
// attached to that digest in every repository that has it, and lies there under
// WithdrawalTag.
type Withdrawal struct {
	Version int    `json:"version"`
	Digest  Digest `json:"digest"`
	Because Digest `json:"because"` // what was withdrawn: Digest itself, or what it was built on
	Reason  string `json:"reason"`
	Time    string `json:"time"` // RFC 3339, UTC
	Actor   string `json:"actor,omitempty"`
	Run     string `json:"run,omitempty"`
}

// WithdrawalTag is where the withdrawal of a digest lies in a repository: the
// one place whose absence means that the digest may be used.
func WithdrawalTag(d Digest) string { return "w-" + d.Hex() }
