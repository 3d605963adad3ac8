package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 256 << 20

// matched are the types of packages that grype has a way to look up. Of a
// package of another type it says nothing, which is not that it is harmless.
var matched = []string{
	"R-package", "alpm", "apk", "binary", "bitnami", "conan", "conda", "cpan", "dart-pub", "deb", "dotnet", "erlang-otp", "gem",
	"github-action", "github-action-workflow", "go-module", "graalvm-native-image", "hackage", "hex", "homebrew", "java-archive",
	"jenkins-plugin", "linux-kernel", "linux-kernel-module", "lua-rocks", "msrc-kb", "nix", "npm", "opam", "php-composer", "php-pear",
	"php-pecl", "pod", "portage", "python", "rpm", "rust-crate", "swift", "vcpkg", "wordpress-plugin",
}

// systemTypes are those that are looked up by the distribution.
var systemTypes = []string{"alpm", "apk", "deb", "portage", "rpm"}

// answer is what grype writes.
type answer struct {
	Matches    *[]match `json:"matches"`
	Distro     *system  `json:"distro"`
	Descriptor struct {
		Name string `json:"name"`
		DB   struct {
			Status struct {
				Built time.Time `json:"built"`
			} `json:"status"`
		} `json:"db"`
	} `json:"descriptor"`
}

type system struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type match struct {
	Vulnerability struct {
		metadata
		Fix struct {
			Versions []string `json:"versions"`
			State    string   `json:"state"`
		} `json:"fix"`
	} `json:"vulnerability"`
	Related []metadata `json:"relatedVulnerabilities"`
	Details []struct {
		Fix struct {
			Suggested string `json:"suggestedVersion"`
		} `json:"fix"`
	} `json:"matchDetails"`
	Artifact struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Type      string `json:"type"`
		PURL      string `json:"purl"`
		Locations []struct {
			Path  string `json:"path"`
			Layer string `json:"layerID"`
		} `json:"locations"`
	} `json:"artifact"`
}

type metadata struct {
	ID          string `json:"id"`
	Source      string `json:"dataSource"`
	Severity    string `json:"severity"`
	Description string `json:"description"`
	CVSS        []struct {
		Metrics struct {
			Base float64 `json:"baseScore"`
		} `json:"metrics"`
	} `json:"cvss"`
	Exploited []json.RawMessage `json:"knownExploited"`
	EPSS      []struct {
		EPSS float64 `json:"epss"`
	} `json:"epss"`
}

// match lets grype look up what a list of packages names.
func (s *Source) match(ctx context.Context, list []byte, out *model.Scan) (err error) {
	packages, err := sbom.Packages(list)
	if err != nil {
		return err
	}
	if err := readable(packages); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rootfsrun-scan-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "sbom.json"), list, 0o600); err != nil {
		return err
	}
	said := &watch{phrase: []byte("no OS found in the DB")}
	answer := &bounded{max: maxAnswer}
	c, err := grype(s.o.Grype, s.o.DB, dir, "sbom:sbom.json", "-o", "json", "-vv")
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = answer, said
	if err := c.Run(ctx); err != nil {
		return err
	}
	a, err := decode(answer.b.Bytes())
	if err != nil {
		return err
	}
	if got := a.Descriptor.DB.Status.Built.UTC().Format(time.RFC3339); got != out.Database {
		return fmt.Errorf("the database has changed while it was used: it was of %s, and is of %s", out.Database, got)
	}
	if err := s.covered(ctx, packages, a, said.seen); err != nil {
		return err
	}
	for _, m := range *a.Matches {
		f, err := m.finding()
		if err != nil {
			return err
		}
		out.Findings = append(out.Findings, f)
	}
	out.Findings = scan.Sort(out.Findings)
	return nil
}

// readable refuses a list that a scanner would find nothing in, whatever is in
// the image.
func readable(packages []sbom.Package) error {
	if len(packages) == 0 {
		return &trouble{state: model.ScanUnsupported, detail: "no packages were found in it: nobody can say what it is made of", empty: true}
	}
	unknown := map[string]int{}
	for _, p := range packages {
		if !slices.Contains(matched, p.Type) {
			unknown[p.Type]++
		}
	}
	var names []string
	for kind, n := range unknown {
		names = append(names, fmt.Sprintf("%d of type %q", n, kind))
	}
	if slices.Sort(names); len(names) > 0 {
		return &trouble{state: model.ScanUnsupported, detail: "it has packages that the scanner cannot look up: " + strings.Join(names, ", ")}
	}
	return nil
}

