package source

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// PolicyFile is the name of the policy of scans, which lies beside the
// settings.
const PolicyFile = "scan-policy.yaml"

// What scan-policy.yaml begins with.
const (
	policyVersion = "rootfsgen/v1"
	policyKind    = "ScanPolicy"
)

// The longest times that a policy may ask for.
const (
	longestAge       = 90 * day  // of a scan
	longestException = 366 * day // of an exception
)

// givenSeverities are those that a scanner gives: UNKNOWN has a key of its own.
var givenSeverities = slices.DeleteFunc(model.Severities(), func(s string) bool { return s == model.SeverityUnknown })

// policyEdits are what the tables collect: changes of the default policy, so
// that what a key does not say keeps its default.
type policyEdits []func(*model.Policy)

func (e *policyEdits) add(edit func(*model.Policy)) { *e = append(*e, edit) }

// nested is the key of a table within: its edits are the policy's.
func nested(key, doc string, table record[policyEdits]) field[policyEdits] {
	return field[policyEdits]{key: key, doc: doc, shape: table, set: func(e *policyEdits, v value) {
		*e = append(*e, v.record.(policyEdits)...)
	}}
}

// policyFile is the table of scan-policy.yaml.
var policyFile = record[policyEdits]{
	name:  PolicyFile,
	first: "apiVersion",
	fields: []field[policyEdits]{
		{key: "apiVersion", doc: "Version of this file's format: `" + policyVersion + "`. It must be the first key.", required: true, remedy: `write "apiVersion: rootfsgen/v1"`,
			shape: text{enum: []string{policyVersion}, version: true}, set: func(*policyEdits, value) {}},
		{key: "kind", doc: "`" + policyKind + "`.", required: true, remedy: `write "kind: ScanPolicy"`,
			shape: text{enum: []string{policyKind}}, set: func(*policyEdits, value) {}},
		{key: "owner", doc: "Who answers for the policy: a person or team, for people.",
			shape: anyText, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Owner = v.text }) }},
		{key: "sources", doc: "Who is asked for findings, in order. A source that was asked, and one that is required, must have finished and be fresh, or the image's scan is incomplete.",
			defWords: "`artifact-analysis` where the image lies in Artifact Registry, and `local` where that cannot read it or does not apply",
			shape:    list{of: policySourceShape, nonzero: true}, set: setPolicySources},
		{key: "platforms", doc: "Which platforms are judged. An image passes only if every one of its platforms does.", def: "all",
			shape: text{enum: []string{"all"}}, set: func(*policyEdits, value) {}},
		nested("severity", "Which findings block by how severe they are.", policySeverityShape),
		nested("alwaysBlock", "Findings that block however severe they are.", policyAlwaysShape),
		nested("scanState", "What it means that a source has not finished. There is no value that lets an image pass that nobody has scanned.", policyStateShape),
		nested("vex", "Which statements of VEX make a finding harmless.", policyVEXShape),
		nested("exceptions", "Findings that are allowed for a while.", policyExceptionsShape),
		nested("enforcement", "What a refusal leads to.", policyEnforcementShape),
		nested("evidence", "What is kept of a judgement.", policyEvidenceShape),
	},
}

var policySourceShape = record[model.PolicySource]{name: "a source", fields: []field[model.PolicySource]{
	{key: "name", doc: "`artifact-analysis` is Google's scanner, of what lies in Artifact Registry; `local` is a scanner that runs beside rootfsrun.", required: true, remedy: `write "name: local"`,
		shape: text{enum: []string{model.SourceArtifactAnalysis, model.SourceLocal}}, set: func(s *model.PolicySource, v value) { s.Name = v.text }},
	{key: "tool", doc: "Scanner of `local`. Where it is given, a scan by another one does not count.", defWords: "any",
		shape: text{enum: []string{"grype"}, gone: map[string]string{"osv": otherScanner, "trivy": otherScanner}}, set: func(s *model.PolicySource, v value) { s.Tool = v.text }},
	{key: "required", doc: "When it must have spoken: `always`; `when-gar`, where the image lies in Artifact Registry; `when-unsupported`, where no source before it has spoken; `never`: what it says counts, that it says nothing does not.",
		def: model.RequiredAlways, shape: text{enum: []string{model.RequiredAlways, model.RequiredGAR, model.RequiredUnsupported, model.RequiredNever}},
		set: func(s *model.PolicySource, v value) { s.Required = v.text }},
	{key: "wait", doc: "How long it is waited for.", shape: policyWaitShape, set: func(s *model.PolicySource, v value) {
		w, _ := v.record.(model.PolicySource)
		s.Timeout, s.Poll = w.Timeout, w.Poll
	}},
}}

