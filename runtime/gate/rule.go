package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The rules that a finding can fall under.
const (
	RuleMalicious = "always_block.malicious"
	RuleSecret    = "always_block.secrets"
	RuleKEV       = "always_block.kev"
	RuleEPSS      = "always_block.epss"
	RuleFixable   = "severity.fixable"
	RuleUnfixable = "severity.unfixable"
	RuleUnknown   = "severity.unknown"
	RuleEmpty     = "scan_state.unsupported" // no packages at all, where nothing else blocks
	RuleKind      = "kind"                   // a kind of finding that this program does not know

	RuleException = "exception" // it would block without one
	RuleVEX       = "vex"       // it would block without a statement
)

// The bases of severities.
const (
	basisEffective = "effective"
	basisProvider  = "provider"
	basisCVSS      = "cvss"
	basisMax       = "max"
)

// severity is how severe a finding is on a policy's basis, and on which it is
// that: where the wanted one is missing, it is the scanner's own.
func severity(f *model.Finding, basis string) (string, string) {
	own, by := known(f.Severity), f.Basis
	provider, score := known(f.Provider), scored(f.CVSS)
	switch basis {
	case basisProvider:
		if provider != model.SeverityUnknown {
			return provider, basisProvider
		}
	case basisCVSS:
		if score != model.SeverityUnknown {
			return score, basisCVSS
		}
	case basisMax:
		if provider != model.SeverityUnknown && (own == model.SeverityUnknown || model.CompareSeverities(provider, own) < 0) {
			own, by = provider, basisProvider
		}
		if score != model.SeverityUnknown && (own == model.SeverityUnknown || model.CompareSeverities(score, own) < 0) {
			own, by = score, basisCVSS
		}
	}
	return own, by
}

// known is a severity, UNKNOWN where it is none.
func known(s string) string {
	if slices.Contains(model.Severities(), s) {
		return s
	}
	return model.SeverityUnknown
}

// scored is the severity of a CVSS base score, as FIRST rates it.
func scored(score float64) string {
	switch {
	case score >= 9:
		return model.SeverityCritical
	case score >= 7:
		return model.SeverityHigh
	case score >= 4:
		return model.SeverityMedium
	case score > 0:
		return model.SeverityLow
	}
	return model.SeverityUnknown
}

// rule is what a finding falls under, and why, both empty where it may be
// there. The warning is of what may be there and should be known.
func rule(p model.Policy, f *model.Finding) (rule, why, warning string) {
	switch f.Kind {
	case model.FindingVulnerability:
	case model.FindingMalicious:
		if p.Always.Malicious {
			return RuleMalicious, "the package is there to do harm", ""
		}
	case model.FindingSecret:
		if p.Always.Secrets {
			return RuleSecret, "a secret lies in the image", ""
		}
	default:
		return RuleKind, fmt.Sprintf("nobody knows what a finding of the kind %q is", f.Kind), ""
	}
	if p.Always.KEV && f.KEV {
		return RuleKEV, "it is known to be exploited" + mended(f), ""
	}
	if p.Always.EPSS > 0 && f.EPSS >= p.Always.EPSS {
		return RuleEPSS, fmt.Sprintf("it is exploited within 30 days with a probability of %.2g, and %.2g blocks%s", f.EPSS, p.Always.EPSS, mended(f)), ""
	}
	return bySeverity(p, f)
}

func bySeverity(p model.Policy, f *model.Finding) (rule, why, warning string) {
	switch {
	case f.Severity == model.SeverityUnknown && p.Unknown == model.PolicyAllow:
	case f.Severity == model.SeverityUnknown && p.Unknown == model.PolicyWarn:
		return "", "", fmt.Sprintf("%s in %s: nobody says how severe it is", f.ID, name(f))
	case f.Severity == model.SeverityUnknown:
		return RuleUnknown, "nobody says how severe it is" + mended(f), ""
	case f.Fixed != "" && slices.Contains(p.Fixable, f.Severity):
		return RuleFixable, f.Severity + " blocks" + mended(f), ""
	case f.Fixed == "" && slices.Contains(p.Unfixable, f.Severity):
		return RuleUnfixable, f.Severity + " blocks, also without a fixed version", ""
	}
	return "", "", ""
}

// mended says which version mends a finding.
func mended(f *model.Finding) string {
	if f.Fixed == "" {
		return ""
	}
	return ", and " + f.Fixed + " mends it"
}

// name is the package of a finding, for people.
func name(f *model.Finding) string {
	switch {
	case f.PURL != "":
		return f.PURL
	case f.Package != "" && f.Version != "":
		return f.Package + " " + f.Version
	case f.Package != "":
		return f.Package
	}
	return f.Path
}

// mayBeAllowed tells whether an exception or a statement can let a finding be
// there: none can for what does harm by itself.
func mayBeAllowed(f *model.Finding) bool { return f.Kind == model.FindingVulnerability }

// stated is why a statement of VEX makes a finding harmless, empty where none
// does.
func stated(p model.PolicyVEX, f *model.Finding) string {
	switch {
	case f.VEX == "" || !slices.Contains(p.Statuses, f.VEX),
		f.VEX != model.VEXNotAffected && f.VEX != model.VEXFixed, // the others say that it harms, or that nobody knows
		!slices.Contains(p.Accept, f.VEXFormat),
		!slices.Contains(p.Authors, f.VEXAuthor),
		f.VEX == model.VEXNotAffected && p.Justification && strings.TrimSpace(f.VEXReason) == "":
		return ""
	}
	why := f.VEXAuthor + " states: " + f.VEX
	if f.VEXReason != "" {
		why += ", " + f.VEXReason
	}
	return why
}
