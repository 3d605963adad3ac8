package gate

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// gitlabVersion is the version of the schema that the report is made by.
const gitlabVersion = "15.0.7"

// The parts of GitLab's report that are written; the names are the format's.
type (
	gitlabReport struct {
		Version         string                `json:"version"`
		Scan            gitlabScan            `json:"scan"`
		Vulnerabilities []gitlabVulnerability `json:"vulnerabilities"`
	}
	gitlabScan struct {
		Analyzer gitlabTool      `json:"analyzer"`
		Scanner  gitlabTool      `json:"scanner"`
		Type     string          `json:"type"`
		Start    string          `json:"start_time"`
		End      string          `json:"end_time"`
		Status   string          `json:"status"`
		Messages []gitlabMessage `json:"messages,omitempty"`
	}
	gitlabTool struct {
		ID      string     `json:"id"`
		Name    string     `json:"name"`
		Version string     `json:"version"`
		Vendor  gitlabName `json:"vendor"`
	}
	gitlabName struct {
		Name string `json:"name"`
	}
	gitlabMessage struct {
		Level string `json:"level"`
		Value string `json:"value"`
	}
	gitlabVulnerability struct {
		ID          string             `json:"id"`
		Name        string             `json:"name"`
		Description string             `json:"description"`
		Severity    string             `json:"severity"`
		Solution    string             `json:"solution,omitempty"`
		Identifiers []gitlabIdentifier `json:"identifiers"`
		Links       []gitlabLink       `json:"links,omitempty"`
		Location    gitlabLocation     `json:"location"`
	}
	gitlabIdentifier struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
		URL   string `json:"url,omitempty"`
	}
	gitlabLink struct {
		URL string `json:"url"`
	}
	gitlabLocation struct {
		Dependency gitlabDependency `json:"dependency"`
		OS         string           `json:"operating_system"`
		Image      string           `json:"image"`
	}
	gitlabDependency struct {
		Package gitlabName `json:"package"`
		Version string     `json:"version"`
	}
)

// WriteGitLab writes everything that the scans found as GitLab's
// container-scanning report, whatever the policy makes of it: what that says is
// in the description. Version is this program's.
func WriteGitLab(w io.Writer, subjects []Subject, version string) error {
	tool := gitlabTool{ID: "rootfsrun-gate", Name: "rootfsrun gate", Version: cmp.Or(version, "unknown"), Vendor: gitlabName{"rootfsgen"}}
	r := gitlabReport{Version: gitlabVersion, Vulnerabilities: []gitlabVulnerability{}, Scan: gitlabScan{
		Analyzer: tool, Scanner: tool, Type: "container_scanning", Status: "success",
	}}
	var times []string
	for i := range subjects {
		s := &subjects[i]
		times = append(times, gitlabTime(s.Verdict.Time))
		for _, why := range s.Verdict.Unfinished {
			r.Scan.Status = "failure"
			r.Scan.Messages = append(r.Scan.Messages, gitlabMessage{"fatal", clean(Label(&s.Verdict) + ": " + why)})
		}
		for _, why := range s.Verdict.Warnings {
			r.Scan.Messages = append(r.Scan.Messages, gitlabMessage{"warn", clean(Label(&s.Verdict) + ": " + why)})
		}
		for n := range s.Scans {
			if !s.counts(&s.Scans[n]) {
				continue
			}
			times = append(times, gitlabTime(s.Scans[n].Time))
			for f := range s.Scans[n].Findings {
				r.Vulnerabilities = append(r.Vulnerabilities, s.gitlab(&s.Scans[n].Findings[f]))
			}
		}
	}
	slices.Sort(times)
	if times = slices.DeleteFunc(times, func(t string) bool { return t == "" }); len(times) == 0 {
		times = []string{"1970-01-01T00:00:00"}
	}
	r.Scan.Start, r.Scan.End = times[0], times[len(times)-1]
	slices.SortFunc(r.Vulnerabilities, func(a, b gitlabVulnerability) int { return strings.Compare(a.ID, b.ID) })
	r.Vulnerabilities = slices.CompactFunc(r.Vulnerabilities, func(a, b gitlabVulnerability) bool { return a.ID == b.ID })
	return writeJSON(w, r)
}

