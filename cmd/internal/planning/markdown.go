package planning

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// How long a plan may be as Markdown, in bytes: a comment on a request may have
// 65,536 characters on GitHub, the summary of a job's step 1 MiB.
const (
	CommentBytes = 60_000
	SummaryBytes = 1_000_000

	longest = 300 // characters of one name, value or note
)

// Markdown is the plan for people on a forge, in at most size bytes: what
// happens to which image and why, the rest folded. What does not fit is
// counted. Nothing in it that people wrote is markup, calls anybody or refers
// to another request.
func Markdown(p *model.Plan, size int) string {
	tableBytes, reasonBytes := size/10*6, size/100*87
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", text(Summary(p, "")))
	for _, n := range p.Notes[:min(len(p.Notes), 10)] {
		b.WriteString("\n> " + text(clip(n, longest)) + "\n")
	}
	rows := slices.DeleteFunc(rowsOf(p), func(r row) bool { return r.idle })
	if len(rows) == 0 {
		return b.String()
	}
	b.WriteString("\n| image | platforms | action | steps | because |\n|---|---|---|---|---|\n")
	bounded(&b, tableBytes, len(rows), "image", func(i int) string { return tableRow(&rows[i]) }, "| … and %s more | | | | |\n")
	folded(&b, "Every reason", reasonBytes, "image", rows, reasonsOf)
	if waves := wavesOf(rows); len(waves) > 1 {
		folded(&b, count(len(waves), "wave"), size, "wave", waves, func(s string) string { return s })
	}
	return b.String()
}

// bounded writes parts until limit is reached, and then how many are left
// out.
func bounded(b *strings.Builder, limit, n int, one string, part func(int) string, rest string) {
	for i := range n {
		s := part(i)
		if b.Len()+len(s) > limit {
			fmt.Fprintf(b, rest, count(n-i, one))
			return
		}
		b.WriteString(s)
	}
}

// folded writes a section that opens on a click.
func folded[T any](b *strings.Builder, title string, limit int, one string, parts []T, show func(T) string) {
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", title)
	bounded(b, limit, len(parts), one, func(i int) string { return show(parts[i]) }, "\n… and %s more\n")
	b.WriteString("\n</details>\n")
}

func tableRow(r *row) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n",
		code(r.node), strings.Join(r.platforms, ", "), r.action, strings.Join(r.steps, ", "), markedBecause(r.reasons))
}

// markedBecause is because with its subject as code.
func markedBecause(reasons []model.Reason) string {
	s := because(reasons)
	if len(reasons) == 0 {
		return s
	}
	for _, subject := range []string{reasons[0].Path, reasons[0].Name} {
		subject = plain(subject)
		if before, after, found := strings.Cut(s, subject); found && subject != "" {
			return text(before) + code(clip(subject, longest)) + text(clip(after, longest))
		}
	}
	return text(clip(s, longest))
}

// reasonsOf is all reasons of a row, as a list.
func reasonsOf(r row) string {
	const shown = 20
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n", code(r.node), strings.Join(r.platforms, ", "))
	reasons, packages := splitPackages(r.reasons)
	for _, reason := range reasons[:min(shown, len(reasons))] {
		b.WriteString("- " + markedLong(reason) + "\n")
	}
	if n := len(reasons) - shown; n > 0 {
		fmt.Fprintf(&b, "- and %d more\n", n)
	}
	if len(packages) > 0 {
		b.WriteString("- " + count(len(packages), "package") + " of Debian: " + code(clip(packageList(packages, shownPackages), longest)) + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

// markedLong is Long with its subject and its values as code. Digests of
// parents differ by platform and say nothing to people.
func markedLong(r model.Reason) string {
	subject := r.Path
	if subject == "" {
		subject = r.Name
	}
	change := Change(r)
	if r.Kind == model.ReasonParent && r.Detail != "" || subject == "" {
		change = ""
	}
	s := text(r.Kind)
	if subject != "" {
		s += " " + code(clip(plain(subject), longest))
	}
	if change != "" {
		s += ": " + code(change)
	}
	if r.Detail != "" {
		s += " (" + text(clip(r.Detail, longest)) + ")"
	}
	return s
}

// wavesOf says which images can be built side by side.
func wavesOf(rows []row) []string {
	byWave := map[int][]string{}
	last := 0
	for _, r := range rows {
		if r.action == model.ActionBuild && !slices.Contains(byWave[r.wave], code(r.node)) {
			byWave[r.wave] = append(byWave[r.wave], code(r.node))
			last = max(last, r.wave)
		}
	}
	var out []string
	for wave := 0; wave <= last; wave++ {
		const shown = 40
		if nodes := byWave[wave]; len(nodes) > 0 {
			more := ""
			if n := len(nodes) - shown; n > 0 {
				nodes, more = nodes[:shown], fmt.Sprintf(" and %s more", thousands(n))
			}
			out = append(out, fmt.Sprintf("- wave %d: %s%s\n", wave, strings.Join(nodes, ", "), more))
		}
	}
	return out
}

// packageList is the first packages that changed, old -> new, and a count.
func packageList(packages []model.Reason, shown int) string {
	var parts []string
	for _, r := range packages[:min(shown, len(packages))] {
		s := r.Name + " " + r.Old + " -> " + r.New
		switch {
		case r.Old == "":
			s = r.Name + " " + r.New + " added"
		case r.New == "":
			s = r.Name + " " + r.Old + " removed"
		}
		parts = append(parts, plain(s))
	}
	s := strings.Join(parts, ", ")
	if n := len(packages) - shown; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// shownPackages of those that changed are named, nearPackages of a parent's.
const (
	shownPackages = 10
	nearPackages  = 3
)

// splitPackages parts the reasons that are packages from the others.
func splitPackages(all []model.Reason) (others, packages []model.Reason) {
	for _, r := range all {
		if isPackage(r) {
			packages = append(packages, r)
		} else {
			others = append(others, r)
		}
	}
	return others, packages
}

// Code is s in Markdown as it is, in a typewriter's letters, whatever it holds.
func Code(s string) string { return code(clip(s, longest)) }

// Escape is s in Markdown as it is: no markup, no names of people.
func Escape(s string) string { return text(clip(s, longest)) }

// code is s as it is, in a typewriter's letters. A span of code is not read
// for markup, names of people or numbers of requests; what a span cannot hold
// within a table goes into an element, every sign of it a reference.
func code(s string) string {
	s = plain(s)
	if s == "" {
		return ""
	}
	if !strings.ContainsAny(s, "`|\\") && strings.TrimSpace(s) == s {
		return "`" + s + "`"
	}
	return "<code>" + text(s) + "</code>"
}

// text is s as it is: every sign that could be markup is a reference, and
// after one that calls people or requests stands a space without width.
func text(s string) string {
	var b strings.Builder
	s = plain(s)
	for i, r := range s {
		switch {
		case r >= 0x80, r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', strings.ContainsRune(` ,;()"'`, r):
			b.WriteRune(r)
		case r == '.' && (i+1 == len(s) || s[i+1] == ' '), r == '-' && i > 0: // no address, no list
			b.WriteRune(r)
		case strings.ContainsRune("@#!%&$~", r): // what forges read as a person, a request, a milestone or a label
			fmt.Fprintf(&b, "&#%d;\u200b", r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// clip shortens what a person would not read to its end.
func clip(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
