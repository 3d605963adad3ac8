package gate

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The parts of SARIF 2.1.0 that are written; the names are the format's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Automation  sarifID           `json:"automationDetails"`
		Invocations []sarifInvocation `json:"invocations"`
		Columns     string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifID struct {
		ID string `json:"id"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		EndTime       string              `json:"endTimeUtc,omitempty"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Short      sarifText      `json:"shortDescription"`
		HelpURI    string         `json:"helpUri,omitempty"`
		Properties map[string]any `json:"properties"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   map[string]string  `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// site is where people read about this program.
const site = "https://github.com/rootfsgen/rootfsgen"

// WriteSARIF writes what was judged as SARIF 2.1.0, as the forges' code
// scanning reads it: what blocks is an error, what is allowed is suppressed
// with its reason, and a scan that is incomplete is a run without success.
// Version is this program's.
func WriteSARIF(w io.Writer, subjects []Subject, version string) error {
	run := sarifRun{Columns: "utf16CodeUnits", Results: []sarifResult{}, Automation: sarifID{"rootfsrun-gate/"}}
	run.Tool.Driver = sarifDriver{Name: "rootfsrun gate", Version: version, InformationURI: site, Rules: []sarifRule{}}
	invocation := sarifInvocation{Successful: true}
	for i := range subjects {
		v := &subjects[i].Verdict
		invocation.EndTime = max(invocation.EndTime, v.Time)
		for _, why := range v.Unfinished {
			invocation.Successful = false
			invocation.Notifications = append(invocation.Notifications, sarifNotification{"error", sarifText{clean(Label(v) + ": " + why)}})
		}
		for _, why := range v.Warnings {
			invocation.Notifications = append(invocation.Notifications, sarifNotification{"warning", sarifText{clean(Label(v) + ": " + why)}})
		}
		for _, j := range v.Blocking {
			run.add(&subjects[i], j, false)
		}
		for _, j := range v.Excepted {
			run.add(&subjects[i], j, true)
		}
	}
	run.Invocations = []sarifInvocation{invocation}
	return writeJSON(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func (r *sarifRun) add(s *Subject, j model.Judged, allowed bool) {
	f, v := &j.Finding, &s.Verdict
	result := sarifResult{
		RuleID: clean(f.ID), RuleIndex: r.rule(f), Level: "error",
		Message: sarifText{clean(Label(v) + ": " + f.ID + " in " + name(f) + ", " + f.Severity + ": " + j.Why)},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{sarifArtifact{cmp.Or(s.File, clean(v.Image))}, sarifRegion{1}},
			Logical:  []sarifLogical{{clean(cmp.Or(s.Ref, Label(v)) + " " + name(f)), "module"}},
		}},
		Fingerprints: map[string]string{"finding/v1": model.DigestOf([]byte(strings.Join([]string{v.Image, v.Tag, v.Variant, v.Platform, f.ID, f.Kind, name(f)}, "\x00"))).Hex()},
		Properties:   map[string]string{"image": v.Image, "platform": v.Platform, "digest": v.Digest.String(), "rule": j.Rule, "fixedVersion": f.Fixed},
	}
	if allowed {
		result.Level = "note"
		result.Suppressions = []sarifSuppression{{"external", clean(strings.TrimPrefix(j.Exception+": "+j.Why, ": "))}}
	}
	r.Results = append(r.Results, result)
}

// rule is the place of a finding's rule, which is added where it is not there.
func (r *sarifRun) rule(f *model.Finding) int {
	rules := &r.Tool.Driver.Rules
	id := clean(f.ID)
	if n := slices.IndexFunc(*rules, func(r sarifRule) bool { return r.ID == id }); n >= 0 {
		return n
	}
	*rules = append(*rules, sarifRule{
		ID: id, Short: sarifText{clean(cmp.Or(f.Description, f.ID))}, HelpURI: link(f),
		Properties: map[string]any{"security-severity": score(f), "tags": []string{"security", "vulnerability"}},
	})
	return len(*rules) - 1
}

// link is where people read about a finding, where that is a page.
func link(f *model.Finding) string {
	if strings.HasPrefix(f.URL, "https://") || strings.HasPrefix(f.URL, "http://") {
		if !strings.ContainsFunc(f.URL, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }) {
			return f.URL
		}
	}
	return ""
}

// score is what code scanning sorts by: the CVSS score, else one in the middle
// of the severity's.
func score(f *model.Finding) string {
	if f.CVSS > 0 {
		return strconv.FormatFloat(f.CVSS, 'f', 1, 64)
	}
	return map[string]string{
		model.SeverityCritical: "9.5", model.SeverityHigh: "8.0", model.SeverityMedium: "5.5", model.SeverityLow: "2.0", model.SeverityNegligible: "0.1",
		model.SeverityUnknown: "8.0", // it blocks by default, as HIGH does
	}[known(f.Severity)]
}

// writeJSON writes a document for programs that people look into, too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