// covered refuses an answer about packages of a distribution that the database
// does not know.
func (s *Source) covered(ctx context.Context, packages []sbom.Package, a *answer, missed bool) error {
	if err := s.fed(ctx, packages, a.Distro); err != nil {
		return err
	}
	if !slices.ContainsFunc(packages, func(p sbom.Package) bool { return slices.Contains(systemTypes, p.Type) }) {
		return nil
	}
	if a.Distro == nil || a.Distro.Name == "" {
		return &trouble{state: model.ScanUnsupported, detail: "it has packages of a distribution, but does not say of which: /etc/os-release is missing"}
	}
	name := release(a.Distro.Name, a.Distro.Version)
	known := !missed
	if known {
		var err error
		if known, err = s.db.knows(ctx, name); err != nil {
			return err
		}
	}
	if !known {
		return &trouble{state: model.ScanUnsupported, detail: "the database knows nothing about " + sbom.Clean(name)}
	}
	return nil
}

// release is how the database names a distribution: by at most two numbers of
// its version, "alpine:3.19" for 3.19.1.
func release(name, version string) string {
	parts := strings.SplitN(version, ".", 3)
	if version = strings.Join(parts[:min(2, len(parts))], "."); version == "" {
		return name
	}
	return name + ":" + version
}

// decode reads an answer, which must be a whole one.
func decode(b []byte) (*answer, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	var a answer
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("reading grype's answer: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading grype's answer: there is more behind it")
	}
	if a.Matches == nil || a.Descriptor.Name != "grype" {
		return nil, errors.New("reading grype's answer: it says nothing about findings")
	}
	return &a, nil
}

func (m match) finding() (model.Finding, error) {
	v := m.Vulnerability
	f := model.Finding{
		ID: sbom.Clean(v.ID), Aliases: []string{}, PURL: sbom.Clean(m.Artifact.PURL), Package: sbom.Clean(m.Artifact.Name), Version: sbom.Clean(m.Artifact.Version),
		Severity: severity(v.Severity), Basis: "effective", Description: sbom.Clean(firstLine(v.Description)),
	}
	if f.ID == "" || f.Package == "" {
		return f, errors.New("reading grype's answer: a finding without an id or a package")
	}
	if v.Fix.State != "wont-fix" {
		f.Fixed = sbom.Clean(m.fixed())
	}
	if strings.HasPrefix(v.Source, "https://") || strings.HasPrefix(v.Source, "http://") {
		f.URL = sbom.Clean(v.Source)
	}
	for _, about := range append([]metadata{v.metadata}, m.Related...) {
		enrich(&f, about)
	}
	slices.Sort(f.Aliases)
	f.Aliases = slices.Compact(f.Aliases)
	if len(m.Artifact.Locations) > 0 { // the first is where the package was found
		f.Path = sbom.Clean(m.Artifact.Locations[0].Path)
		if d := model.Digest(m.Artifact.Locations[0].Layer); d.Valid() {
			f.Layer = d
		}
	}
	return f, nil
}

// fixed is the version to take, empty where there is none.
func (m match) fixed() string {
	for _, d := range m.Details {
		if d.Fix.Suggested != "" {
			return d.Fix.Suggested
		}
	}
	if len(m.Vulnerability.Fix.Versions) > 0 {
		return m.Vulnerability.Fix.Versions[0]
	}
	return ""
}

// enrich adds what one record says about a vulnerability: the worst that any
// of them says counts, but for the severity, which is that of the first, the
// distribution's; the worst of the others is beside it.
func enrich(f *model.Finding, about metadata) {
	if about.ID != "" && about.ID != f.ID {
		f.Aliases = append(f.Aliases, sbom.Clean(about.ID))
	}
	for _, c := range about.CVSS {
		f.CVSS = max(f.CVSS, c.Metrics.Base)
	}
	for _, e := range about.EPSS {
		f.EPSS = max(f.EPSS, e.EPSS)
	}
	f.KEV = f.KEV || len(about.Exploited) > 0
	if s := severity(about.Severity); s != f.Severity && model.CompareKnown(s, f.Provider) < 0 {
		f.Provider = s
	}
}

// severity is a word of grype's in ours; whatever else it says is unknown.
func severity(s string) string {
	if s = strings.ToUpper(s); slices.Contains(model.Severities(), s) {
		return s
	}
	return model.SeverityUnknown
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// bounded is an answer of at most max bytes.
type bounded struct {
	b   bytes.Buffer
	max int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.b.Len()+len(p) > b.max {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.max)
	}
	return b.b.Write(p)
}

// watch looks for a phrase in what a program logs.
type watch struct {
	phrase []byte
	last   []byte
	seen   bool
}

// Write implements io.Writer.
func (w *watch) Write(p []byte) (int, error) {
	w.last = append(w.last, p...)
	w.seen = w.seen || bytes.Contains(w.last, w.phrase)
	w.last = w.last[max(0, len(w.last)-len(w.phrase)):]
	return len(p), nil
}
