package analysis_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	layer := "sha256:" + strings.Repeat("a", 64)
	normal := func(v string) *grafeaspb.Version {
		return &grafeaspb.Version{Kind: grafeaspb.Version_NORMAL, FullName: v}
	}
	none := &grafeaspb.Version{Kind: grafeaspb.Version_MAXIMUM, FullName: "MAXIMUM"}
	a.Discover(resource, success())
	a.Put(
		&grafeaspb.Occurrence{ResourceUri: resource, NoteName: "projects/goog-vulnz/notes/CVE-2026-2", Kind: grafeaspb.NoteKind_VULNERABILITY, Details: &grafeaspb.Occurrence_Vulnerability{Vulnerability: &grafeaspb.VulnerabilityOccurrence{
			Severity: grafeaspb.Severity_CRITICAL, EffectiveSeverity: grafeaspb.Severity_CRITICAL, CvssScore: 9.8, ShortDescription: "first\nsecond \x1b[31mline",
			RelatedUrls: []*grafeaspb.RelatedUrl{{Url: "https://nvd.example.com/CVE-2026-2"}},
			Risk:        &grafeaspb.Risk{CisaKev: &grafeaspb.CISAKnownExploitedVulnerabilities{}, Epss: &grafeaspb.ExploitPredictionScoringSystem{Score: 0.91, Percentile: 0.99}},
			VexAssessment: &grafeaspb.VulnerabilityOccurrence_VexAssessment{
				VulnerabilityId: "GHSA-aaaa-bbbb-cccc", NoteName: "projects/security/notes/x", State: grafeaspb.VulnerabilityAssessmentNote_Assessment_NOT_AFFECTED,
				Justification: &grafeaspb.VulnerabilityAssessmentNote_Assessment_Justification{JustificationType: grafeaspb.VulnerabilityAssessmentNote_Assessment_Justification_COMPONENT_NOT_PRESENT},
			},
			PackageIssue: []*grafeaspb.VulnerabilityOccurrence_PackageIssue{
				{AffectedPackage: "libssl", AffectedCpeUri: "cpe:/o:debian:debian_linux:13", PackageType: "OS", AffectedVersion: normal("1:3.0.1+dfsg"), FixedVersion: none, EffectiveSeverity: grafeaspb.Severity_MINIMAL},
				{AffectedPackage: "Open_SSL", PackageType: "PYPI", AffectedVersion: &grafeaspb.Version{Kind: grafeaspb.Version_NORMAL, Epoch: 1, Name: "2", Revision: "3"}, FixedVersion: normal("4"), FixAvailable: true, FileLocation: []*grafeaspb.FileLocation{{FilePath: "usr/lib/x", LayerDetails: &grafeaspb.LayerDetails{DiffId: layer}}}},
			},
		}}},
		&grafeaspb.Occurrence{ResourceUri: resource, NoteName: "projects/goog-vulnz/notes/MAL-2026-7", Kind: grafeaspb.NoteKind_VULNERABILITY, Details: &grafeaspb.Occurrence_Vulnerability{Vulnerability: &grafeaspb.VulnerabilityOccurrence{
			PackageIssue: []*grafeaspb.VulnerabilityOccurrence_PackageIssue{{AffectedPackage: "@acme/left-pad", PackageType: "NPM", AffectedVersion: normal("1.0.0"), FixedVersion: none, EffectiveSeverity: grafeaspb.Severity_CRITICAL}},
		}}},
		&grafeaspb.Occurrence{ResourceUri: resource, NoteName: "projects/goog-vulnz/notes/CVE-2026-1", Kind: grafeaspb.NoteKind_VULNERABILITY, Details: &grafeaspb.Occurrence_Vulnerability{Vulnerability: &grafeaspb.VulnerabilityOccurrence{}}},
		&grafeaspb.Occurrence{ResourceUri: resource, NoteName: "projects/goog-analysis/notes/s", Kind: grafeaspb.NoteKind_SECRET, Details: &grafeaspb.Occurrence_Secret{Secret: &grafeaspb.SecretOccurrence{
			Kind: grafeaspb.SecretKind_SECRET_KIND_GCP_SERVICE_ACCOUNT_KEY, Statuses: []*grafeaspb.SecretStatus{{Status: grafeaspb.SecretStatus_VALID}},
			Locations: []*grafeaspb.SecretLocation{
				{Location: &grafeaspb.SecretLocation_FileLocation{FileLocation: &grafeaspb.FileLocation{FilePath: "root/b.json"}}},
				{Location: &grafeaspb.SecretLocation_FileLocation{FileLocation: &grafeaspb.FileLocation{FilePath: "root/a.json", LayerDetails: &grafeaspb.LayerDetails{DiffId: "nonsense"}}}},
			},
		}}},
	)
	s, _ := source(t, a, nil)
	got := scanned(t, s)
	vex := model.Finding{
		ID: "CVE-2026-2", Aliases: []string{"GHSA-aaaa-bbbb-cccc"}, Basis: "effective", Provider: "CRITICAL", CVSS: 9.8, KEV: true, EPSS: 0.91,
		VEX: "not_affected", VEXReason: "component_not_present", VEXAuthor: "projects/security", VEXFormat: "grafeas",
		Description: "first second [31mline", URL: "https://nvd.example.com/CVE-2026-2",
	}
	deb, pypi := vex, vex
	deb.PURL, deb.Package, deb.Version, deb.Severity = "pkg:deb/debian/libssl@1:3.0.1%2Bdfsg", "libssl", "1:3.0.1+dfsg", "NEGLIGIBLE"
	pypi.PURL, pypi.Package, pypi.Version, pypi.Fixed, pypi.Severity = "pkg:pypi/open-ssl@1:2-3", "Open_SSL", "1:2-3", "4", "UNKNOWN"
	pypi.Path, pypi.Layer = "usr/lib/x", model.Digest(layer)
	secret := model.Finding{ID: "secret-gcp-service-account-key", Aliases: []string{}, Kind: "secret", Severity: "CRITICAL", Basis: "effective", Description: "a secret lies in the image; whoever issued it calls it valid", Path: "root/a.json"}
	second := secret
	second.Path = "root/b.json"
	want := []model.Finding{
		{ID: "CVE-2026-1", Aliases: []string{}, Basis: "effective", Package: "(not said)", Severity: "UNKNOWN", Provider: "UNKNOWN"},
		deb, pypi,
		{ID: "MAL-2026-7", Aliases: []string{}, Kind: "malicious", Basis: "effective", PURL: "pkg:npm/%40acme/left-pad@1.0.0", Package: "@acme/left-pad", Version: "1.0.0", Severity: "CRITICAL", Provider: "UNKNOWN"},
		secret, second,
	}
	if d := cmp.Diff(want, got.Findings); got.State != model.ScanFinished || d != "" {
		t.Errorf("%s: %s (-want +got):\n%s", got.State, got.Detail, d)
	}
	for _, f := range got.Findings {
		if _, err := model.ParsePURL(f.PURL); f.PURL != "" && err != nil {
			t.Error(err)
		}
	}
}

