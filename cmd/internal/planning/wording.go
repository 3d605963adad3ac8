package planning

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Short is a reason in a few words.
func Short(r model.Reason) string {
	subject := r.Path
	if subject == "" {
		subject = r.Name
	}
	switch r.Kind {
	case model.ReasonNew:
		if r.Detail == "" {
			return "new"
		}
		return plain("new: " + r.Detail)
	case model.ReasonRegistry, model.ReasonRemoved:
		if r.Path == "" && r.Detail != "" {
			return plain(r.Detail)
		}
	case model.ReasonForced:
		return "forced"
	case model.ReasonParent:
		if behind, found := strings.CutPrefix(r.Detail, "because "); found {
			return plain(r.Kind + " " + subject + " (" + behind + ")")
		}
	}
	if isPackage(r) {
		return plain("package " + subject)
	}
	if subject == "" {
		return plain(strings.TrimSpace(r.Kind + " " + r.Detail))
	}
	return plain(r.Kind + " " + subject)
}

// Change is what a reason was and what it is: "old -> new", "added, new" or
// "removed, was old"; empty where neither is known. Objects and digests are
// short; --json has them whole.
func Change(r model.Reason) string {
	if r.Kind == model.ReasonNew {
		return ""
	}
	old, now := readable(r.Old, r.New)
	switch {
	case old != "" && old == now: // neither is shown
		return "another value"
	case old != "" && now != "":
		return plain(old + " -> " + now)
	case now != "":
		return plain("added, " + now)
	case old != "" && r.Kind == model.ReasonFile:
		return plain("was " + old)
	case old != "":
		return plain("removed, was " + old)
	}
	return ""
}

// Long is a reason with what it was and what it is.
func Long(r model.Reason) string {
	s := Short(r)
	if change := Change(r); change != "" {
		s += ": " + change
	}
	if r.Kind != model.ReasonNew && r.Detail != "" && !strings.Contains(s, plain(strings.TrimPrefix(r.Detail, "because "))) {
		s += " (" + plain(r.Detail) + ")"
	}
	return s
}

// readable shortens what was and what is. A file's mode is left out where it
// is the same, its content where that is.
func readable(old, now string) (string, string) {
	oldMode, oldID, oldFile := strings.Cut(old, " git:")
	newMode, newID, newFile := strings.Cut(now, " git:")
	switch {
	case !oldFile || !newFile:
	case oldMode == newMode:
		return brief(oldID), brief(newID)
	case oldID == newID:
		return "mode " + oldMode, newMode
	}
	return brief(old), brief(now)
}

// brief is a value in at most a line, objects and digests in twelve digits.
func brief(s string) string {
	const longest, id = 80, 12
	if d := model.Digest(s).Short(); d != "" {
		return d
	}
	words := strings.Fields(s)
	for i, w := range words {
		prefix, hex := "", w
		for _, mark := range []string{"git:", "@sha256:"} {
			if at := strings.LastIndex(w, mark); at >= 0 {
				prefix, hex = w[:at+len(mark)], w[at+len(mark):]
			}
		}
		if (len(hex) == 40 || len(hex) == 64) && strings.Trim(hex, "0123456789abcdef") == "" {
			words[i] = prefix + hex[:id]
		}
	}
	s = strings.Join(words, " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}

// plain keeps what people wrote from being more than text: no control
// character, and nothing that turns the direction of what follows.
func plain(s string) string {
	if strings.IndexFunc(s, hostile) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hostile(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hostile(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }

// isPackage tells whether a reason is about a Debian package.
func isPackage(r model.Reason) bool {
	return r.Kind == model.ReasonBase && r.Detail == key.DetailPackage
}

// count is "1 image", "9,998 images".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + one + "s"
}

// thousands is a number with commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
