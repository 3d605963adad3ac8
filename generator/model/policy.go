package model

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// What a rule of a policy does with what falls under it.
const (
	PolicyBlock    = "block"
	PolicyAllow    = "allow"
	PolicyWarn     = "warn"
	PolicyFallback = "fallback" // of a source that cannot read an image: another one decides
	PolicyRescan   = "rescan"
)

// What a refusal leads to.
const (
	EnforceBlock = "block"
	EnforceWarn  = "warn" // it is said, written down and attested, and stops nothing but promotions
	EnforceOff   = "off"  // nothing is scanned; every promotion says so
)

// Policy is scan-policy.yaml after every default has been applied: what is
// asked of an image's findings.
type Policy struct {
	Owner       string                   `json:"owner,omitempty"`
	Mode        string                   `json:"mode"`    // one of the Enforce constants
	Sources     []PolicySource           `json:"sources"` // in the order of the file
	Basis       string                   `json:"basis"`   // of severities: effective, provider, cvss, max
	Fixable     []string                 `json:"fixable"` // severities that block where a fixed version exists; sorted, the worst first
	Unfixable   []string                 `json:"unfixable"`
	Unknown     string                   `json:"unknown"` // PolicyBlock, PolicyWarn or PolicyAllow
	Always      PolicyAlways             `json:"always_block"`
	State       PolicyState              `json:"scan_state"`
	VEX         PolicyVEX                `json:"vex"`
	Exceptions  []Exception              `json:"exceptions"`
	MaxLifetime map[string]time.Duration `json:"max_lifetime"` // of an exception, by severity of what it excepts
	WarnBefore  time.Duration            `json:"warn_before"`  // an exception's end
	Unused      string                   `json:"unused"`       // PolicyWarn, PolicyBlock or PolicyAllow: exceptions that nothing needed
	Evidence    PolicyEvidence           `json:"evidence"`
}

// PolicyEvidence is what is done with a judgement beside keeping it.
type PolicyEvidence struct {
	Upload string `json:"upload,omitempty"` // UploadSARIF, or empty
}

// UploadSARIF sends findings to the forge's code scanning.
const UploadSARIF = "sarif"

// PolicySource is a source of findings, and when it must have spoken.
type PolicySource struct {
	Name     string        `json:"name"`           // one of the Source constants
	Tool     string        `json:"tool,omitempty"` // of SourceLocal: "grype"
	Required string        `json:"required"`       // one of the Required constants
	Timeout  time.Duration `json:"timeout"`
	Poll     time.Duration `json:"poll"`
}

// When a source must have spoken.
const (
	RequiredAlways      = "always"
	RequiredGAR         = "when-gar"         // where the image lies in Artifact Registry
	RequiredUnsupported = "when-unsupported" // where the sources before it cannot read the image, or do not apply
	RequiredNever       = "never"            // what it says counts; that it says nothing does not
)

// PolicyAlways is what no exception can allow, but for KEV and EPSS.
type PolicyAlways struct {
	KEV       bool    `json:"cisa_kev"`
	Malicious bool    `json:"malicious"`
	Secrets   bool    `json:"secrets"`
	EPSS      float64 `json:"epss_at_least"` // 0: never
}

// PolicyState is what the states of a scan mean.
type PolicyState struct {
	Failed      string        `json:"failed"`
	Unsupported string        `json:"unsupported"`
	Missing     string        `json:"missing"`
	Timeout     string        `json:"timeout"`
	Inactive    string        `json:"inactive"`
	Unreported  string        `json:"unreported"` // PolicyWarn or PolicyBlock: a kind of finding blocks that no source reports
	MaxAge      time.Duration `json:"max_age"`    // of a scan and of its database
}

// Action is what a scan's state leads to where it had to speak; a state that is
// not known blocks. It never is PolicyAllow.
func (s PolicyState) Action(state string) string {
	switch state {
	case ScanFailed:
		return s.Failed
	case ScanUnsupported:
		return s.Unsupported
	case ScanMissing:
		return s.Missing
	case ScanRunning:
		return s.Timeout
	case ScanStale:
		return s.Inactive
	}
	return PolicyBlock
}

// PolicyVEX is which statements count.
type PolicyVEX struct {
	Accept        []string `json:"accept"`   // formats: openvex, csaf, grafeas
	Statuses      []string `json:"statuses"` // that make a finding harmless
	Justification bool     `json:"require_justification"`
	Authors       []string `json:"trusted_authors"` // empty trusts nobody
}

// Exception allows one finding in one package, for a while.
type Exception struct {
	ID         string   `json:"id"`                  // or one of the finding's aliases
	PURL       string   `json:"purl"`                // without a version: every version
	Images     []string `json:"images,omitempty"`    // globs of image ids; empty is all
	Platforms  []string `json:"platforms,omitempty"` // empty is all
	Reason     string   `json:"reason"`
	Ticket     string   `json:"ticket,omitempty"`
	Owner      string   `json:"owner"`
	ApprovedBy string   `json:"approved_by"`
	Created    string   `json:"created"` // "2026-11-01", UTC
	Expires    string   `json:"expires"` // the last day on which it holds, UTC
}

// PersonForm is how the name of a person or team is written who answers for an
// exception: in plain letters, as there are others that look the same.
var PersonForm = regexp.MustCompile(`^@?[A-Za-z0-9]+([ ._/@+-][A-Za-z0-9]+)*$`)

// SamePerson tells whether two names may be of the same person. Capitals and an
// @ before a name say nothing, and a name in another form says nothing of whose
// it is.
func SamePerson(a, b string) bool {
	plain := func(s string) string { return strings.ToLower(strings.TrimPrefix(s, "@")) }
	return plain(a) == plain(b) || !PersonForm.MatchString(a) || !PersonForm.MatchString(b)
}

// Digest identifies a policy by all that it says.
func (p *Policy) Digest() Digest {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers and maps of them always marshal
	}
	return DigestOf(b)
}
