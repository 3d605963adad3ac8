package source

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The placeholders of a pattern.
const (
	placeName    = "name"
	placeTag     = "tag"
	placeVariant = "variant"
)

var placeholders = []string{placeName, placeTag, placeVariant}

// named is what a path says about an image; empty is nothing.
type named struct{ name, tag, variant string }

// with fills in what n leaves open.
func (n named) with(o named) named {
	return named{orDefault(n.name, o.name), orDefault(n.tag, o.tag), orDefault(n.variant, o.variant)}
}

// pattern is a rule for paths, taken apart.
type pattern []component

// component matches one component of a path, or any number of them.
type component struct {
	literal string           // when forms is empty
	any     bool             // "*": any one component
	many    bool             // "**": any number of components, none included
	whole   string           // the placeholder that is the whole component
	forms   []*regexp.Regexp // tried in this order
}

// compilePattern reads a folder pattern that checkFolderPattern accepts.
func compilePattern(s string) pattern {
	var p pattern
	for part := range strings.SplitSeq(s, "/") {
		p = append(p, compileComponent(part))
	}
	return p
}

func compileComponent(s string) component {
	switch s {
	case "*":
		return component{any: true}
	case "**":
		return component{many: true}
	}
	for _, p := range placeholders {
		if s == "{"+p+"}" {
			return component{whole: p}
		}
	}
	if !strings.ContainsAny(s, "{*?") {
		return component{literal: s}
	}
	// A tag that begins like a version is told from the name by that, as early
	// as possible; any other is what follows the last separator.
	forms := []string{form(s, ".+?", "v?[0-9].*"), form(s, ".+", ".+")}
	var c component
	for _, f := range slices.Compact(forms) {
		c.forms = append(c.forms, regexp.MustCompile(f))
	}
	return c
}

// form is the regular expression of one component, where name and variant are
// one expression and the tag another.
func form(s, name, tag string) string {
	var b strings.Builder
	b.WriteString(`^(?s)`)
	for s != "" {
		placed := false
		for _, p := range placeholders {
			rest, is := strings.CutPrefix(s, "{"+p+"}")
			if !is {
				continue
			}
			expression := name
			if p == placeTag {
				expression = tag
			}
			fmt.Fprintf(&b, "(?P<%s>%s)", p, expression)
			s, placed = rest, true
			break
		}
		if placed {
			continue
		}
		switch s[0] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		default:
			_, n := utf8.DecodeRuneInString(s)
			b.WriteString(regexp.QuoteMeta(s[:n]))
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return b.String() + "$"
}

// match tells whether the components of a path fit, and what they name.
func (p pattern) match(parts []string) (named, bool) {
	for i, c := range p {
		if c.many {
			for n := range len(parts) - i + 1 {
				if n+i > len(parts) {
					break
				}
				if rest, ok := p[i+1:].match(parts[i+n:]); ok {
					front, _ := p[:i].match(parts[:i])
					return front.with(rest), true
				}
			}
			return named{}, false
		}
		if i >= len(parts) || !c.fits(parts[i]) {
			return named{}, false
		}
	}
	if len(p) != len(parts) {
		return named{}, false
	}
	var n named
	for i, c := range p {
		n = n.with(c.names(parts[i]))
	}
	return n, true
}

func (c component) fits(s string) bool {
	switch {
	case c.any, c.whole != "":
		return true
	case len(c.forms) == 0:
		return c.literal == s
	}
	return slices.ContainsFunc(c.forms, func(f *regexp.Regexp) bool { return f.MatchString(s) })
}

func (c component) names(s string) named {
	var n named
	set := func(place, value string) {
		switch place {
		case placeName:
			n.name = value
		case placeTag:
			n.tag = value
		case placeVariant:
			n.variant = value
		}
	}
	set(c.whole, s)
	for _, f := range c.forms {
		if m := f.FindStringSubmatch(s); m != nil {
			for i, place := range f.SubexpNames() {
				set(place, m[i])
			}
			break
		}
	}
	return n
}

// checkFolderPattern tells why s cannot say which folders are images.
func checkFolderPattern(s string) error {
	if err := model.CheckPath(s); err != nil {
		return err
	}
	if err := checkPlaceholders(s); err != nil {
		return err
	}
	many := 0
	for part := range strings.SplitSeq(s, "/") {
		if part == "**" {
			many++
		}
		plain := withoutPlaceholders(part)
		if strings.ContainsAny(plain, `{}[]?\`) || part != "*" && part != "**" && strings.Contains(part, "*") {
			return fmt.Errorf("invalid pattern %q: * and ** stand for whole folders, {name}, {tag} and {variant} for names", s)
		}
	}
	if many > 2 {
		return fmt.Errorf("invalid pattern %q: at most two ** can be told apart", s)
	}
	return nil
}

// checkBuildFile tells why s cannot say which files of a folder are built.
func checkBuildFile(s string) error {
	if strings.ContainsAny(s, "/\\\x00\n\r[]") || s == "." || s == ".." {
		return fmt.Errorf("invalid pattern %q: expected the name of a file in the image's folder, such as Dockerfile.{variant}", s)
	}
	if err := checkPlaceholders(s); err != nil {
		return err
	}
	if strings.ContainsAny(withoutPlaceholders(s), "{}") {
		return fmt.Errorf("invalid pattern %q: {name}, {tag} and {variant} stand for names", s)
	}
	return nil
}

func checkPlaceholders(s string) error {
	for _, p := range placeholders {
		if strings.Count(s, "{"+p+"}") > 1 {
			return fmt.Errorf("invalid pattern %q: {%s} stands there twice", s, p)
		}
	}
	return nil
}

func withoutPlaceholders(s string) string {
	for _, p := range placeholders {
		s = strings.ReplaceAll(s, "{"+p+"}", "x")
	}
	return s
}

// glob is a path with wildcards, taken apart; "**" stands for any number of
// folders.
type glob []string

func compileGlobs(globs []string) []glob {
	out := make([]glob, 0, len(globs))
	for _, g := range globs {
		out = append(out, strings.Split(cleanPath(g), "/"))
	}
	return out
}

// excluded tells whether one of the globs matches a path or a folder above it.
func excluded(parts []string, globs []glob) bool {
	for _, g := range globs {
		for n := 1; n <= len(parts); n++ {
			if g.match(parts[:n]) {
				return true
			}
		}
	}
	return false
}

func (g glob) match(parts []string) bool {
	for len(g) > 0 {
		if g[0] == "**" {
			for n := range len(parts) + 1 {
				if g[1:].match(parts[n:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(g[0], parts[0]); err != nil || !ok {
			return false
		}
		g, parts = g[1:], parts[1:]
	}
	return len(parts) == 0
}
