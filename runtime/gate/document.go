package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// MaxFindings is the longest document of findings that is read, in bytes.
const MaxFindings = 512 << 20

// RuleFindings is the rule of a mistake in a document of findings.
const RuleFindings = "findings"

// mostMistakes bounds what is said of one document.
const mostMistakes = 100

// ReadScans reads a document of findings, as "rootfsrun scan --json" writes it.
// It is strict: what it does not know could be what blocks. With an error in
// the list there are no scans, and nothing may pass.
func ReadScans(file string, content []byte) ([]model.Scan, diag.List) {
	r := reading{file: file, content: content}
	if len(content) > MaxFindings {
		r.errorf(diag.Pos{}, "the file has %d bytes; at most %d are read", len(content), MaxFindings)
		return nil, r.list
	}
	doc, ok := r.decode()
	if !ok {
		return nil, r.list
	}
	if doc.Version != model.ScanVersion {
		r.errorf(diag.Pos{}, "its version is %d, and this program reads %d", doc.Version, model.ScanVersion)
	}
	if doc.Scans == nil {
		r.errorf(diag.Pos{}, "it has no list of scans")
	}
	for n := range doc.Scans {
		r.check(n, &doc.Scans[n])
	}
	if len(r.list) > 0 {
		return nil, r.list
	}
	return doc.Scans, nil
}

// reading is a document while it is read.
type reading struct {
	file    string
	content []byte
	list    diag.List
}

func (r *reading) errorf(pos diag.Pos, format string, args ...any) {
	switch {
	case len(r.list) > mostMistakes:
		return
	case len(r.list) == mostMistakes:
		format, args = "there are more mistakes: the others are not shown", nil
	}
	pos.File = r.file
	r.list.Errorf(RuleFindings, pos, `"rootfsrun scan --json" writes such a file`, format, args...)
}

// at is the place of a byte.
func (r *reading) at(offset int64) diag.Pos {
	before := r.content[:min(max(offset, 0), int64(len(r.content)))]
	line := bytes.LastIndexByte(before, '\n') + 1
	return diag.Pos{Line: bytes.Count(before, []byte("\n")) + 1, Col: len(before) - line + 1}
}

// decode reads the whole document, scans beside one another: one of a fleet has
// tens of megabytes.
func (r *reading) decode() (model.Scans, bool) {
	var doc model.Scans
	var outer struct {
		Version int               `json:"version"`
		Scans   []json.RawMessage `json:"scans"`
	}
	if offset, err := strictly(r.content, &outer); err != nil {
		r.errorf(r.at(offset), "it is no document of findings: %s", brief(err))
		return doc, false
	}
	if offset, twice := unclear(r.content); twice != "" {
		r.errorf(r.at(offset), "%s", twice)
		return doc, false
	}
	doc.Version = outer.Version
	if outer.Scans == nil {
		return doc, true
	}
	doc.Scans = make([]model.Scan, len(outer.Scans))
	wrong := make([]error, len(outer.Scans))
	var g errgroup.Group // of what only computes
	g.SetLimit(runtime.NumCPU())
	for n, raw := range outer.Scans {
		g.Go(func() error {
			_, wrong[n] = strictly(raw, &doc.Scans[n])
			return nil
		})
	}
	_ = g.Wait() // nothing fails
	for n, err := range wrong {
		if err != nil {
			r.errorf(diag.Pos{}, "scans[%d]: it is no scan: %s", n, brief(err))
		}
	}
	return doc, len(r.list) == 0
}

// strictly decodes one document without keys that are not known, and tells
// where it is wrong.
func strictly(content []byte, into any) (int64, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	at := d.InputOffset()
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind the document")
		}
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = kind.Offset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		at = int64(len(content))
	}
	return at, err
}

func brief(err error) string { return strings.TrimPrefix(err.Error(), "json: ") }