// otherScanner is what to do with a scanner that rootfsrun does not start.
const otherScanner = "leave tool out; rootfsrun gate --findings judges what another scanner found"

var policyWaitShape = record[model.PolicySource]{name: "wait", fields: []field[model.PolicySource]{
	{key: "timeout", doc: "How long in all; then `scanState.timeout` applies.", def: "15m",
		shape: duration{max: 6 * time.Hour}, set: func(s *model.PolicySource, v value) { s.Timeout = v.seconds() }},
	{key: "poll", doc: "How often `artifact-analysis` is asked.", def: "10s",
		shape: duration{max: time.Hour}, set: func(s *model.PolicySource, v value) { s.Poll = v.seconds() }},
}}

// seconds is the length that a duration or a period said.
func (v value) seconds() time.Duration { return time.Duration(v.number * float64(time.Second)) }

func setPolicySources(e *policyEdits, v value) {
	e.add(func(p *model.Policy) {
		p.Sources = nil
		for _, i := range v.items {
			s, _ := i.record.(model.PolicySource)
			s.Required = orDefault(s.Required, model.RequiredAlways)
			s.Timeout, s.Poll = cmp.Or(s.Timeout, defaultWait), cmp.Or(s.Poll, defaultPoll)
			p.Sources = append(p.Sources, s)
		}
	})
}

var policySeverityShape = record[policyEdits]{name: "severity", fields: []field[policyEdits]{
	{key: "basis", doc: "Whose severity counts: `effective`, the distribution's where it has one, for the package; `provider`, that of who published the vulnerability; `cvss`, by the base score; `max`, the worst of them. Where the chosen one is missing, `effective` counts.", def: "effective",
		shape: text{enum: []string{"cvss", "effective", "max", "provider"}}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Basis = v.text }) }},
	blocking("fixable", "Findings for which there is a fixed version.", func(p *model.Policy, v value) { p.Fixable = worstFirst(v.texts()) }),
	blocking("unfixable", "Findings for which there is none.", func(p *model.Policy, v value) { p.Unfixable = worstFirst(v.texts()) }),
	{key: "unknown", doc: "Findings of which nobody says how severe they are. With `allow` and `warn` what their provider or their score says still counts.", def: model.PolicyBlock,
		shape: text{enum: []string{model.PolicyAllow, model.PolicyBlock, model.PolicyWarn}}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Unknown = v.text }) }},
}}

// blocking is the table of severities that block.
func blocking(key, doc string, set func(*model.Policy, value)) field[policyEdits] {
	return nested(key, doc, record[policyEdits]{name: key, fields: []field[policyEdits]{
		{key: "block", doc: "Severities that block. With one of them, every worse one must be there.", def: []string{model.SeverityCritical, model.SeverityHigh},
			shape: list{of: text{enum: givenSeverities}, unique: true}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { set(p, v) }) }},
	}})
}

func worstFirst(severities []string) []string {
	slices.SortFunc(severities, model.CompareSeverities)
	return severities
}

// sorted are the texts of a list whose order says nothing; an empty one is not
// nil, so that it is the same wherever it is from.
func (v value) sorted() []string {
	out := v.texts()
	slices.Sort(out)
	return out
}

var policyAlwaysShape = record[policyEdits]{name: "alwaysBlock", fields: []field[policyEdits]{
	{key: "cisaKev", doc: "What is in CISA's catalogue of vulnerabilities known to be exploited. An exception can allow it.", def: true,
		shape: boolean{}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Always.KEV = v.flag }) }},
	{key: "malicious", doc: "Packages that are there to do harm. No exception and no VEX can allow them. Where nobody looks for them `scanState.unreported` says what follows.", def: true,
		shape: boolean{}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Always.Malicious = v.flag }) }},
	{key: "secrets", doc: "Keys and passwords that lie in the image. No exception and no VEX can allow them. Where nobody looks for them `scanState.unreported` says what follows.", def: true,
		shape: boolean{}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Always.Secrets = v.flag }) }},
	{key: "epssAtLeast", doc: "What is exploited within 30 days with at least this probability, by EPSS. An exception can allow it.", defWords: "never",
		shape: number{min: 0.001, max: 1}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Always.EPSS = v.number }) }},
}}

