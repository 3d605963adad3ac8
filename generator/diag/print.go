package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Print writes the list, sorted, in one of the forms text, json, github
// (workflow commands) and gitlab (a code quality report).
func (l List) Print(w io.Writer, form string, color bool) error {
	sorted := l.Sorted()
	switch form {
	case "json":
		return writeJSON(w, sorted)
	case "gitlab":
		return writeJSON(w, codeQuality(sorted))
	case "github":
		for _, d := range sorted {
			if _, err := io.WriteString(w, d.workflowCommand()); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range sorted {
		if _, err := io.WriteString(w, d.text(color)); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// text is "file:line:col: error: message [rule]", the line, a caret and the
// hint.
func (d Diagnostic) text(color bool) string {
	paint := func(s, code string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	mark := "31"
	if d.Severity == Warning {
		mark = "33"
	}
	var b strings.Builder
	if p := d.Pos.String(); p != "" {
		b.WriteString(paint(p+": ", "1"))
	}
	fmt.Fprintf(&b, "%s%s [%s]\n", paint(string(d.Severity)+": ", mark), printable(d.Message), d.Rule)
	if d.Line != "" {
		number := fmt.Sprint(d.Pos.Line)
		fmt.Fprintf(&b, " %s | %s\n", number, printable(d.Line))
		if d.Pos.Col > 0 {
			fmt.Fprintf(&b, " %s | %s\n", strings.Repeat(" ", len(number)), paint(d.caret(), mark))
		}
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", printable(d.Hint))
	}
	return b.String()
}

// caret is the marker under the line; tabs are kept so that it stays below
// its place.
func (d Diagnostic) caret() string {
	col := min(d.Pos.Col-1, len(d.Line))
	var b strings.Builder
	for _, r := range d.Line[:col] {
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	width := 1
	if end := min(d.Pos.EndCol-1, len(d.Line)); end > col {
		width = utf8.RuneCountInString(d.Line[col:end])
	}
	return b.String() + "^" + strings.Repeat("~", width-1)
}

// printable keeps control characters of people's files off the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}

var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (d Diagnostic) workflowCommand() string {
	var props []string
	add := func(name string, n int) {
		if n > 0 {
			props = append(props, fmt.Sprintf("%s=%d", name, n))
		}
	}
	if d.Pos.File != "" {
		props = append(props, "file="+commandProperty.Replace(d.Pos.File))
		add("line", d.Pos.Line)
		add("col", d.Pos.Col)
		add("endColumn", d.Pos.EndCol)
	}
	props = append(props, "title="+commandProperty.Replace(d.Rule))
	message := d.Message
	if d.Hint != "" {
		message += "\nhint: " + d.Hint
	}
	return fmt.Sprintf("::%s %s::%s\n", d.Severity, strings.Join(props, ","), commandData.Replace(message))
}
