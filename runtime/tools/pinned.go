package tools

import "strings"

// Pinned is a program that no Debian package brings in the version that is
// wanted: its project publishes it, and it can be compiled.
type Pinned struct {
	Name    string
	Version string // of the release and of the module
	URL     string // address of the archive, with {version}, {number} (without the v) and {arch}
	Member  string // the program's path in the archive
	Module  string
	Package string // in the module; empty is the module's root
	Sum     string // of the module, as go.sum has it
}

// PinnedPrograms are all of them, sorted by name. Their modules' sums are
// those of tools/go.sum. The archives' SHA-256 are not here: who installs
// from archives pins them, with Options.Sums.
func PinnedPrograms() []Pinned {
	buildkit := Pinned{
		Version: "v0.33.1", URL: "https://github.com/moby/buildkit/releases/download/{version}/buildkit-{version}.linux-{arch}.tar.gz",
		Module: "github.com/moby/buildkit", Sum: "h1:UUrdifmRdRadykO+f5l8BT1CseUXst2sJHV7AmkjjxE=",
	}
	buildctl, buildkitd := buildkit, buildkit
	buildctl.Name, buildctl.Member, buildctl.Package = "buildctl", "bin/buildctl", "cmd/buildctl"
	buildkitd.Name, buildkitd.Member, buildkitd.Package = "buildkitd", "bin/buildkitd", "cmd/buildkitd"
	return []Pinned{buildctl, buildkitd, {
		Name: "registry", Version: "v3.1.2", URL: "https://github.com/distribution/distribution/releases/download/{version}/registry_{number}_linux_{arch}.tar.gz",
		Member: "registry", Module: "github.com/distribution/distribution/v3", Package: "cmd/registry", Sum: "h1:/Bv2YIqqSR00HiO49FT93hovy6r9IlrzwUDsJjCN5qg=",
	}}
}

// upstream is what a mirror stands in for.
const upstream = "https://github.com"

// Archive is the address of the program's archive, below mirror where there is
// one, and its file name.
func (p Pinned) Archive(arch, mirror string) (address, file string) {
	address = strings.NewReplacer("{version}", p.Version, "{number}", strings.TrimPrefix(p.Version, "v"), "{arch}", arch).Replace(p.URL)
	if mirror != "" {
		address = strings.TrimSuffix(mirror, "/") + strings.TrimPrefix(address, upstream)
	}
	return address, address[strings.LastIndex(address, "/")+1:]
}
