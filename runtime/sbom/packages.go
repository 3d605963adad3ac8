package sbom

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxPackages bounds how many packages are believed to be in one image.
const maxPackages = 1_000_000

// Package is one package of an image.
type Package struct {
	Type    string `json:"type"` // "deb", "python"
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
}

// Packages reads the packages out of a list in syft's own format or in
// CycloneDX: sorted, each once. Whatever is in the list, no text of it has
// control characters.
func Packages(doc []byte) ([]Package, error) {
	var d struct {
		Artifacts  *[]Package `json:"artifacts"`
		BOMFormat  string     `json:"bomFormat"`
		Components []struct {
			Type, Name, Version, PURL string
			Properties                []struct{ Name, Value string }
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("reading a list of packages: %w", err)
	}
	var list []Package
	switch {
	case d.Artifacts != nil:
		list = *d.Artifacts
	case d.BOMFormat == "CycloneDX":
		for _, c := range d.Components {
			p := Package{Name: c.Name, Version: c.Version, PURL: c.PURL}
			for _, property := range c.Properties {
				if property.Name == "syft:package:type" {
					p.Type = property.Value
				}
			}
			if p.Type != "" { // files and the operating system are components, too
				list = append(list, p)
			}
		}
	default:
		return nil, fmt.Errorf("reading a list of packages: it is neither syft's nor CycloneDX")
	}
	if len(list) > maxPackages {
		return nil, fmt.Errorf("reading a list of packages: it has %d, more than %d", len(list), maxPackages)
	}
	for n, p := range list {
		list[n] = Package{Type: Clean(p.Type), Name: Clean(p.Name), Version: Clean(p.Version), PURL: Clean(p.PURL)}
	}
	slices.SortFunc(list, Package.compare)
	return slices.Compact(list), nil
}

func (p Package) compare(o Package) int {
	return cmp.Or(cmp.Compare(p.Type, o.Type), cmp.Compare(p.Name, o.Name), cmp.Compare(p.Version, o.Version), cmp.Compare(p.PURL, o.PURL))
}

// maxText bounds one text of a list, in bytes.
const maxText = 1024

// Clean is a text out of an image or of what a scanner says of one, for people
// and logs: on one line, without control characters, of bounded length.
func Clean(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText-len("…")], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

// Change is a package that two images have in different versions.
type Change struct {
	Type string   `json:"type"`
	Name string   `json:"name"`
	From []string `json:"from"` // versions, sorted; empty where the package is new
	To   []string `json:"to"`   // empty where it is gone
}

// Diff is what changed from one image's packages to another's, sorted.
func Diff(from, to []Package) []Change {
	type key struct{ kind, name string }
	versions := func(list []Package) map[key][]string {
		m := map[key][]string{}
		for _, p := range list {
			k := key{p.Type, p.Name}
			if !slices.Contains(m[k], p.Version) {
				m[k] = append(m[k], p.Version)
			}
		}
		for k := range m {
			slices.Sort(m[k])
		}
		return m
	}
	before, after := versions(from), versions(to)
	var changes []Change
	for k, was := range before {
		if is := after[k]; !slices.Equal(was, is) {
			changes = append(changes, Change{Type: k.kind, Name: k.name, From: was, To: append([]string{}, is...)})
		}
	}
	for k, is := range after {
		if before[k] == nil {
			changes = append(changes, Change{Type: k.kind, Name: k.name, From: []string{}, To: is})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	return changes
}

// Source reads out of a list in syft's own format which image it is of; the
// digest and the platform are zero where it does not say.
func Source(doc []byte) (digest model.Digest, platform model.Platform) {
	var d struct {
		Source struct {
			Metadata struct {
				Digest model.Digest `json:"manifestDigest"`
				OS     string       `json:"os"`
				Arch   string       `json:"architecture"`
			} `json:"metadata"`
		} `json:"source"`
	}
	if json.Unmarshal(doc, &d) != nil {
		return "", model.Platform{}
	}
	if d.Source.Metadata.Digest.Valid() {
		digest = d.Source.Metadata.Digest
	}
	platform, _ = model.ParsePlatform(d.Source.Metadata.OS + "/" + d.Source.Metadata.Arch) // or it is one that nothing here is made for
	return digest, platform
}