var policyStateShape = record[policyEdits]{name: "scanState", fields: []field[policyEdits]{
	scanState("failed", "The scanner, or asking it, failed.", model.PolicyBlock, func(s *model.PolicyState) *string { return &s.Failed }),
	scanState("unsupported", "The scanner cannot read such an image.", model.PolicyFallback, func(s *model.PolicyState) *string { return &s.Unsupported }),
	scanState("missing", "Nobody has scanned it.", model.PolicyBlock, func(s *model.PolicyState) *string { return &s.Missing }),
	scanState("timeout", "It did not finish in the time that `wait` gives it.", model.PolicyBlock, func(s *model.PolicyState) *string { return &s.Timeout }),
	scanState("inactive", "It is older than `maxAge`, or the scanner no longer watches the image. `rescan` has the scanner asked again, before it is judged, and makes the scan incomplete where that cannot be done, or does not help.", model.PolicyRescan,
		func(s *model.PolicyState) *string { return &s.Inactive }, model.PolicyRescan),
	{key: "unreported", doc: "`alwaysBlock.malicious` or `alwaysBlock.secrets` holds, and no source that has finished looks for such: `artifact-analysis` does, `local` does not. `warn` says so in every verdict, whose pass then means that nobody has looked; `block` makes the scan incomplete.", def: model.PolicyWarn,
		shape: text{enum: []string{model.PolicyBlock, model.PolicyWarn}}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.State.Unreported = v.text }) }},
	{key: "maxAge", doc: "How old a scan, and what its scanner knew, may be.", def: "72h",
		shape: period{max: longestAge}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.State.MaxAge = v.seconds() }) }},
}}

// scanState is the key of one state.
func scanState(key, doc, def string, at func(*model.PolicyState) *string, more ...string) field[policyEdits] {
	words := append([]string{model.PolicyBlock, model.PolicyFallback}, more...)
	return field[policyEdits]{
		key: key, doc: doc + " `block` makes the scan incomplete; `fallback` lets another source decide, and makes it incomplete if none does.", def: def,
		shape: text{enum: words}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { *at(&p.State) = v.text }) },
	}
}

var policyVEXShape = record[policyEdits]{name: "vex", fields: []field[policyEdits]{
	{key: "accept", doc: "Formats of statements that are read.", def: vexFormats,
		shape: list{of: text{enum: vexFormats}, unique: true}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) { p.VEX.Accept = v.sorted() })
		}},
	{key: "statuses", doc: "Statuses that make a finding harmless.", def: vexStatuses,
		shape: list{of: text{enum: vexStatuses}, unique: true}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) { p.VEX.Statuses = v.sorted() })
		}},
	{key: "requireJustification", doc: "Whether `not_affected` counts only with its justification.", def: true,
		shape: boolean{}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) { p.VEX.Justification = v.flag })
		}},
	{key: "trustedAuthors", doc: "Whose statements count, as they are written in them. Without any, nobody's do.", defWords: "nobody",
		shape: list{of: anyText, unique: true}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) { p.VEX.Authors = v.sorted() })
		}},
}}

var (
	vexFormats  = []string{"csaf", "grafeas", "openvex"}
	vexStatuses = []string{model.VEXFixed, model.VEXNotAffected}
)

var policyExceptionsShape = record[policyEdits]{name: "exceptions", fields: []field[policyEdits]{
	{key: "maxLifetime", doc: "How long an exception may hold, by the severity of what it allows. One that is longer does not hold.",
		defWords: "`{CRITICAL: 14d, HIGH: 30d, MEDIUM: 90d, LOW: 180d, NEGLIGIBLE: 180d, UNKNOWN: 14d}`, each where it is not given",
		shape:    dict{keys: text{enum: model.Severities()}, of: period{max: longestException}}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) {
				for _, i := range v.pairs {
					p.MaxLifetime[i.key] = i.value.seconds()
				}
			})
		}},
	{key: "warnBefore", doc: "How long before its end an exception is warned of.", def: "7d",
		shape: period{max: longestException}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.WarnBefore = v.seconds() }) }},
	{key: "unused", doc: "What an exception means that nothing needs: `warn`; `block` refuses; `allow` says nothing.", def: model.PolicyWarn,
		shape: text{enum: []string{model.PolicyAllow, model.PolicyBlock, model.PolicyWarn}}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Unused = v.text }) }},
	{key: "list", doc: "The exceptions.",
		shape: list{of: exceptionShape}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) {
				for _, i := range v.items {
					x, _ := i.record.(model.Exception)
					p.Exceptions = append(p.Exceptions, x)
				}
			})
		}},
}}

