package model

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// ProgramsURL is where releases lie unless the settings say otherwise.
const ProgramsURL = "https://github.com/rootfsgen/rootfsgen/releases/download/{version}/{program}-{os}-{arch}"

// Programs is the release that jobs take rootfsgen and rootfsrun from. The
// zero value is none.
type Programs struct {
	Version string            // for example "v1.2.3"
	URL     string            // address of one file, with {version}, {program}, {os} and {arch}
	Commit  string            // that the release was made from, empty where nobody knows
	SHA256  map[string]string // hexadecimal, by Key
}

// ProgramNames are the programs of a release, sorted.
func ProgramNames() []string { return []string{"rootfsgen", "rootfsrun"} }

// ProgramArchs are the architectures that a release is made for, sorted.
func ProgramArchs() []string { return []string{"amd64", "arm64"} }

// ProgramKey names one file of a release.
func ProgramKey(program, arch string) string { return program + "-linux-" + arch }

// ProgramKeys names all of its files, sorted.
func ProgramKeys() []string {
	var keys []string
	for _, p := range ProgramNames() {
		for _, a := range ProgramArchs() {
			keys = append(keys, ProgramKey(p, a))
		}
	}
	return keys
}

// Address is where one file of the release lies.
func (p Programs) Address(program, arch string) string {
	return strings.NewReplacer("{version}", p.Version, "{program}", program, "{os}", "linux", "{arch}", arch).Replace(p.URL)
}

// Sums is where the release's SHA256SUMS lies: beside its files.
func (p Programs) Sums() string {
	return strings.ReplaceAll(p.URL[:strings.LastIndex(p.URL, "/")+1], "{version}", p.Version) + "SHA256SUMS"
}

var (
	programsVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
	programsURL     = regexp.MustCompile(`^https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/[A-Za-z0-9._~/{}+%-]*$`)
	placeholder     = regexp.MustCompile(`\{[^{}]*\}`)
)

// CheckProgramsVersion tells why s cannot be a release's version.
func CheckProgramsVersion(s string) error {
	if !programsVersion.MatchString(s) {
		return fmt.Errorf("invalid version %q: expected one such as v1.2.3", s)
	}
	return nil
}

// CheckProgramsURL tells why s cannot be the address of a release's files.
func CheckProgramsURL(s string) error {
	if !programsURL.MatchString(s) {
		return fmt.Errorf("invalid address %.200q: expected https://, without a user or a query", s)
	}
	known := map[string]bool{"{version}": true, "{program}": true, "{os}": true, "{arch}": true}
	for _, p := range placeholder.FindAllString(s, -1) {
		if !known[p] {
			return fmt.Errorf("invalid address: there is no %s, only {version}, {program}, {os} and {arch}", p)
		}
	}
	plain := placeholder.ReplaceAllString(s, "x")
	if _, err := url.Parse(plain); err != nil || strings.ContainsAny(plain, "{}") {
		return fmt.Errorf("invalid address %.200q", s)
	}
	folder, file := s[:strings.LastIndex(s, "/")], s[strings.LastIndex(s, "/")+1:]
	if !strings.Contains(file, "{program}") || !strings.Contains(file, "{arch}") || strings.Contains(folder, "{program}") || strings.Contains(folder, "{arch}") {
		return fmt.Errorf("invalid address: {program} and {arch} must be in the file's name, after the last /, such as {program}-{os}-{arch}")
	}
	return nil
}
