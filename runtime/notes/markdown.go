package notes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// mostListed bounds how many packages or findings of one image are listed;
// forges cut a long description anywhere.
const mostListed = 60

// Markdown writes the notes as the body of a release.
func (n Notes) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", n.title())
	if len(n.Images) == 0 {
		fmt.Fprintf(&b, "Nothing differs: %d images are the same.\n", n.Same)
		n.fixed(&b)
		return b.String()
	}
	b.WriteString("| image | | from | to | digest |\n|---|---|---|---|---|\n")
	for _, i := range n.Images {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(i.ID), i.Kind, code(tagOf(i.From)), code(tagOf(i.To)), code(i.Is.String()))
	}
	fmt.Fprintf(&b, "\n%d more are the same.\n", n.Same)
	for _, i := range n.Images {
		i.details(&b)
	}
	n.fixed(&b)
	return b.String()
}

// fixed names what is somebody else's.
func (n Notes) fixed(b *strings.Builder) {
	if len(n.Fixed) == 0 {
		return
	}
	b.WriteString("\n### Not scanned and not judged\n\n")
	for _, f := range n.Fixed {
		fmt.Fprintf(b, "- %s is %s, which is somebody else's\n", code(f.ID), code(f.Reference))
	}
}

// details are the packages and findings of one image, each list once for all
// platforms that have the same.
func (i Image) details(b *strings.Builder) {
	if len(i.Platforms) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n", escape(i.ID))
	type part struct {
		text      string
		platforms []string
	}
	var parts []part
	for _, p := range i.Platforms {
		text := p.text()
		if n := slices.IndexFunc(parts, func(o part) bool { return o.text == text }); n >= 0 {
			parts[n].platforms = append(parts[n].platforms, p.Platform)
		} else {
			parts = append(parts, part{text, []string{p.Platform}})
		}
	}
	for _, p := range parts {
		fmt.Fprintf(b, "\n%s:\n\n%s", strings.Join(p.platforms, ", "), p.text)
	}
}

func (p Platform) text() string {
	var b strings.Builder
	for _, why := range p.Unknown {
		fmt.Fprintf(&b, "- %s\n", why)
	}
	list(&b, p.Packages, func(c sbom.Change) string {
		return fmt.Sprintf("- %s %s → %s\n", code(c.Name), versions(c.From), versions(c.To))
	})
	if p.Findings != nil {
		say := func(what string) func(model.Finding) string {
			return func(f model.Finding) string {
				return fmt.Sprintf("- %s: %s %s in %s\n", what, escape(f.Severity), code(f.ID), code(f.PURL))
			}
		}
		list(&b, p.Findings.Gone, say("fixed"))
		list(&b, p.Findings.New, say("**new**"))
	}
	if b.Len() == 0 {
		return "- the same packages and findings, in other bytes\n"
	}
	return b.String()
}

func list[T any](b *strings.Builder, items []T, say func(T) string) {
	for n, item := range items {
		if n == mostListed {
			fmt.Fprintf(b, "- and %d more\n", len(items)-n)
			return
		}
		b.WriteString(say(item))
	}
}

func versions(v []string) string {
	if len(v) == 0 {
		return "none"
	}
	return code(strings.Join(v, ", "))
}

// tagOf is the tag of a reference, where a release has no use for its host.
func tagOf(ref string) string {
	return ref[strings.LastIndexByte(ref, ':')+1:]
}

// code is text of somebody else's as Markdown shows it: as it is, and nothing
// in it means anything.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.Map(func(r rune) rune {
		switch r {
		case '`', '|', '\n', '\r':
			return '\''
		}
		return r
	}, sbom.Clean(s)) + "`"
}

var special = regexp.MustCompile("[\\\\`*_{}\\[\\]<>()#+!|@~&-]")

func escape(s string) string { return special.ReplaceAllString(sbom.Clean(s), `\$0`) }