var (
	findingID = text{name: "an id", max: 128, expect: "an id such as CVE-2026-1234 or GHSA-jfh8-c2jp-5v3q",
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`)}
	purlText = text{name: "a package URL", max: 2048, check: func(s string) error { _, err := model.ParsePURL(s); return err },
		pattern: regexp.MustCompile(`^pkg:[^\s\x00-\x1f\x7f]+$`)}
	imageGlob = text{name: "a pattern", max: 256, expect: "an image's id, with * for any part of it",
		pattern: regexp.MustCompile(`^[a-z0-9*?][A-Za-z0-9._*?:/-]*$`)}
	personText = text{name: "a name", max: 128, expect: "a name in plain letters and digits, such as @ana or platform-team", pattern: model.PersonForm}
	dateText   = text{name: "a day", max: 10, check: checkDay,
		pattern: regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)}
)

var exceptionShape = record[model.Exception]{name: "an exception", fields: []field[model.Exception]{
	{key: "id", doc: "Id of the finding, or one of its aliases. An alias allows nothing where the finding is an advisory that stands for several CVEs: those need an exception for each, or one for the advisory's own id.", required: true, remedy: `write "id: CVE-2026-1234"`, shape: findingID,
		set: func(x *model.Exception, v value) { x.ID = v.text }},
	{key: "purl", doc: "The package. Without a version it is every version; qualifiers such as `?arch=arm64` must fit where they are given.", required: true, remedy: `write "purl: pkg:deb/debian/openssl"`, shape: purlText,
		set: func(x *model.Exception, v value) { x.PURL = v.text }},
	{key: "images", doc: "Images that it is for: ids such as `python`, with a tag such as `python:3.13`, with `*` for any part.", defWords: "all",
		shape: list{of: imageGlob, unique: true, nonzero: true}, set: func(x *model.Exception, v value) { x.Images = v.sorted() }},
	{key: "platforms", doc: "Platforms that it is for.", defWords: "all",
		shape: list{of: platformName, unique: true, nonzero: true}, set: func(x *model.Exception, v value) { x.Platforms = platforms(v.texts()) }},
	{key: "reason", doc: "Why it is allowed.", required: true, remedy: `write "reason: The service that it is in is not reachable."`, shape: longReason,
		set: func(x *model.Exception, v value) { x.Reason = strings.TrimSpace(v.text) }},
	{key: "ticket", doc: "Where it is followed up.", shape: anyText, set: func(x *model.Exception, v value) { x.Ticket = v.text }},
	{key: "owner", doc: "Who mends it.", required: true, remedy: `write "owner: '@team'"`, shape: personText, set: func(x *model.Exception, v value) { x.Owner = v.text }},
	{key: "approvedBy", doc: "Who allowed it: somebody else than the owner.", required: true, remedy: `write "approvedBy: security@example.com"`, shape: personText,
		set: func(x *model.Exception, v value) { x.ApprovedBy = v.text }},
	{key: "created", doc: "Day from which it holds, UTC: `2026-11-01`.", required: true, remedy: `write "created: '2026-11-01'"`, shape: dateText,
		set: func(x *model.Exception, v value) { x.Created = v.text }},
	{key: "expires", doc: "Last day on which it holds, UTC.", required: true, remedy: `write "expires: '2026-11-15'"`, shape: dateText,
		set: func(x *model.Exception, v value) { x.Expires = v.text }},
}}

// longReason is text of several lines that must say something.
var longReason = text{name: "text", multiline: true, max: 2000}

// platforms are they in their canonical form, sorted.
func platforms(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		if p, err := model.ParsePlatform(n); err == nil {
			out = append(out, p.String())
		}
	}
	slices.Sort(out)
	return out
}

var policyEnforcementShape = record[policyEdits]{name: "enforcement", fields: []field[policyEdits]{
	{key: "mode", doc: "`block`: what is refused is neither merged nor promoted; `warn`: it is said and written down, and only promotion refuses; `off`: nothing is scanned, and every promotion says so.", def: model.EnforceBlock,
		shape: text{enum: []string{model.EnforceBlock, model.EnforceOff, model.EnforceWarn}}, set: func(e *policyEdits, v value) { e.add(func(p *model.Policy) { p.Mode = v.text }) }},
}, gone: map[string]string{
	"breakglass": "leave it out: no command overrides a refusal; write an exception, which has a reason, an approver and an end, and stands in every verdict",
}}

var policyEvidenceShape = record[policyEdits]{name: "evidence", fields: []field[policyEdits]{
	{key: "upload", doc: "Where else findings go: `sarif`, to the forge's code scanning; `none`.", def: "none",
		shape: text{enum: []string{"none", model.UploadSARIF}}, set: func(e *policyEdits, v value) {
			e.add(func(p *model.Policy) { p.Evidence.Upload = strings.TrimPrefix(v.text, "none") })
		}},
}, gone: map[string]string{
	"attest": "leave it out: rootfsrun attest always attaches both, the scan and the verdict",
	"retain": "leave it out: a verdict is kept for as long as the digest that it is about, and no longer",
}}

const (
	defaultWait = 15 * time.Minute
	defaultPoll = 10 * time.Second
)

// DefaultPolicy is the policy of a repository that has none.
func DefaultPolicy() model.Policy {
	return model.Policy{
		Mode: model.EnforceBlock,
		Sources: []model.PolicySource{
			{Name: model.SourceArtifactAnalysis, Required: model.RequiredGAR, Timeout: defaultWait, Poll: defaultPoll},
			{Name: model.SourceLocal, Required: model.RequiredUnsupported, Timeout: defaultWait, Poll: defaultPoll},
		},
		Basis:     "effective",
		Fixable:   []string{model.SeverityCritical, model.SeverityHigh},
		Unfixable: []string{model.SeverityCritical, model.SeverityHigh},
		Unknown:   model.PolicyBlock,
		Always:    model.PolicyAlways{KEV: true, Malicious: true, Secrets: true},
		State: model.PolicyState{
			Failed: model.PolicyBlock, Unsupported: model.PolicyFallback, Missing: model.PolicyBlock, Timeout: model.PolicyBlock,
			Inactive: model.PolicyRescan, Unreported: model.PolicyWarn, MaxAge: 72 * time.Hour,
		},
		VEX:        model.PolicyVEX{Accept: slices.Clone(vexFormats), Statuses: slices.Clone(vexStatuses), Justification: true, Authors: []string{}},
		Exceptions: []model.Exception{},
		MaxLifetime: map[string]time.Duration{
			model.SeverityCritical: 14 * day, model.SeverityHigh: 30 * day, model.SeverityMedium: 90 * day,
			model.SeverityLow: 180 * day, model.SeverityNegligible: 180 * day, model.SeverityUnknown: 14 * day,
		},
		WarnBefore: 7 * day,
		Unused:     model.PolicyWarn,
	}
}

// ParsePolicy reads scan-policy.yaml. The list has every mistake; with an
// error in it the policy must not be used.
func ParsePolicy(name string, content []byte) (model.Policy, diag.List) {
	var list diag.List
	p := DefaultPolicy()
	f, node, ok := openFile(name, content, maxFile, &list)
	if ok && node == nil {
		f.errorf(RuleMissingKey, diag.Pos{}, "begin it with \"apiVersion: "+policyVersion+"\", or remove the file", "the file is empty")
	}
	if ok && node != nil {
		if node, ok = f.resolve(node); ok {
			v, _ := policyFile.read(f, policyFile.name, node)
			edits, _ := v.record.(policyEdits)
			for _, edit := range edits {
				edit(&p)
			}
			f.checkPolicy(&p, v)
		}
	}
	sortExceptions(p.Exceptions)
	return p, list.Sorted()
}

// sortExceptions makes the policy's digest that of what it says, in whatever
// order.
func sortExceptions(list []model.Exception) {
	slices.SortFunc(list, func(a, b model.Exception) int {
		return slices.Compare(exceptionKey(a), exceptionKey(b))
	})
}

func exceptionKey(x model.Exception) []string {
	return []string{
		x.ID, x.PURL, x.Created, x.Expires, strings.Join(x.Images, " "), strings.Join(x.Platforms, " "), x.Owner, x.ApprovedBy, x.Ticket, x.Reason,
	}
}

// longestLifetime is the most that any exception may have.
func longestLifetime(p *model.Policy) time.Duration {
	return slices.Max(slices.Collect(maps.Values(p.MaxLifetime)))
}