// TestTheWorseOfTwo: one vulnerability in one package, told twice.
func TestTheWorseOfTwo(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Discover(resource, success())
	good, bad := finding(resource, "CVE-2026-1", grafeaspb.Severity_LOW), finding(resource, "CVE-2026-1", grafeaspb.Severity_LOW)
	good.GetVulnerability().VexAssessment = &grafeaspb.VulnerabilityOccurrence_VexAssessment{State: grafeaspb.VulnerabilityAssessmentNote_Assessment_NOT_AFFECTED}
	good.GetVulnerability().Risk = &grafeaspb.Risk{CisaKev: &grafeaspb.CISAKnownExploitedVulnerabilities{}}
	unknown := finding(resource, "CVE-2026-2", grafeaspb.Severity_SEVERITY_UNSPECIFIED)
	a.Put(good, bad, finding(resource, "CVE-2026-2", grafeaspb.Severity_CRITICAL), unknown)
	s, _ := source(t, a, nil)
	got := scanned(t, s)
	if len(got.Findings) != 2 || got.Findings[0].VEX != "" || !got.Findings[0].KEV || got.Findings[1].Severity != model.SeverityUnknown {
		t.Errorf("%+v", got.Findings)
	}
}

// TestWhatIsSaidTwiceHidesNothing: neither a severity that another page knows,
// nor that a package can be mended.
func TestWhatIsSaidTwiceHidesNothing(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Discover(resource, success())
	fixed := finding(resource, "CVE-2026-1", grafeaspb.Severity_HIGH)
	fixed.GetVulnerability().GetPackageIssue()[0].FixedVersion = &grafeaspb.Version{Kind: grafeaspb.Version_NORMAL, FullName: "9"}
	none := finding(resource, "CVE-2026-1", grafeaspb.Severity_HIGH)
	none.GetVulnerability().GetPackageIssue()[0].FixedVersion = &grafeaspb.Version{Kind: grafeaspb.Version_MAXIMUM}
	a.Put(none, fixed, finding(resource, "CVE-2026-2", grafeaspb.Severity_SEVERITY_UNSPECIFIED), finding(resource, "CVE-2026-2", grafeaspb.Severity_CRITICAL))
	s, _ := source(t, a, nil)
	got := scanned(t, s).Findings
	if len(got) != 2 || got[0].Fixed != "9" || got[1].Severity != model.SeverityUnknown || got[1].Provider != model.SeverityCritical {
		t.Errorf("%+v", got)
	}
}

// TestWhatHasNoPlace: findings of which Google does not say where they lie can
// be written down and read again.
func TestWhatHasNoPlace(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Discover(resource, success())
	bare := finding(resource, "CVE-2026-1", grafeaspb.Severity_CRITICAL)
	bare.GetVulnerability().PackageIssue = nil
	a.Put(bare, &grafeaspb.Occurrence{ResourceUri: resource, NoteName: "projects/goog-analysis/notes/s", Kind: grafeaspb.NoteKind_SECRET, Details: &grafeaspb.Occurrence_Secret{Secret: &grafeaspb.SecretOccurrence{
		Kind: grafeaspb.SecretKind_SECRET_KIND_GCP_SERVICE_ACCOUNT_KEY,
	}}})
	s, _ := source(t, a, nil)
	said := scanned(t, s)
	doc, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: []model.Scan{said}})
	if err != nil {
		t.Fatal(err)
	}
	if scans, list := gate.ReadScans("findings.json", doc); len(list) > 0 || len(scans) != 1 || len(scans[0].Findings) != 2 {
		t.Errorf("%v, %v, of %s", scans, list, doc)
	}
}
