package key

import (
	"regexp"
	"strings"
)

// secretName fits names that values are kept secret under. It does not matter
// that others fit too: only what people are shown depends on it.
var secretName = regexp.MustCompile(`(?i)(?:^|[_.-])(?:password|passwd|passphrase|pwd|secret|secrets|token|credential|credentials|apikey|api_key|auth|private_key|access_key|secret_key)(?:$|[_.-])`)

// Secret tells whether a value of that name is kept from people's eyes: from
// reasons, requests and logs. Such a value does not belong in an argument,
// but where it is in one, no comment on a request should repeat it.
func Secret(name string) bool { return secretName.MatchString(name) }

const hiddenValue = "(hidden)"

// hidden stands for a secret value; for none it is empty.
func hidden(value string, has bool) string {
	if !has || value == "" {
		return ""
	}
	return hiddenValue
}

var (
	assignment = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+)`)
	legacy     = regexp.MustCompile(`(?i)^(ENV\s+)([A-Za-z_][A-Za-z0-9_.-]*)\s+[^\s=].*$`)
	userinfo   = regexp.MustCompile(`([a-z][a-z0-9+.-]*://)[^\s/@"']+@`)
)

// Redact is an instruction without the values that are given to secret names,
// and without the credentials in addresses.
func Redact(instruction string) string {
	if m := legacy.FindStringSubmatch(instruction); m != nil && Secret(m[2]) {
		return m[1] + m[2] + " " + hiddenValue
	}
	if strings.Contains(instruction, "=") {
		instruction = assignment.ReplaceAllStringFunc(instruction, func(s string) string {
			name, value, _ := strings.Cut(s, "=")
			if !Secret(name) || strings.HasPrefix(strings.Trim(value, `"'`), "$") {
				return s
			}
			return name + "=" + hiddenValue
		})
	}
	if strings.Contains(instruction, "://") {
		instruction = userinfo.ReplaceAllString(instruction, "${1}"+hiddenValue+"@")
	}
	return instruction
}
