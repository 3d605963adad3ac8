package planning

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Text is the explanations for a person. Platforms of an image that differ in
// nothing but their own and their parents' keys share one.
func Text(explained []Explanation, links Links) string {
	type group struct {
		heading   string
		platforms []string
		whole     string // with the keys that differ by platform
		loose     string // without them
		same      bool   // whole holds for every platform
	}
	groups := map[string]*group{}
	var order []string
	for i := range explained {
		e := &explained[i]
		node := model.TargetID{Image: e.Image, Tag: e.Tag, Variant: e.Variant}.Node()
		whole, loose := e.text(links, true), e.text(links, false)
		id := node + "\n" + string(e.Action) + "\n" + loose
		g := groups[id]
		if g == nil {
			g = &group{heading: node, whole: whole, loose: loose, same: true}
			groups[id] = g
			order = append(order, id)
		}
		g.platforms = append(g.platforms, e.Platform.String())
		g.same = g.same && g.whole == whole
	}
	var b strings.Builder
	for i, id := range order {
		if i > 0 {
			b.WriteByte('\n')
		}
		g := groups[id]
		fmt.Fprintf(&b, "%s (%s): %s\n", g.heading, strings.Join(g.platforms, ", "), strings.SplitN(id, "\n", 3)[1])
		if g.same {
			b.WriteString(g.whole)
		} else {
			b.WriteString(g.loose)
		}
	}
	return b.String()
}

// text is one explanation below its heading: what happens, the causes, and
// what differs. keys also shows what differs by platform.
func (e *Explanation) text(links Links, keys bool) string {
	var b strings.Builder
	summary := e.Summary
	if !keys && e.Digest != "" {
		summary = strings.Replace(summary, " as "+e.Digest.String(), "", 1)
	}
	fmt.Fprintf(&b, "  %s\n", summary)
	causes, packages := foldCauses(e.Causes)
	if e.idle() {
		causes = nil // the sentence has said it
	}
	for _, c := range causes {
		b.WriteString("  ")
		b.WriteString(over(c.Chain) + "because " + e.causeText(c, links) + "\n")
	}
	if packages != "" {
		b.WriteString("  " + packages + "\n")
	}
	if len(e.Differences) > 0 {
		e.differences(&b, links, keys)
	}
	return b.String()
}

// foldCauses takes out the packages, of which there may be hundreds, but for
// those that an ancestor has: these are counted there.
func foldCauses(all []Cause) (others []Cause, packages string) {
	byChain := map[string][]model.Reason{}
	var order []string
	for _, c := range all {
		if !isPackage(c.Reason) {
			others = append(others, c)
			continue
		}
		chain := over(c.Chain)
		if byChain[chain] == nil {
			order = append(order, chain)
		}
		byChain[chain] = append(byChain[chain], c.Reason)
	}
	var lines []string
	for _, chain := range order {
		p := byChain[chain]
		line := chain + "because of " + count(len(p), "package") + " of Debian"
		if chain != "" { // its own stand with the differences
			line += ": " + packageList(p, nearPackages)
		}
		lines = append(lines, line)
	}
	return others, strings.Join(lines, "\n  ")
}

// idle tells whether nothing happens to the target, for no other reason than
// that nothing changed.
func (e *Explanation) idle() bool {
	return e.Action == model.ActionNone && e.Steps[model.StepTest] != model.StepRun && e.OldKey == e.Key && len(e.Because) == 1 &&
		e.Because[0].Kind == model.ReasonRegistry && strings.HasPrefix(e.Because[0].Detail, "unchanged") && !strings.Contains(e.Because[0].Detail, "request")
}

// over is the way over parents to a cause.
func over(chain []string) string {
	if len(chain) == 0 {
		return ""
	}
	return "because " + strings.Join(chain, ", because ") + ", "
}

// causeText is a cause in one clause. What the target's own edits were stands
// with the differences, below.
func (e *Explanation) causeText(c Cause, links Links) string {
	r := c.Reason
	if len(c.Chain) == 0 && len(e.Differences) > 0 && slices.Contains(e.Differences, r) {
		r.Old, r.New = "", ""
		if r.Path == "" {
			return plain(r.Kind + " " + r.Name)
		}
	}
	var what string
	switch r.Kind {
	case model.ReasonFile:
		what = fileChange(c.Reason)
	case model.ReasonRemoved:
		if r.Path == "" {
			return plain(r.Detail)
		}
		what = "removed"
	case model.ReasonTemplate:
		what = "edited"
		if r.Old+r.New == "" && c.Reason.Old+c.Reason.New == "" {
			what = r.Detail
		}
	case model.ReasonNew:
		return plain(strings.TrimSpace(r.Name + " is new: " + r.Detail))
	case model.ReasonForced:
		return "--force " + plain(r.Name)
	case model.ReasonRebuildAll:
		if r.Name != "" {
			return plain("the tag " + r.Name + ` ends in "a": everything is built anew`)
		}
		return "--all: everything is built anew"
	case model.ReasonRegistry:
		return plain(r.Detail)
	default:
		return changeOf(r, links)
	}
	s := plain(r.Path) + " (" + what + ")"
	if change := linkChange(r, links); change != "" && r.Old+r.New != "" {
		s += ": " + change
	}
	return s
}

