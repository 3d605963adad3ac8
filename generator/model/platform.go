package model

import (
	"fmt"
	"strings"
)

// Platform is an operating system and an architecture, for example
// linux/arm64. It is comparable, so it can be a map key. The zero value is no
// platform.
type Platform struct {
	OS   string
	Arch string
}

// The platforms that a fleet can be built for.
var (
	LinuxAMD64 = Platform{OS: "linux", Arch: "amd64"}
	LinuxARM64 = Platform{OS: "linux", Arch: "arm64"}
)

// ParsePlatform reads "linux/amd64", or "amd64" alone, which means Linux.
// Only linux on amd64 and arm64 are known.
func ParsePlatform(s string) (Platform, error) {
	goos, arch, found := strings.Cut(s, "/")
	if !found {
		goos, arch = "linux", s
	}
	p := Platform{OS: goos, Arch: arch}
	if p != LinuxAMD64 && p != LinuxARM64 {
		return Platform{}, fmt.Errorf("unknown platform %q: expected linux/amd64 or linux/arm64", s)
	}
	return p, nil
}

// String is the canonical form, "linux/amd64"; empty for no platform.
func (p Platform) String() string {
	switch p {
	case Platform{}:
		return ""
	case LinuxAMD64: // nothing is joined for the platforms that there are
		return "linux/amd64"
	case LinuxARM64:
		return "linux/arm64"
	}
	return p.OS + "/" + p.Arch
}

// Compare orders platforms as their canonical forms are ordered.
func (p Platform) Compare(o Platform) int {
	if p == o {
		return 0
	}
	return strings.Compare(p.String(), o.String())
}

// Dashed is the form that tags and file names take, "linux-amd64".
func (p Platform) Dashed() string { return p.OS + "-" + p.Arch }

// MarshalText writes the canonical form.
func (p Platform) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the canonical form; an unknown platform is an error.
func (p *Platform) UnmarshalText(b []byte) error {
	parsed, err := ParsePlatform(string(b))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
