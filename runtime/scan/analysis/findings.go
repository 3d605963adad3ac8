package analysis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// findings reads all that was found in one digest: vulnerabilities, packages
// that are there to do harm, and secrets. It is sorted, each finding once.
func (s *Source) findings(ctx context.Context, at place) ([]model.Finding, error) {
	out := []model.Finding{}
	vulnerabilities, err := s.list(ctx, at, grafeaspb.NoteKind_VULNERABILITY, findingsFilter(grafeaspb.NoteKind_VULNERABILITY, at.resource))
	if err != nil {
		return nil, err
	}
	for _, o := range vulnerabilities {
		if o.GetVulnerability() == nil {
			return nil, fmt.Errorf("reading the findings of %s: %s has no details", at.resource, googleapi.Line(o.GetNoteName()))
		}
		out = append(out, vulnerability(o)...)
	}
	secrets, err := s.list(ctx, at, grafeaspb.NoteKind_SECRET, findingsFilter(grafeaspb.NoteKind_SECRET, at.resource))
	if err != nil {
		return nil, err
	}
	for _, o := range secrets {
		out = append(out, secret(o)...)
	}
	return unique(out), nil
}

// unique sorts findings and merges those of the same thing in the same package
// to the worse of them.
func unique(all []model.Finding) []model.Finding {
	identity := func(a, b model.Finding) int {
		where := 0
		if a.Kind == model.FindingSecret {
			where = strings.Compare(a.Path, b.Path)
		}
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.PURL, b.PURL), strings.Compare(a.Kind, b.Kind), where)
	}
	slices.SortStableFunc(all, func(a, b model.Finding) int {
		return cmp.Or(identity(a, b), model.CompareSeverities(a.Severity, b.Severity), unfixed(a)-unfixed(b), harmless(a)-harmless(b), strings.Compare(a.Fixed, b.Fixed), strings.Compare(a.Path, b.Path))
	})
	out := all[:0]
	for _, f := range all {
		if n := len(out) - 1; n >= 0 && identity(out[n], f) == 0 {
			out[n].KEV, out[n].Fixed = out[n].KEV || f.KEV, cmp.Or(out[n].Fixed, f.Fixed)
			out[n].EPSS, out[n].CVSS = max(out[n].EPSS, f.EPSS), max(out[n].CVSS, f.CVSS)
			out[n].Provider = scan.Provider(out[n], f)
			if harmless(out[n]) > harmless(f) {
				out[n].VEX, out[n].VEXReason, out[n].VEXAuthor, out[n].VEXFormat = f.VEX, f.VEXReason, f.VEXAuthor, f.VEXFormat
			}
			continue
		}
		out = append(out, f)
	}
	return out
}

// unfixed orders a finding that can be mended, and blocks under every policy
// under which the other one does, before one that cannot.
func unfixed(f model.Finding) int {
	if f.Fixed == "" {
		return 1
	}
	return 0
}

// harmless orders a finding that nobody has spoken about before one that
// somebody calls harmless.
func harmless(f model.Finding) int {
	if f.VEX == model.VEXNotAffected || f.VEX == model.VEXFixed {
		return 1
	}
	return 0
}

// unnamed is what lies where Google does not say it: a finding has a place, as
// whoever reads findings asks for one.
const unnamed = "(not said)"

// vulnerability makes a finding for each package that an occurrence names.
func vulnerability(o *grafeaspb.Occurrence) []model.Finding {
	v := o.GetVulnerability()
	_, id, _ := strings.Cut(o.GetNoteName(), "/notes/")
	f := model.Finding{
		ID: cmp.Or(googleapi.Line(id), unnamed), Aliases: []string{}, Basis: "effective",
		Provider: severity(v.GetSeverity()), CVSS: score(v),
		KEV: v.GetRisk().GetCisaKev() != nil, EPSS: within(v.GetRisk().GetEpss().GetScore(), 1),
		Description: googleapi.Line(v.GetShortDescription()),
	}
	if urls := v.GetRelatedUrls(); len(urls) > 0 {
		f.URL = googleapi.Line(urls[0].GetUrl())
	}
	assess(&f, v.GetVexAssessment())
	for _, name := range append([]string{f.ID}, f.Aliases...) {
		if strings.HasPrefix(name, "MAL-") { // as the list of malicious packages numbers its entries
			f.Kind = model.FindingMalicious
		}
	}
	if len(v.GetPackageIssue()) == 0 {
		f.Severity, f.Package = severity(v.GetEffectiveSeverity()), unnamed
		return []model.Finding{f}
	}
	out := make([]model.Finding, 0, len(v.GetPackageIssue()))
	for _, p := range v.GetPackageIssue() {
		one := f
		one.Aliases = slices.Clone(f.Aliases)
		one.Package, one.Version = googleapi.Line(p.GetAffectedPackage()), version(p.GetAffectedVersion())
		one.PURL = packageURL(p)
		one.Fixed = version(p.GetFixedVersion())
		one.Severity = severity(p.GetEffectiveSeverity())
		if places := p.GetFileLocation(); len(places) > 0 {
			one.Path = googleapi.Line(places[0].GetFilePath())
			one.Layer, _ = model.ParseDigest(places[0].GetLayerDetails().GetDiffId()) // empty where it is none
		}
		out = append(out, one)
	}
	return out
}

