package source

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// ReadSettings reads the settings alone, for a command that is to mend them:
// that no release is pinned yet is no mistake. dir is the fleet's folder.
func ReadSettings(file, dir string, content []byte) (model.Settings, diag.List) {
	var list diag.List
	s := parseSettings(file, dir, content, &list)
	list = slices.DeleteFunc(list, func(d diag.Diagnostic) bool { return d.Rule == RuleNoRelease })
	return s.model, list.Sorted().WithLines(func(string) []byte { return content })
}

// WritePrograms puts a release into the text of rootfsgen.yaml, in place of the
// one that is there. Everything else stays as it is written. The error holds
// the lines that were to be written, where they cannot be put in safely.
func WritePrograms(content []byte, p model.Programs) ([]byte, error) {
	lines := programsLines(p)
	out := withProgramsLines(content, lines)
	before, beforeList := ReadSettings(DefaultConfig, ".", content)
	after, afterList := ReadSettings(DefaultConfig, ".", out)
	written := after.Programs
	after.Programs, after.Runtime = before.Programs, before.Runtime
	if len(afterList) > len(beforeList) || !reflect.DeepEqual(written, p) || !reflect.DeepEqual(before, after) {
		return nil, errors.New("programs cannot be replaced here by a program; write these lines instead of it:\n" + strings.Join(lines, "\n"))
	}
	return out, nil
}

// programsLines is a release as it stands in rootfsgen.yaml.
func programsLines(p model.Programs) []string {
	lines := []string{"programs: # rootfsgen lock --programs VERSION", "  version: " + fmt.Sprintf("%q", p.Version)}
	if p.URL != model.ProgramsURL {
		lines = append(lines, "  url: "+fmt.Sprintf("%q", p.URL))
	}
	if p.Commit != "" {
		lines = append(lines, "  commit: "+fmt.Sprintf("%q", p.Commit))
	}
	lines = append(lines, "  sha256:")
	for _, key := range model.ProgramKeys() {
		lines = append(lines, "    "+key+": "+fmt.Sprintf("%q", p.SHA256[key]))
	}
	return lines
}

// withProgramsLines is the text with the lines in place of its own, or at its
// end. The key's lines end before the next that is neither indented nor blank;
// what this does not understand, the caller sees.
func withProgramsLines(content []byte, lines []string) []byte {
	end := "\n"
	if bytes.Contains(content, []byte("\r\n")) {
		end = "\r\n"
	}
	var old []string
	for line := range strings.Lines(string(content)) {
		old = append(old, strings.TrimRight(line, "\r\n"))
	}
	first := slices.IndexFunc(old, func(l string) bool { return strings.HasPrefix(l, "programs:") })
	if first < 0 {
		if len(old) > 0 && old[len(old)-1] != "" {
			old = append(old, "")
		}
		return []byte(strings.Join(append(old, lines...), end) + end)
	}
	after := first + 1
	for after < len(old) && (old[after] == "" || old[after][0] == ' ' || old[after][0] == '\t') {
		after++
	}
	for old[after-1] == "" {
		after--
	}
	return []byte(strings.Join(slices.Concat(old[:first], lines, old[after:]), end) + end)
}