// counts tells whether the verdict stands on a scan.
func (s *Subject) counts(scan *model.Scan) bool {
	if scan.Digest != s.Verdict.Digest {
		return false
	}
	return slices.ContainsFunc(s.Verdict.Sources, func(v model.VerdictScan) bool { return v.Source == scan.Source && v.Time == scan.Time })
}

// gitlabTime is a time as the schema wants it, empty where there is none.
func gitlabTime(written string) string {
	t, err := time.Parse(time.RFC3339, written)
	if err != nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

func (s *Subject) gitlab(f *model.Finding) gitlabVulnerability {
	v := &s.Verdict
	pkg, installed := f.Package, f.Version
	system := "linux"
	if p, err := model.ParsePURL(f.PURL); err == nil {
		pkg, installed = cmp.Or(pkg, p.Name), cmp.Or(installed, p.Version)
		system = cmp.Or(p.Qualifiers["distro"], p.Namespace, system)
	}
	out := gitlabVulnerability{
		ID:   uuid(model.DigestOf([]byte(strings.Join([]string{v.Image, v.Tag, v.Variant, v.Platform, f.ID, f.Kind, name(f)}, "\x00")))),
		Name: clip(clean(f.ID+" in "+cmp.Or(pkg, f.Path)), 255), Description: clip(clean(cmp.Or(f.Description, f.ID)+s.judged(f)), 10_000),
		Severity: gitlabSeverity(f.Severity), Identifiers: []gitlabIdentifier{identifier(f.ID, link(f))},
		Location: gitlabLocation{Dependency: gitlabDependency{gitlabName{clean(cmp.Or(pkg, f.Path))}, clean(installed)}, OS: clean(system), Image: clean(cmp.Or(s.Ref, Label(v)))},
	}
	for _, a := range f.Aliases {
		if a != "" {
			out.Identifiers = append(out.Identifiers, identifier(a, ""))
		}
	}
	if f.Fixed != "" {
		out.Solution = clip(clean("Upgrade "+cmp.Or(pkg, f.Path)+" to "+f.Fixed), 7000)
	}
	if url := link(f); url != "" {
		out.Links = []gitlabLink{{url}}
	}
	return out
}

// judged says what the policy makes of a finding.
func (s *Subject) judged(f *model.Finding) string {
	same := func(j model.Judged) bool {
		return j.Finding.ID == f.ID && j.Finding.PURL == f.PURL && j.Finding.Kind == f.Kind && j.Finding.Path == f.Path
	}
	if n := slices.IndexFunc(s.Verdict.Blocking, same); n >= 0 {
		return fmt.Sprintf(" (it blocks: %s)", s.Verdict.Blocking[n].Why)
	}
	if n := slices.IndexFunc(s.Verdict.Excepted, same); n >= 0 {
		return fmt.Sprintf(" (it is allowed: %s)", s.Verdict.Excepted[n].Why)
	}
	return ""
}

func identifier(id, url string) gitlabIdentifier {
	kind, _, _ := strings.Cut(strings.ToLower(id), "-")
	if kind != "cve" && kind != "ghsa" && kind != "cwe" && kind != "usn" && kind != "rhsa" && kind != "osvdb" && kind != "elsa" {
		kind = "rootfsgen"
	}
	return gitlabIdentifier{Type: kind, Name: clean(id), Value: clean(id), URL: url}
}

func gitlabSeverity(s string) string {
	switch s = known(s); s {
	case model.SeverityNegligible:
		return "Info"
	default:
		return s[:1] + strings.ToLower(s[1:])
	}
}

// uuid is a digest in the form of one: the same thing has the same id in every
// report.
func uuid(d model.Digest) string {
	h := d.Hex()
	return h[:8] + "-" + h[8:12] + "-5" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}

// clip cuts a text to at most so many characters.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return s
}