// check refuses a scan of which something is not said, or not as it is
// written.
func (r *reading) check(n int, s *model.Scan) {
	say := func(format string, args ...any) {
		r.errorf(diag.Pos{}, fmt.Sprintf("scans[%d]: ", n)+format, args...)
	}
	if s.Image == "" || len(s.Image) > 256 {
		say("it has no image")
	}
	if _, err := model.ParsePlatform(s.Platform); err != nil {
		say("platform: %v", err)
	}
	if !s.Digest.Valid() {
		say("digest: %q is none", s.Digest)
	}
	if s.Source == "" {
		say("it has no source")
	}
	if !slices.Contains(model.ScanStates(), s.State) {
		say("state: %q is not one of %s", s.State, strings.Join(model.ScanStates(), ", "))
	}
	finished := s.State == model.ScanFinished
	if finished && s.Findings == nil {
		say("it is finished, and has no list of findings")
	}
	if s.Empty && (s.State != model.ScanUnsupported || len(s.Findings) > 0) {
		say("it is empty, and not unsupported without findings")
	}
	if s.Time != "" || finished {
		if _, err := time.Parse(time.RFC3339, s.Time); err != nil {
			say("time: %q is not one such as 2026-11-21T09:00:00Z", s.Time)
		}
	}
	if _, err := time.Parse(time.RFC3339, s.Database); s.Database != "" && err != nil {
		say("database: %q is not a time such as 2026-11-21T09:00:00Z", s.Database)
	}
	for _, kind := range s.Reports {
		if kind != model.FindingMalicious && kind != model.FindingSecret {
			say("reports: %q is not one of %s, %s", kind, model.FindingMalicious, model.FindingSecret)
		}
	}
	for i := range s.Findings {
		if why := wrong(&s.Findings[i]); why != "" {
			say("findings[%d]: %s", i, why)
		}
	}
}

// wrong says what is wrong with a finding, empty where nothing is.
func wrong(f *model.Finding) string {
	one := func(what, value string, of ...string) string {
		return fmt.Sprintf("%s: %q is not one of %s", what, value, strings.Join(of, ", "))
	}
	kinds := []string{model.FindingVulnerability, model.FindingMalicious, model.FindingSecret}
	states := []string{"", model.VEXAffected, model.VEXFixed, model.VEXNotAffected, model.VEXUnderInvestigation}
	switch {
	case f.ID == "":
		return "it has no id"
	case !slices.Contains(model.Severities(), f.Severity):
		return one("severity", f.Severity, model.Severities()...)
	case f.Provider != "" && !slices.Contains(model.Severities(), f.Provider):
		return one("provider", f.Provider, model.Severities()...)
	case !slices.Contains(kinds, f.Kind):
		return one("kind", f.Kind, kinds[1:]...)
	case !slices.Contains(states, f.VEX):
		return one("vex", f.VEX, states[1:]...)
	case f.PURL == "" && f.Package == "" && f.Path == "":
		return "it names no package: it has no purl"
	case f.CVSS < 0 || f.CVSS > 10:
		return fmt.Sprintf("cvss: %g is not between 0 and 10", f.CVSS)
	case f.EPSS < 0 || f.EPSS > 1:
		return fmt.Sprintf("epss: %g is not between 0 and 1", f.EPSS)
	case f.Layer != "" && !f.Layer.Valid():
		return fmt.Sprintf("layer: %q is no digest", f.Layer)
	}
	return ""
}

// unclear finds what two readers could read differently: a key that is there
// twice, or that is written with escapes or capitals, which some take for
// another. The document must be JSON.
func unclear(b []byte) (int64, string) {
	var objects [][][]byte // keys of the objects around, nil for a list
	start, inString, key := 0, false, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case inString && c == '\\':
			i++
		case inString && c == '"':
			inString = false
			if !key {
				continue
			}
			name := b[start:i]
			have := &objects[len(objects)-1]
			if !plain(name) {
				return int64(start), fmt.Sprintf("unknown key %q", name)
			}
			if slices.ContainsFunc(*have, func(k []byte) bool { return bytes.Equal(k, name) }) {
				return int64(start), fmt.Sprintf("the key %q is there twice", name)
			}
			*have, key = append(*have, name), false
		case inString:
		case c == '"':
			inString, start = true, i+1
		case c == '{':
			objects, key = append(objects, make([][]byte, 0, 24)), true
		case c == '[':
			objects, key = append(objects, nil), false
		case c == '}' || c == ']':
			objects, key = objects[:len(objects)-1], false
		case c == ',':
			key = objects[len(objects)-1] != nil
		}
	}
	return 0, ""
}

// plain tells whether a key is written as ours are.
func plain(key []byte) bool {
	for _, c := range key {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return len(key) > 0
}
