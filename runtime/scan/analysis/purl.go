package analysis

import (
	"net/url"
	"strings"

	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"
)

// kinds are the types of package URLs, by what Artifact Analysis calls the
// type of a package.
var kinds = map[string]string{
	"MAVEN": "maven", "GO": "golang", "GO_STDLIB": "golang", "GOLANG": "golang", "NPM": "npm", "PYPI": "pypi", "PYTHON": "pypi",
	"RUBYGEMS": "gem", "RUBY": "gem", "GEM": "gem", "RUST": "cargo", "CARGO": "cargo", "CRATES": "cargo",
	"NUGET": "nuget", "DOTNET": "nuget", "COMPOSER": "composer", "PACKAGIST": "composer", "PHP": "composer",
}

// distributions are the types and namespaces of package URLs, by vendor in the
// CPE of an operating system.
var distributions = map[string][2]string{
	"debian": {"deb", "debian"}, "canonical": {"deb", "ubuntu"}, "ubuntu": {"deb", "ubuntu"}, "google": {"deb", "google"},
	"alpine": {"apk", "alpine"}, "alpinelinux": {"apk", "alpine"}, "chainguard": {"apk", "chainguard"}, "wolfi": {"apk", "wolfi"},
	"redhat": {"rpm", "redhat"}, "centos": {"rpm", "centos"}, "rocky": {"rpm", "rocky"}, "rocky_linux": {"rpm", "rocky"}, "almalinux": {"rpm", "almalinux"},
	"amazon": {"rpm", "amzn"}, "suse": {"rpm", "suse"}, "opensuse": {"rpm", "opensuse"}, "fedoraproject": {"rpm", "fedora"}, "oracle": {"rpm", "oracle"},
}

// packageURL names a package and its version. One of a type that is not known
// is generic: it is still a finding, that no exception for another type meets.
func packageURL(p *grafeaspb.VulnerabilityOccurrence_PackageIssue) string {
	name, kind, namespace := p.GetAffectedPackage(), "generic", ""
	if k, known := kinds[strings.ToUpper(p.GetPackageType())]; known {
		kind = k
	} else if d, known := distributions[vendor(p.GetAffectedCpeUri())]; known {
		kind, namespace = d[0], d[1]
	}
	switch kind {
	case "maven": // "group:artifact"
		if group, artifact, found := strings.Cut(name, ":"); found {
			namespace, name = group, artifact
		}
	case "golang", "npm", "composer":
		if slash := strings.LastIndex(name, "/"); slash > 0 {
			namespace, name = name[:slash], name[slash+1:]
		}
	case "pypi":
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	}
	if strings.EqualFold(p.GetPackageType(), "GO_STDLIB") {
		namespace, name = "", "stdlib"
	}
	var text strings.Builder
	text.WriteString("pkg:" + kind + "/")
	for part := range strings.SplitSeq(namespace, "/") {
		if part != "" {
			text.WriteString(escape(part) + "/")
		}
	}
	text.WriteString(escape(name))
	if v := version(p.GetAffectedVersion()); v != "" {
		text.WriteString("@" + escape(v))
	}
	return text.String()
}

// vendor is the second part of "cpe:/o:debian:debian_linux:12", and the fourth
// of "cpe:2.3:o:debian:...".
func vendor(cpe string) string {
	cpe = strings.TrimPrefix(strings.TrimPrefix(cpe, "cpe:2.3:"), "cpe:/")
	_, rest, _ := strings.Cut(cpe, ":")
	v, _, _ := strings.Cut(rest, ":")
	return strings.ToLower(v)
}

// escape encodes a part of a package URL: a colon stays, as everybody has it.
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%3A", ":")
}
