package model

import (
	"encoding/json"
	"slices"
	"strings"
)

// ScanVersion is the version of the findings' document that this program reads
// and writes.
const ScanVersion = 1

// Scans is a document of findings: what scanners said of platform digests, as
// "rootfsrun scan --json" writes it.
type Scans struct {
	Version int    `json:"version"`
	Scans   []Scan `json:"scans"`
}

// The sources of findings.
const (
	SourceArtifactAnalysis = "artifact-analysis" // Google's, of what lies in Artifact Registry
	SourceLocal            = "local"             // a scanner that runs beside this program
)

// The states of a scan. Only the first speaks for an image.
const (
	ScanFinished    = "finished"
	ScanRunning     = "running"     // it did not end in the time that it was given
	ScanFailed      = "failed"      // the scanner, or asking it, failed
	ScanUnsupported = "unsupported" // the scanner cannot read such an image
	ScanMissing     = "missing"     // nobody has scanned it
	ScanStale       = "stale"       // it ended, but too long ago, or with too old a database
)

// ScanStates are all of them, sorted.
func ScanStates() []string {
	return []string{ScanFailed, ScanFinished, ScanMissing, ScanRunning, ScanStale, ScanUnsupported}
}

// Scan is what one source said of one platform's digest.
type Scan struct {
	Image    string    `json:"image"`
	Tag      string    `json:"tag,omitempty"`
	Variant  string    `json:"variant,omitempty"`
	Platform string    `json:"platform"`
	Digest   Digest    `json:"digest"`
	Source   string    `json:"source"`             // one of the Source constants, or a scanner that somebody else ran
	Tool     string    `json:"tool,omitempty"`     // names and versions, "grype 0.121.2, syft 1.57.0"
	Database string    `json:"database,omitempty"` // RFC 3339, UTC: when what the scanner knows was put together
	State    string    `json:"state"`
	Detail   string    `json:"detail,omitempty"`  // why the state is not finished, one clause for people
	Empty    bool      `json:"empty,omitempty"`   // unsupported, because it has no packages at all
	Time     string    `json:"time"`              // RFC 3339, UTC: when the scan ended
	Reports  []string  `json:"reports,omitempty"` // kinds of finding that its source looks for beside vulnerabilities, sorted; of others its silence says nothing
	Findings []Finding `json:"findings"`          // sorted by id, purl, kind; each once
}

// ID names the target that was scanned; its platform is the zero value where
// the document has none that is known.
func (s *Scan) ID() TargetID {
	p, _ := ParsePlatform(s.Platform) // whoever reads a document has checked it
	return TargetID{Image: s.Image, Tag: s.Tag, Variant: s.Variant, Platform: p}
}

// The severities, as they are written.
const (
	SeverityCritical   = "CRITICAL"
	SeverityHigh       = "HIGH"
	SeverityMedium     = "MEDIUM"
	SeverityLow        = "LOW"
	SeverityNegligible = "NEGLIGIBLE"
	SeverityUnknown    = "UNKNOWN"
)

// Severities are all of them, the worst first; UNKNOWN is last.
func Severities() []string {
	return []string{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow, SeverityNegligible, SeverityUnknown}
}

// CompareSeverities orders the worst first; UNKNOWN, and what is no severity,
// comes before everything: nobody can say that it is harmless.
func CompareSeverities(a, b string) int { return severityRank(a) - severityRank(b) }

// CompareKnown orders the worst first, and UNKNOWN, and what is no severity,
// last: for several that are said of one thing.
func CompareKnown(a, b string) int {
	rank := func(s string) int {
		if n := severityRank(s); n >= 0 {
			return n
		}
		return len(Severities())
	}
	return rank(a) - rank(b)
}

func severityRank(s string) int {
	if n := slices.Index(Severities()[:5], s); n >= 0 {
		return n
	}
	return -1
}

// The kinds of finding. The empty kind is a vulnerability.
const (
	FindingVulnerability = ""
	FindingMalicious     = "malicious" // the package is there to do harm
	FindingSecret        = "secret"    // a key or password lies in the image
)

// FindingNoPackages is the id under which an exception allows an image in which
// a scanner finds no packages at all: PURL is "pkg:oci/" and the image's name.
const FindingNoPackages = "NO-PACKAGES"

