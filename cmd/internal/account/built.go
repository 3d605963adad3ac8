package account

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
)

// Built is what became of an index, beside the version before it.
type Built struct {
	Image     string     `json:"image"`
	Tag       string     `json:"tag"`
	Before    string     `json:"before,omitempty"` // tag of the version before; empty where there is none
	Platforms []Platform `json:"platforms"`
}

// Platform is one platform of an index.
type Platform struct {
	Platform string   `json:"platform"`
	Size     int64    `json:"size"`             // compressed, in bytes
	Before   int64    `json:"before,omitempty"` // the same of the version before; 0 is not known
	Packages []Change `json:"packages"`         // that differ from the version before, sorted
	Unknown  string   `json:"unknown,omitempty"`
}

// Change is a package that came, went or moved.
type Change struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Changes are the differences between two sets of packages, by name; a name
// with several versions has them in one word each.
func Changes(before, now map[string]string) []Change {
	out := []Change{}
	for name, version := range now {
		if before[name] != version {
			out = append(out, Change{Name: name, Old: before[name], New: version})
		}
	}
	for name, version := range before {
		if _, there := now[name]; !there {
			out = append(out, Change{Name: name, Old: version})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// shownChanges of a platform's packages are listed.
const shownChanges = 500

// Markdown is the index for people on a forge.
func (b *Built) Markdown() string {
	var s strings.Builder
	fmt.Fprintf(&s, "\n**%s** as %s", planning.Code(b.Image), planning.Code(b.Tag))
	if b.Before != "" {
		s.WriteString(", before " + planning.Code(b.Before))
	}
	s.WriteString("\n\n| platform | size | before | change | packages |\n|---|---|---|---|---|\n")
	for n := range b.Platforms {
		p := &b.Platforms[n]
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s |\n", planning.Code(p.Platform), bytes(p.Size), bytes(p.Before), p.change(), p.packages(b.Before))
	}
	for n := range b.Platforms {
		if p := &b.Platforms[n]; len(p.Packages) > 0 {
			p.list(&s)
		}
	}
	return s.String()
}

func (p *Platform) list(s *strings.Builder) {
	fmt.Fprintf(s, "\n<details><summary>%s of %s</summary>\n\n", count(len(p.Packages), "package"), planning.Escape(p.Platform))
	for _, c := range p.Packages[:min(len(p.Packages), shownChanges)] {
		line := c.Old + " -> " + c.New
		switch {
		case c.Old == "":
			line = c.New + " added"
		case c.New == "":
			line = c.Old + " removed"
		}
		s.WriteString("- " + planning.Code(c.Name) + " " + planning.Code(line) + "\n")
	}
	if more := len(p.Packages) - shownChanges; more > 0 {
		fmt.Fprintf(s, "- and %d more\n", more)
	}
	s.WriteString("\n</details>\n")
}

// change is by how much the size differs.
func (p *Platform) change() string {
	if p.Before == 0 {
		return "not known"
	}
	sign, by := "+", p.Size-p.Before
	switch {
	case by == 0:
		return "none"
	case by < 0:
		sign, by = "-", -by
	}
	return fmt.Sprintf("%s%s (%s%.1f %%)", sign, bytes(by), sign, 100*float64(by)/float64(p.Before))
}

func (p *Platform) packages(before string) string {
	switch {
	case before == "":
		return "nothing to compare with"
	case p.Unknown != "":
		return "not known: " + planning.Escape(p.Unknown)
	case len(p.Packages) == 0:
		return "as before"
	}
	return count(len(p.Packages), "package") + " changed"
}

// bytes is a size as people say it.
func bytes(n int64) string {
	switch {
	case n <= 0:
		return "not known"
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}
