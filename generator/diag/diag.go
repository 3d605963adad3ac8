// Package diag carries what is wrong in people's files: where, what, and what
// to do about it. A List is the error that a command returns for mistakes of
// its user; every mistake of every file is in it.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity tells an error, which stops a command, from a warning.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Pos is a place in a file. Line and Col count from 1, Col in bytes; a zero
// Line is the file as a whole. EndCol is the column after the last byte, 0
// where it is not known.
type Pos struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Col    int    `json:"col"`
	EndCol int    `json:"end_col,omitempty"`
}

// String is "file:line:col", as far as it is known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Diagnostic is one mistake. Rule is its stable name, Hint names the remedy,
// Line is the text of the source line, without its end.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Rule     string   `json:"rule"`
	Pos      Pos      `json:"pos"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Line     string   `json:"line,omitempty"`
}

// List is the diagnostics of one run.
type List []Diagnostic

// Errorf adds an error.
func (l *List) Errorf(rule string, pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Severity: Error, Rule: rule, Pos: pos, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning.
func (l *List) Warnf(rule string, pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Severity: Warning, Rule: rule, Pos: pos, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Sorted returns the list in the order of files, lines and columns, without
// repetitions.
func (l List) Sorted() List {
	out := slices.Clone(l)
	slices.SortStableFunc(out, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			strings.Compare(a.Rule, b.Rule),
			strings.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(out)
}

// HasErrors tells whether any diagnostic is an error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err is the list as an error: nil when it holds no error, whatever its
// warnings.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return l.Sorted()
}

// Error is the first error in file order, and how many more there are.
func (l List) Error() string {
	var first *Diagnostic
	n := 0
	for i := range l {
		if l[i].Severity == Error {
			if first == nil {
				first = &l[i]
			}
			n++
		}
	}
	if first == nil {
		return "no errors"
	}
	s := first.Pos.String() + ": " + first.Message
	if n > 1 {
		s += fmt.Sprintf(" (and %d more)", n-1)
	}
	return s
}

// WithLines fills in the source lines that are not there yet. read returns a
// file's content, nil where it cannot be read.
func (l List) WithLines(read func(file string) []byte) List {
	cache := map[string][]string{}
	out := slices.Clone(l)
	for i := range out {
		d := &out[i]
		if d.Line != "" || d.Pos.Line == 0 || d.Pos.File == "" {
			continue
		}
		lines, seen := cache[d.Pos.File]
		if !seen {
			lines = strings.Split(string(read(d.Pos.File)), "\n")
			cache[d.Pos.File] = lines
		}
		if d.Pos.Line <= len(lines) {
			d.Line = strings.TrimSuffix(lines[d.Pos.Line-1], "\r")
		}
	}
	return out
}
