package model

// VerdictVersion is the version of the verdict that this program writes.
const VerdictVersion = 1

// The outcomes of a judgement.
const (
	VerdictPass       = "pass"
	VerdictRefused    = "refused"    // something blocks
	VerdictIncomplete = "incomplete" // nobody can say: a scan that must speak has not
)

// Verdict is what the policy says of one platform's digest. It is the
// predicate of the decision that is signed and attached to that digest.
type Verdict struct {
	Version    int            `json:"version"`
	Image      string         `json:"image"`
	Tag        string         `json:"tag,omitempty"`
	Variant    string         `json:"variant,omitempty"`
	Platform   string         `json:"platform"`
	Digest     Digest         `json:"digest"`
	Outcome    string         `json:"outcome"`
	Policy     Digest         `json:"policy"`             // Policy.Digest
	Mode       string         `json:"mode"`               // Policy.Mode: what the outcome leads to
	Sources    []VerdictScan  `json:"sources"`            // that were judged, sorted
	Blocking   []Judged       `json:"blocking"`           // the worst first
	Excepted   []Judged       `json:"excepted,omitempty"` // what would block without an exception or a statement of VEX
	Unfinished []string       `json:"unfinished,omitempty"`
	Warnings   []string       `json:"warnings,omitempty"`
	Counts     map[string]int `json:"counts"`             // findings by severity
	IfFixed    string         `json:"if_fixed,omitempty"` // the outcome if every fixed version were taken
	Time       string         `json:"time"`               // RFC 3339, UTC: as of when it was judged
	// Detached: it was judged out of a file, of which nobody knows whether it
	// names every platform. It stands for nothing in a registry, and is no
	// gate's answer to a merge or a promotion.
	Detached bool `json:"detached,omitempty"`
}

// VerdictScan says which scan a verdict stands on.
type VerdictScan struct {
	Source   string `json:"source"`
	Tool     string `json:"tool,omitempty"`
	Database string `json:"database,omitempty"`
	State    string `json:"state"`
	Time     string `json:"time"`
	Digest   Digest `json:"digest"` // SHA-256 of the scan as JSON
}

// Judged is a finding and the rule that it falls under.
type Judged struct {
	Finding   Finding `json:"finding"`
	Rule      string  `json:"rule"`                // "severity.fixable", "always_block.kev", "exception", "vex", ...
	Why       string  `json:"why"`                 // one clause for people
	Exception string  `json:"exception,omitempty"` // id of the exception that was used, and until when
}

// ID names the target that was judged.
func (v *Verdict) ID() TargetID {
	p, _ := ParsePlatform(v.Platform) // whoever reads a document has checked it
	return TargetID{Image: v.Image, Tag: v.Tag, Variant: v.Variant, Platform: p}
}