// changeOf is a reason that is about a name: what it was and what it is.
func changeOf(r model.Reason, links Links) string {
	s := plain(r.Kind + " " + r.Name)
	if change := linkChange(r, links); change != "" && r.Kind != model.ReasonParent {
		s += ": " + change
	}
	if r.Detail != "" && !strings.HasPrefix(r.Detail, "because ") {
		s += " (" + plain(r.Detail) + ")"
	}
	return s
}

// fileChange says in words what happened to a file.
func fileChange(r model.Reason) string {
	_, old, hadIt := strings.Cut(r.Old, " git:")
	_, now, hasIt := strings.Cut(r.New, " git:")
	switch {
	case r.Old == "":
		return "read now"
	case r.New == "":
		return "no longer read"
	case hadIt && hasIt && old == now && r.Detail != "":
		return r.Detail
	case r.Detail != "":
		return "edited, " + r.Detail
	}
	return "edited"
}

// linkChange is Change, with the texts of links instead of their objects.
func linkChange(r model.Reason, links Links) string {
	text, found := links[r.Path]
	if !found || r.Path == "" || r.Kind != model.ReasonFile && r.Kind != model.ReasonRemoved {
		return Change(r)
	}
	side := func(object, link string) string {
		if isLink(object) && link != "" {
			return "link to " + plain(link)
		}
		return brief(object)
	}
	old, now := side(r.Old, text[0]), side(r.New, text[1])
	switch {
	case old == "":
		return "added, " + now
	case now == "" && r.Kind == model.ReasonFile:
		return "was " + old
	case now == "":
		return "removed, was " + old
	}
	return old + " -> " + now
}

// differences lists all that differs between the two keys.
func (e *Explanation) differences(b *strings.Builder, links Links, keys bool) {
	b.WriteString("  What differs between the two keys")
	if keys {
		fmt.Fprintf(b, ", %s -> %s", e.OldKey.Short(), e.Key.Short())
	}
	b.WriteString(":\n")
	others, packages := splitPackages(e.Differences)
	var rows [][3]string
	for _, r := range others {
		change := linkChange(r, links)
		switch {
		case r.Kind == model.ReasonTemplate && len(e.Dockerfile) > 0:
			continue
		case r.Kind == model.ReasonParent && !keys && model.Digest(r.Old).Valid():
			change = "another key"
		case r.Kind == model.ReasonParent && model.Digest(r.Old).Valid():
			change = "key " + change
		case r.Kind == model.ReasonRemoved:
			change = strings.TrimPrefix(change, "removed, ")
		}
		subject := r.Path
		if subject == "" {
			subject = r.Name
		}
		if r.Kind == model.ReasonFile && r.Detail != "" && change != "" && r.Detail != "is read now" {
			change += ", " + r.Detail
		}
		if r.Path == "" && r.Detail != "" && !strings.HasPrefix(r.Detail, "because ") {
			change += " (" + plain(r.Detail) + ")"
		}
		rows = append(rows, [3]string{r.Kind, plain(subject), change})
	}
	writeAligned(b, rows)
	if len(packages) > 0 {
		fmt.Fprintf(b, "    %s of Debian: %s\n", count(len(packages), "package"), packageList(packages, shownPackages))
	}
	for i, line := range e.Dockerfile {
		if i == 0 {
			fmt.Fprintf(b, "    %s\n", plain(dockerfileOf(others)))
		}
		fmt.Fprintf(b, "      %s\n", plain(line))
	}
}

// dockerfileOf is where the instructions are that differ.
func dockerfileOf(reasons []model.Reason) string {
	for _, r := range reasons {
		if r.Kind == model.ReasonTemplate {
			return r.Path
		}
	}
	return "instructions"
}

// writeAligned writes kinds, subjects and changes in columns. A subject that is
// far longer than others does not push their changes away.
func writeAligned(b *strings.Builder, rows [][3]string) {
	const widest = 48
	kinds, subjects := 0, 0
	for _, r := range rows {
		kinds = max(kinds, len(r[0]))
		if n := utf8.RuneCountInString(r[1]); n <= widest {
			subjects = max(subjects, n)
		}
	}
	for _, r := range rows {
		pad := max(0, subjects-utf8.RuneCountInString(r[1]))
		line := fmt.Sprintf("    %-*s  %s%s  %s", kinds, r[0], r[1], strings.Repeat(" ", pad), r[2])
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