// assess adds what a statement of VEX says. Google stores those of CSAF files
// as notes; whose they are, the project of the note says.
func assess(f *model.Finding, a *grafeaspb.VulnerabilityOccurrence_VexAssessment) {
	if a == nil {
		return
	}
	switch a.GetState() {
	case grafeaspb.VulnerabilityAssessmentNote_Assessment_AFFECTED:
		f.VEX = model.VEXAffected
	case grafeaspb.VulnerabilityAssessmentNote_Assessment_NOT_AFFECTED:
		f.VEX = model.VEXNotAffected
	case grafeaspb.VulnerabilityAssessmentNote_Assessment_FIXED:
		f.VEX = model.VEXFixed
	case grafeaspb.VulnerabilityAssessmentNote_Assessment_UNDER_INVESTIGATION:
		f.VEX = model.VEXUnderInvestigation
	default:
		return
	}
	f.VEXFormat = "grafeas"
	author, _, _ := strings.Cut(a.GetNoteName(), "/notes/")
	f.VEXAuthor = googleapi.Line(author)
	if t := a.GetJustification().GetJustificationType(); t != 0 {
		f.VEXReason = strings.ToLower(t.String())
	}
	for _, name := range []string{a.GetVulnerabilityId(), a.GetCve()} { //nolint:staticcheck // older notes have the field that is deprecated
		if name = googleapi.Line(name); name != "" && name != f.ID && !slices.Contains(f.Aliases, name) {
			f.Aliases = append(f.Aliases, name)
		}
	}
	slices.Sort(f.Aliases)
}

// severity is one of the model's; what is not known, or not said, is UNKNOWN.
func severity(s grafeaspb.Severity) string {
	switch s {
	case grafeaspb.Severity_MINIMAL:
		return model.SeverityNegligible
	case grafeaspb.Severity_LOW:
		return model.SeverityLow
	case grafeaspb.Severity_MEDIUM:
		return model.SeverityMedium
	case grafeaspb.Severity_HIGH:
		return model.SeverityHigh
	case grafeaspb.Severity_CRITICAL:
		return model.SeverityCritical
	}
	return model.SeverityUnknown
}

// score is the base score, by the newest way of counting that there is.
func score(v *grafeaspb.VulnerabilityOccurrence) float64 {
	n := cmp.Or(v.GetCvssv3().GetBaseScore(), v.GetCvssScore(), v.GetCvssV2().GetBaseScore())
	return math.Round(within(float64(n), 10)*10) / 10
}

// within bounds a number of a server's; what is none is 0.
func within(n, most float64) float64 {
	if math.IsNaN(n) {
		return 0
	}
	return min(max(n, 0), most)
}

// version is one as people write it; empty for the end of a range, which
// stands for "no fix".
func version(v *grafeaspb.Version) string {
	if v.GetKind() != grafeaspb.Version_NORMAL {
		return ""
	}
	if v.GetFullName() != "" {
		return googleapi.Line(v.GetFullName())
	}
	text := v.GetName()
	if v.GetEpoch() != 0 {
		text = fmt.Sprintf("%d:%s", v.GetEpoch(), text)
	}
	if v.GetRevision() != "" {
		text += "-" + v.GetRevision()
	}
	return googleapi.Line(text)
}

// secret makes a finding for each place that a secret lies in.
func secret(o *grafeaspb.Occurrence) []model.Finding {
	x := o.GetSecret()
	name := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(x.GetKind().String(), "SECRET_KIND_"), "SECRET_"))
	f := model.Finding{
		ID: "secret-" + strings.ReplaceAll(name, "_", "-"), Aliases: []string{}, Kind: model.FindingSecret,
		Severity: model.SeverityCritical, Basis: "effective", Description: "a secret lies in the image",
	}
	for _, s := range x.GetStatuses() {
		f.Description = "a secret lies in the image; whoever issued it calls it " + strings.ToLower(s.GetStatus().String())
	}
	if len(x.GetLocations()) == 0 {
		f.Path = unnamed
		return []model.Finding{f}
	}
	out := make([]model.Finding, 0, len(x.GetLocations()))
	for _, l := range x.GetLocations() {
		one := f
		one.Aliases = []string{}
		one.Path = cmp.Or(googleapi.Line(l.GetFileLocation().GetFilePath()), unnamed)
		one.Layer, _ = model.ParseDigest(l.GetFileLocation().GetLayerDetails().GetDiffId()) // empty where it is none
		out = append(out, one)
	}
	return out
}
