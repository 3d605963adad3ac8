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
	Package string   // in the module; empty is the module's root
	Sum     string   // of the module, as go.sum has it
	Flags   string   // for the linker, beside those of every program
	Replace []string // "module=module@version" for go.mod: what it requires and proxies lack
}

// held are the versions that tools/scan/go.mod replaces others by.
var held = []string{
	"github.com/docker/cli=github.com/docker/cli@v29.9.1+incompatible",
	"github.com/github/go-spdx/v2=github.com/github/go-spdx/v2@v2.7.0",
	"github.com/google/pprof=github.com/google/pprof@v0.0.0-20250403155104-27863c87afa6",
}

// PinnedPrograms are all of them, sorted by name. Their modules' sums are
// those of tools/go.sum and tools/scan/go.sum. The archives' SHA-256 are not here: who installs
// from archives pins them, with Options.Sums.
func PinnedPrograms() []Pinned {
	buildkit := Pinned{
		Version: "v0.33.1", URL: "https://github.com/moby/buildkit/releases/download/{version}/buildkit-{version}.linux-{arch}.tar.gz",
		Module: "github.com/moby/buildkit", Sum: "h1:UUrdifmRdRadykO+f5l8BT1CseUXst2sJHV7AmkjjxE=",
		Flags: "-X github.com/moby/buildkit/version.Version=v0.33.1",
	}
	buildctl, buildkitd := buildkit, buildkit
	buildctl.Name, buildctl.Member, buildctl.Package = "buildctl", "bin/buildctl", "cmd/buildctl"
	buildkitd.Name, buildkitd.Member, buildkitd.Package = "buildkitd", "bin/buildkitd", "cmd/buildkitd"
	return []Pinned{buildctl, buildkitd, {
		Name: "grype", Version: "v0.121.2", URL: anchore("grype"), Member: "grype", Module: "github.com/anchore/grype", Package: "cmd/grype",
		Sum: "h1:t8eTlmy/XSrNwjoahWG+oUod1oCLL3KL48l/qwkzUQw=", Flags: "-X main.version=0.121.2", Replace: held,
	}, {
		Name: "registry", Version: "v3.1.2", URL: "https://github.com/distribution/distribution/releases/download/{version}/registry_{number}_linux_{arch}.tar.gz",
		Member: "registry", Module: "github.com/distribution/distribution/v3", Package: "cmd/registry", Sum: "h1:/Bv2YIqqSR00HiO49FT93hovy6r9IlrzwUDsJjCN5qg=",
	}, {
		Name: "syft", Version: "v1.57.0", URL: anchore("syft"), Member: "syft", Module: "github.com/anchore/syft", Package: "cmd/syft",
		Sum: "h1:H/UHtf0KbIlD12dXsfklFMjZ2+erj2an3h/jBHoX/zE=", Flags: "-X main.version=1.57.0", Replace: held,
	}}
}

// anchore is where the scanners' project publishes them.
func anchore(program string) string {
	return upstream + "/anchore/" + program + "/releases/download/{version}/" + program + "_{number}_linux_{arch}.tar.gz"
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
