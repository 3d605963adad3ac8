package gate_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// hostile has in every text what a terminal, XML or JSON could take for
// something else.
var hostile = model.Finding{
	ID: "CVE-\x1b[31m<&>\"", Aliases: []string{"GHSA-]]>", ""}, PURL: "pkg:deb/a\u202eb@1\n::error::", Package: "p\x00", Version: "<1>", Fixed: "\r\n2",
	Severity: model.SeverityCritical, Description: "<script>\u2028", URL: "javascript:alert(1)", Path: "/x",
}

// subjects are a pass, a refusal, a scan that is incomplete, what is allowed,
// and what is hostile.
func subjects() []gate.Subject {
	p := strict()
	p.Exceptions = []model.Exception{allowed()}
	p.Exceptions[0].Images = []string{"python"}
	of := func(image string, platform model.Platform, s model.Scan, more ...model.Finding) gate.Subject {
		s.Findings = append(s.Findings, more...)
		id := model.TargetID{Image: image, Tag: "1", Platform: platform}
		s.Image, s.Tag, s.Platform = image, "1", platform.String()
		v := gate.Judge(p, now, id, digest, []model.Scan{s}, gate.Where{})
		return gate.Subject{Verdict: v, Scans: []model.Scan{s}, Ref: "host/" + image + "@" + digest.String(), File: "images/" + image + "/Dockerfile"}
	}
	failed := scan()
	failed.State, failed.Detail = model.ScanFailed, "it \x07crashed"
	worst := scan(hostile, high)
	worst.Source = model.SourceLocal
	strange := hostile
	strange.Severity = model.SeverityUnknown
	p.Unknown = model.PolicyWarn
	kev := high
	kev.ID, kev.KEV, kev.Fixed, kev.CVSS, kev.URL = "CVE-2026-77", true, "", 9.8, "https://example.com/CVE-2026-77"
	return []gate.Subject{
		of("python", model.LinuxAMD64, scan(low, high)), of("python", model.LinuxARM64, scan(low)),
		of("hello", model.LinuxAMD64, failed, strange), of("hello", model.LinuxARM64, scan(kev, high)), of("evil", model.LinuxAMD64, worst),
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	p := strict()
	p.Exceptions = []model.Exception{allowed()}
	var verdicts []model.Verdict
	for _, s := range subjects() {
		verdicts = append(verdicts, s.Verdict)
	}
	r := gate.NewReport(p, now, verdicts, nil)
	want := []gate.ImageVerdict{
		{Image: "evil", Tag: "1", Outcome: model.VerdictRefused}, {Image: "hello", Tag: "1", Outcome: model.VerdictRefused}, {Image: "python", Tag: "1", Outcome: model.VerdictPass},
	}
	if d := cmp.Diff(want, r.Images); d != "" || r.Outcome != model.VerdictRefused {
		t.Errorf("%s (-want +got):\n%s", r.Outcome, d)
	}
	pass, refused := r.IfFixed()
	if pass != 1 || refused != 2 {
		t.Errorf("with fixed versions %d of %d pass", pass, refused)
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		if said := fmt.Sprint(v.Unfinished, v.Warnings); strings.ContainsAny(said, "\x1b\r\n\x07\u202e") {
			t.Errorf("a stranger's text is in the verdict's words: %q", said)
		}
	}
	for _, row := range r.Rows() {
		if strings.ContainsAny(fmt.Sprint(row), "\x1b\r\n\x07\u202e") {
			t.Errorf("a stranger's text reaches the terminal: %q", row)
		}
	}
	// An image passes only if every platform does, and a report only if every image does.
	for _, c := range []struct {
		verdicts []model.Verdict
		code     int
	}{
		{verdicts[:1], 0},
		{verdicts[:2], 0},
		{verdicts[2:3], 6},
		{slices.Concat(verdicts[:3]), 6},
		{verdicts[:4], 5},
		{nil, 6},
	} {
		r := gate.NewReport(p, now, c.verdicts, nil)
		if got := code(r.Err()); got != c.code {
			t.Errorf("%v: exit code %d, want %d", r.Images, got, c.code)
		}
		for _, mode := range []string{model.EnforceWarn, model.EnforceOff} {
			if r.Mode = mode; r.Err() != nil {
				t.Errorf("%s: %v", mode, r.Err())
			}
		}
	}
	p.Unused = model.PolicyBlock
	p.Exceptions[0].ID = "CVE-2000-1"
	r = gate.NewReport(p, now, verdicts[:2], nil)
	if code(r.Err()) != 5 || len(r.Unused) != 1 || !strings.Contains(r.Err().Error(), "CVE-2000-1") {
		t.Errorf("an unused exception: %+v, %v", r.Unused, r.Err())
	}
	p.Unused = model.PolicyAllow
	if r = gate.NewReport(p, now, verdicts[:2], nil); code(r.Err()) != 0 || len(r.Unused) != 0 {
		t.Errorf("an unused exception that is allowed: %+v", r)
	}
}

func code(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 0
}

func TestJudgeAll(t *testing.T) {
	t.Parallel()
	p := strict()
	p.Sources = []model.PolicySource{{Name: model.SourceArtifactAnalysis, Required: model.RequiredGAR}, {Name: model.SourceLocal, Required: model.RequiredUnsupported}}
	other, google, another := scan(high), by(model.SourceArtifactAnalysis, scan()), scan()
	other.Platform = model.LinuxARM64.String()
	google.State = model.ScanMissing
	another.Digest = model.DigestOf([]byte("newer"))
	var got []string
	for _, s := range gate.JudgeAll(p, now, []model.Scan{other, google, another, scan()}) {
		got = append(got, fmt.Sprintf("%s %s %d", s.Verdict.Platform, s.Verdict.Outcome, len(s.Scans)))
	}
	slices.Sort(got)
	want := []string{"linux/amd64 incomplete 2", "linux/amd64 pass 1", "linux/arm64 refused 1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// object is a JSON schema of an object with these keys, of which all must be
// there, and more may be.
func object(keys map[string]any) map[string]any {
	required := []any{}
	properties := map[string]any{}
	for key, schema := range keys {
		optional := strings.HasSuffix(key, "?")
		key = strings.TrimSuffix(key, "?")
		properties[key] = schema
		if !optional {
			required = append(required, key)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func only(schema map[string]any) map[string]any {
	schema["additionalProperties"] = false
	return schema
}

func array(of any) map[string]any { return map[string]any{"type": "array", "items": of} }
func enum(values ...any) map[string]any {
	return map[string]any{"enum": values}
}

var (
	words   = map[string]any{"type": "string", "minLength": 1}
	message = only(object(map[string]any{"text": words}))
	web     = map[string]any{"type": "string", "pattern": "^https?://.+"}
)

// sarif are the rules of SARIF 2.1.0 for what is written, and what GitHub asks
// for beyond them: a location in a file of the repository, and a score that is
// a number in text.
var sarif = only(object(map[string]any{
	"$schema": web, "version": enum("2.1.0"),
	"runs": array(only(object(map[string]any{
		"tool": only(object(map[string]any{"driver": only(object(map[string]any{
			"name": words, "version?": words, "informationUri": web,
			"rules": array(only(object(map[string]any{
				"id": words, "shortDescription": message, "helpUri?": web,
				"properties": only(object(map[string]any{"security-severity": map[string]any{"type": "string", "pattern": `^(10|[0-9])\.[0-9]$`}, "tags": array(words)})),
			}))),
		}))})),
		"automationDetails": only(object(map[string]any{"id": words})),
		"invocations": array(only(object(map[string]any{
			"executionSuccessful": map[string]any{"type": "boolean"}, "endTimeUtc?": map[string]any{"type": "string", "pattern": "Z$"},
			"toolExecutionNotifications?": array(only(object(map[string]any{"level": enum("none", "note", "warning", "error"), "message": message}))),
		}))),
		"columnKind": enum("utf16CodeUnits", "unicodeCodePoints"),
		"results": array(only(object(map[string]any{
			"ruleId": words, "ruleIndex": map[string]any{"type": "integer", "minimum": 0}, "level": enum("none", "note", "warning", "error"), "message": message,
			"locations": array(only(object(map[string]any{
				"physicalLocation": only(object(map[string]any{
					"artifactLocation": only(object(map[string]any{"uri": map[string]any{"type": "string", "pattern": "^[^/:]+(/[^/:]+)*$"}})),
					"region":           only(object(map[string]any{"startLine": map[string]any{"type": "integer", "minimum": 1}})),
				})),
				"logicalLocations": array(only(object(map[string]any{"fullyQualifiedName": words, "kind": words}))),
			}))),
			"partialFingerprints": map[string]any{"type": "object", "additionalProperties": words},
			"suppressions?":       array(only(object(map[string]any{"kind": enum("inSource", "external"), "justification": words}))),
			"properties":          map[string]any{"type": "object"},
		}))),
	}))),
}))

// gitlab are the rules of GitLab's container-scanning report, 15.0.
var gitlab = func() map[string]any {
	when := map[string]any{"type": "string", "pattern": `^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$`}
	tool := only(object(map[string]any{"id": words, "name": words, "version": words, "vendor": only(object(map[string]any{"name": words}))}))
	limited := func(most int) map[string]any { return map[string]any{"type": "string", "maxLength": most} }
	return only(object(map[string]any{
		"version": map[string]any{"type": "string", "pattern": `^15\.[0-9]+\.[0-9]+$`},
		"scan": only(object(map[string]any{
			"analyzer": tool, "scanner": tool, "type": enum("container_scanning"), "start_time": when, "end_time": when, "status": enum("success", "failure"),
			"messages?": array(only(object(map[string]any{"level": enum("info", "warn", "fatal"), "value": words}))),
		})),
		"vulnerabilities": array(only(object(map[string]any{
			"id":   map[string]any{"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$"},
			"name": limited(255), "description": limited(1048576), "severity": enum("Info", "Unknown", "Low", "Medium", "High", "Critical"), "solution?": limited(7000),
			"identifiers": map[string]any{"type": "array", "minItems": 1, "items": only(object(map[string]any{"type": words, "name": words, "value": words, "url?": web}))},
			"links?":      array(only(object(map[string]any{"url": web}))),
			"location": only(object(map[string]any{
				"dependency":       only(object(map[string]any{"package": only(object(map[string]any{"name": words})), "version": map[string]any{"type": "string"}})),
				"operating_system": words, "image": words,
			})),
		}))),
	}))
}()

func valid(t *testing.T, schema map[string]any, document []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	raw, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err == nil {
		err = c.AddResource("mem:///schema.json", parsed)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, document)
	}
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	for _, s := range [][]gate.Subject{nil, subjects()[:2], subjects()} {
		var b bytes.Buffer
		if err := gate.WriteSARIF(&b, s, "1.2.3"); err != nil {
			t.Fatal(err)
		}
		valid(t, sarif, b.Bytes())
	}
	var b bytes.Buffer
	if err := gate.WriteSARIF(&b, subjects(), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Invocations []struct{ ExecutionSuccessful bool }
			Results     []struct {
				RuleID       string
				RuleIndex    int
				Level        string
				Suppressions []struct{ Justification string }
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	run := doc.Runs[0]
	if run.Invocations[0].ExecutionSuccessful {
		t.Error("a scan that is incomplete reads as a success")
	}
	levels := map[string]int{}
	for _, r := range run.Results {
		levels[r.Level]++
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("the rule of %s is %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
		if suppressed := len(r.Suppressions) == 1; suppressed != (r.Level == "note") || suppressed && !strings.Contains(r.Suppressions[0].Justification, "it cannot be reached") {
			t.Errorf("%+v", r)
		}
	}
	if d := cmp.Diff(map[string]int{"error": 4, "note": 1}, levels); d != "" {
		t.Error(d)
	}
}

func TestGitLabReport(t *testing.T) {
	t.Parallel()
	for _, s := range [][]gate.Subject{nil, subjects()[:2], subjects()} {
		var b bytes.Buffer
		if err := gate.WriteGitLab(&b, s, ""); err != nil {
			t.Fatal(err)
		}
		valid(t, gitlab, b.Bytes())
		if len(s) == 0 {
			continue
		}
		failed, found := strings.Contains(b.String(), `"status": "failure"`), strings.Count(b.String(), `"operating_system"`)
		if want := map[int]int{2: 3, 5: 8}[len(s)]; failed != (len(s) == 5) || found != want {
			t.Errorf("%d subjects: failed %v, %d findings, want %d", len(s), failed, found, want)
		}
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := gate.WriteJUnit(&b, subjects()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	d := xml.NewDecoder(&b)
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	failures, errs, tests := 0, 0, 0
	for _, s := range doc.Suites {
		for _, c := range s.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errs++
			}
		}
	}
	if doc.Tests != tests || doc.Failures != failures || doc.Errors != errs || failures != 4 || errs != 1 || len(doc.Suites) != 5 {
		t.Errorf("%d tests, %d failures, %d errors, and it says %d, %d, %d", tests, failures, errs, doc.Tests, doc.Failures, doc.Errors)
	}
}

// TestAVerdictOfAFileStandsForNothing: nobody knows which platforms a file leaves
// out.
func TestAVerdictOfAFileStandsForNothing(t *testing.T) {
	t.Parallel()
	s := scan(low)
	body := func(change func(*model.Verdict)) []byte {
		v := gate.Judge(strict(), now, s.ID(), s.Digest, []model.Scan{s}, gate.Where{})
		change(&v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if v, ok := gate.ReadVerdict(body(func(*model.Verdict) {}), s.Digest); !ok || v.Outcome != model.VerdictPass {
		t.Errorf("%v, %+v", ok, v)
	}
	of := gate.JudgeAll(strict(), now, []model.Scan{s})
	if len(of) != 1 || of[0].Verdict.Outcome != model.VerdictPass || !of[0].Verdict.Detached {
		t.Errorf("%+v", of)
	}
	for name, b := range map[string][]byte{
		"of a file":         body(func(v *model.Verdict) { *v = of[0].Verdict }),
		"of another digest": body(func(v *model.Verdict) { v.Digest = model.DigestOf([]byte("other")) }),
		"of the future":     body(func(v *model.Verdict) { v.Version++ }),
		"cut":               body(func(*model.Verdict) {})[:40],
	} {
		if v, ok := gate.ReadVerdict(b, s.Digest); ok {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