// maliciousPrefix begins the ids that OpenSSF gives to packages that are there to
// do harm.
const maliciousPrefix = "MAL-"

// Malicious tells whether an id of the finding is that of a malicious package,
// whatever its Kind says: few scanners set that.
func (f *Finding) Malicious() bool {
	return slices.ContainsFunc(f.ids(), func(id string) bool { return strings.HasPrefix(strings.ToUpper(id), maliciousPrefix) })
}

// cvePrefix begins the ids of single vulnerabilities. Others, such as those of a
// distribution's advisories, may stand for several.
const cvePrefix = "CVE-"

func (f *Finding) ids() []string { return append([]string{f.ID}, f.Aliases...) }

// Vulnerabilities are the ids of the single vulnerabilities that the finding
// stands for, in capitals and sorted: those of CVE, of which an advisory may
// have many; else its id and all its aliases.
func (f *Finding) Vulnerabilities() []string {
	var cves, all []string
	for _, id := range f.ids() {
		id = strings.ToUpper(id)
		all = append(all, id)
		if strings.HasPrefix(id, cvePrefix) {
			cves = append(cves, id)
		}
	}
	if len(cves) == 0 && len(all) > 2 {
		cves = all
	}
	slices.Sort(cves)
	return slices.Compact(cves)
}

// IsOnly tells whether the finding is of the vulnerability that an id names, and
// of no other one: the finding's own id is, and so is an alias where it stands
// for one vulnerability alone.
func (f *Finding) IsOnly(id string) bool {
	if strings.EqualFold(id, f.ID) {
		return true
	}
	return f.Has(id) && len(f.Vulnerabilities()) <= 1
}

// Has tells whether an id is the finding's or one of its aliases.
func (f *Finding) Has(id string) bool {
	return slices.ContainsFunc(f.ids(), func(own string) bool { return strings.EqualFold(own, id) })
}

// The states that a statement of VEX gives a finding.
const (
	VEXNotAffected        = "not_affected"
	VEXAffected           = "affected"
	VEXFixed              = "fixed"
	VEXUnderInvestigation = "under_investigation"
)

// Finding is one thing that is wrong with one package of an image.
type Finding struct {
	ID          string   `json:"id"`                    // "CVE-2026-1234"
	Aliases     []string `json:"aliases"`               // sorted
	Kind        string   `json:"kind,omitempty"`        // one of the Finding constants
	PURL        string   `json:"purl"`                  // "pkg:deb/debian/openssl@3.0.1"
	Package     string   `json:"package,omitempty"`     // its name, where PURL does not say it
	Version     string   `json:"version,omitempty"`     // that is installed, where PURL does not say it
	Fixed       string   `json:"fixed"`                 // version that mends it, empty where there is none
	Severity    string   `json:"severity"`              // one of the Severity constants, by the policy's basis
	Basis       string   `json:"basis,omitempty"`       // where Severity is from: "effective", "provider", "cvss"
	Provider    string   `json:"provider,omitempty"`    // severity by who found it, where it is another
	CVSS        float64  `json:"cvss,omitempty"`        // base score, 0 where unknown
	KEV         bool     `json:"kev"`                   // known to be exploited
	EPSS        float64  `json:"epss"`                  // probability of exploitation in 30 days, 0 to 1; 0 where unknown
	VEX         string   `json:"vex"`                   // one of the VEX constants, or empty
	VEXReason   string   `json:"vex_reason,omitempty"`  // the justification of not_affected
	VEXAuthor   string   `json:"vex_author,omitempty"`  // whose statement it is
	VEXFormat   string   `json:"vex_format,omitempty"`  // "openvex", "csaf", "grafeas"
	Layer       Digest   `json:"layer,omitempty"`       // that brings the package
	Path        string   `json:"path,omitempty"`        // of the package's file, in the image
	Description string   `json:"description,omitempty"` // one line
	URL         string   `json:"url,omitempty"`
}

// Document is the scan as it is stored: as JSON on one line.
func (s *Scan) Document() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, numbers and lists of them always marshal
	}
	return b
}

// DocumentDigest identifies a scan by all that it says.
func (s *Scan) DocumentDigest() Digest { return DigestOf(s.Document()) }
