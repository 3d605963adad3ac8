package render

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// expr is an expression that this package wrote for the forge to evaluate.
// Everything else is text, which must never look like one.
type expr string

var (
	plain     = regexp.MustCompile(`^[A-Za-z_$.][\x20-\x7e]*$`)
	flowPlain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./+-]*$`)
	keyPlain  = regexp.MustCompile(`^[A-Za-z_.][A-Za-z0-9_.-]*$`)
	// notString are the plain scalars that some YAML reader takes for something
	// other than a string.
	notString = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|y|n|null|nan|inf|\.nan|\.inf|\.[0-9].*)$`)
)

// scalar writes one YAML scalar: plain where every reader agrees that it is a
// string, else in double quotes.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case expr:
		return quote(string(v), plain)
	case string:
		if err := checkText(v); err != nil {
			return "", err
		}
		return quote(v, plain)
	}
	return "", fmt.Errorf("writing YAML: no scalar is made of a %T", v)
}

// flow writes a short list on one line.
func flow(items []string) (string, error) {
	out := make([]string, 0, len(items))
	for _, s := range items {
		if err := checkText(s); err != nil {
			return "", err
		}
		q, err := quote(s, flowPlain)
		if err != nil {
			return "", err
		}
		out = append(out, q)
	}
	return "[" + strings.Join(out, ", ") + "]", nil
}

// key writes the name of a mapping's entry.
func key(s string) (string, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	return quote(s, keyPlain)
}

func quote(s string, safe *regexp.Regexp) (string, error) {
	if safe.MatchString(s) && !notString.MatchString(s) &&
		!strings.Contains(s, ": ") && !strings.Contains(s, " #") && !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, " ") {
		return s, nil
	}
	b, err := json.Marshal(s) // a JSON string is a double-quoted YAML scalar
	if err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	// Unlike JSON, YAML has no need of these escapes, and people read the file.
	text := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(b))
	return unprintable.ReplaceAllStringFunc(text, func(c string) string {
		r, _ := utf8.DecodeRuneInString(c)
		return fmt.Sprintf(`\u%04x`, r)
	}), nil
}

// unprintable is what YAML takes for a line break, for the beginning of a text
// or for nothing, and JSON for a letter.
var unprintable = regexp.MustCompile("[\u007f-\u009f\ufeff\ufffe\uffff]")

// checkText refuses text that a forge would evaluate.
func checkText(s string) error {
	if strings.Contains(s, "${{") {
		return fmt.Errorf("writing YAML: %q would be an expression", s)
	}
	return nil
}

// indent puts n spaces before every line that is not empty, without the last
// newline.
func indent(n int, s string) string {
	pad := strings.Repeat(" ", n)
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = pad + l
		}
	}
	return strings.Join(lines, "\n")
}
