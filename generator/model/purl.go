package model

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// PURL is a package URL: what a package is, wherever it was found.
type PURL struct {
	Type       string            // "deb", lower case
	Namespace  string            // "debian", may be empty
	Name       string            // "openssl"
	Version    string            // "3.0.1", may be empty
	Qualifiers map[string]string // "arch" -> "amd64"; nil where there are none
	Subpath    string
}

// maxPURL is the longest package URL that is believed.
const maxPURL = 2048

var (
	purlType      = regexp.MustCompile(`^[a-z][a-z0-9.-]*$`)
	purlQualifier = regexp.MustCompile(`^[a-z][a-z0-9._-]*$`)
)

// ParsePURL reads "pkg:type/namespace/name@version?qualifiers#subpath". What
// the types themselves take for the same is the same: names in lower case where
// letters do not matter, and - for _ in Python's.
func ParsePURL(s string) (PURL, error) {
	bad := func() (PURL, error) {
		return PURL{}, fmt.Errorf("invalid package URL %.80q: expected one such as pkg:deb/debian/openssl or pkg:npm/lodash@4.17.21", s)
	}
	rest, found := strings.CutPrefix(s, "pkg:")
	if !found || len(s) > maxPURL || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad()
	}
	var p PURL
	var ok bool
	rest, subpath, _ := strings.Cut(rest, "#")
	rest, qualifiers, _ := strings.Cut(rest, "?")
	if p.Subpath, ok = purlPath(subpath); !ok {
		return bad()
	}
	if p.Qualifiers, ok = purlQualifiers(qualifiers); !ok {
		return bad()
	}
	kind, rest, found := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	p.Type = strings.ToLower(kind)
	if !found || !purlType.MatchString(p.Type) {
		return bad()
	}
	rest = strings.Trim(rest, "/")
	if at := strings.LastIndex(rest, "@"); at > strings.LastIndex(rest, "/") && at > 0 { // "@scope/name" is a namespace
		version, err := url.PathUnescape(rest[at+1:])
		if err != nil || version == "" {
			return bad()
		}
		rest, p.Version = rest[:at], version
	}
	path, ok := purlPath(rest)
	if !ok || path == "" {
		return bad()
	}
	if slash := strings.LastIndex(path, "/"); slash >= 0 {
		p.Namespace, path = path[:slash], path[slash+1:]
	}
	if p.Name = path; strings.HasPrefix(path, "@") { // a namespace or a version without a name
		return bad()
	}
	return p.normal(), nil
}

// purlPath decodes each part of a path.
func purlPath(s string) (string, bool) {
	var parts []string
	for part := range strings.SplitSeq(s, "/") {
		decoded, err := url.PathUnescape(part)
		if err != nil || decoded == ".." || strings.Contains(decoded, "/") {
			return "", false
		}
		if decoded != "" && decoded != "." {
			parts = append(parts, decoded)
		}
	}
	return strings.Join(parts, "/"), true
}

func purlQualifiers(s string) (map[string]string, bool) {
	if s == "" {
		return nil, true
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		decoded, err := url.PathUnescape(value)
		if _, twice := out[key]; err != nil || twice || !purlQualifier.MatchString(key) {
			return nil, false
		}
		if decoded != "" {
			out[key] = decoded
		}
	}
	return out, true
}

// normal applies what the types say of case.
func (p PURL) normal() PURL {
	switch p.Type {
	case "alpm", "apk", "bitbucket", "composer", "deb", "github", "gitlab", "golang", "hex", "npm", "pub":
		p.Namespace, p.Name = strings.ToLower(p.Namespace), strings.ToLower(p.Name)
	case "rpm":
		p.Namespace = strings.ToLower(p.Namespace)
	case "pypi":
		p.Name = strings.ReplaceAll(strings.ToLower(p.Name), "_", "-")
	}
	return p
}

// Covers tells whether o is a package that p means: the same type, namespace
// and name, and whatever else p says of it. Without a version p means every
// version.
func (p PURL) Covers(o PURL) bool {
	if p.Type != o.Type || p.Namespace != o.Namespace || p.Name != o.Name ||
		p.Version != "" && p.Version != o.Version || p.Subpath != "" && p.Subpath != o.Subpath {
		return false
	}
	for key, value := range p.Qualifiers {
		if o.Qualifiers[key] != value {
			return false
		}
	}
	return true
}
