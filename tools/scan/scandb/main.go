// Command scandb writes a vulnerability database for grype out of a list of
// entries, for tests and demonstrations: what is in it is made up.
//
//	scandb [--built TIME] [--archive FILE] ENTRIES.json DIR
//
// DIR is what "rootfsrun scan --db DIR" is given; FILE, ending in .tar.gz, is
// what "rootfsrun scan --db-import FILE" takes. See entry for what a list
// holds.
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
	"github.com/spf13/afero"
)

// entry is one vulnerability of one package.
type entry struct {
	ID          string   `json:"id"`
	Aliases     []string `json:"aliases"`
	Distro      string   `json:"distro"`    // "debian:12"; empty for a package of a language
	Ecosystem   string   `json:"ecosystem"` // "deb" with a distro, else "python", "npm", "go-module"...
	Package     string   `json:"package"`
	Constraint  string   `json:"constraint"` // "< 1.2.3"; empty is every version
	Fixed       string   `json:"fixed"`      // empty: there is no fix
	Severity    string   `json:"severity"`   // "critical"...; empty: nobody has said
	CVSS        string   `json:"cvss"`       // vector
	KEV         bool     `json:"kev"`
	EPSS        float64  `json:"epss"`
	Description string   `json:"description"`
	URL         string   `json:"url"`
	Provider    string   `json:"provider"` // who tells of it; empty: the distro's name, or "github"
}

func main() {
	built := flag.String("built", "", "when it was put together, RFC 3339 (default: now)")
	archive := flag.String("archive", "", "write it to this .tar.gz, too")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: scandb [--built TIME] [--archive FILE] ENTRIES.json DIR")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), filepath.Join(flag.Arg(1), "6"), *built, *archive); err != nil {
		fmt.Fprintln(os.Stderr, "scandb:", err)
		os.Exit(1)
	}
}

func run(file, dir, built, archive string) error {
	entries, err := read(file)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	at := time.Now().UTC().Truncate(time.Second)
	if built != "" {
		if at, err = time.Parse(time.RFC3339, built); err != nil {
			return err
		}
	}
	if err := write(entries, dir, at); err != nil {
		return err
	}
	if err := date(filepath.Join(dir, v6.VulnerabilityDBFileName), at); err != nil {
		return err
	}
	if _, err := v6.WriteImportMetadata(afero.NewOsFs(), dir, "made by scandb"); err != nil {
		return err
	}
	if archive == "" {
		return nil
	}
	return pack(filepath.Join(dir, v6.VulnerabilityDBFileName), archive)
}

func read(file string) ([]entry, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var entries []entry
	if err := d.Decode(&entries); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return entries, nil
}

func write(entries []entry, dir string, at time.Time) (err error) {
	w, err := v6.NewWriter(v6.Config{DBDirPath: dir, CacheSizeKiB: 1024})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, e := range entries {
		if err := e.add(w, at); err != nil {
			return fmt.Errorf("%s in %s: %w", e.ID, e.Package, err)
		}
	}
	return w.SetDBMetadata()
}

func (e entry) add(w v6.ReadWriter, now time.Time) error {
	provider := "github"
	if name, _, found := strings.Cut(e.Distro, ":"); found {
		provider = name
	}
	provider = cmp.Or(e.Provider, provider)
	vulnerability := &v6.VulnerabilityHandle{
		Name: e.ID, Status: v6.VulnerabilityActive, ProviderID: provider, PublishedDate: &now,
		Provider:  &v6.Provider{ID: provider, Version: "1", Processor: "scandb", DateCaptured: &now},
		BlobValue: &v6.VulnerabilityBlob{ID: e.ID, Aliases: e.Aliases, Description: e.Description, Severities: e.severities()},
	}
	if e.URL != "" {
		vulnerability.BlobValue.References = []v6.Reference{{URL: e.URL}}
	}
	if err := w.AddVulnerabilities(vulnerability); err != nil {
		return err
	}
	os, versions, err := e.system()
	if err != nil {
		return err
	}
	fix := &v6.Fix{State: v6.NotFixedStatus}
	if e.Fixed != "" {
		fix = &v6.Fix{State: v6.FixedStatus, Version: e.Fixed}
	}
	err = w.AddAffectedPackages(&v6.AffectedPackageHandle{
		Vulnerability: vulnerability, OperatingSystem: os, Package: &v6.Package{Ecosystem: e.Ecosystem, Name: e.Package},
		BlobValue: &v6.PackageBlob{CVEs: []string{e.ID}, Ranges: []v6.Range{{Version: v6.Version{Type: versions, Constraint: e.Constraint}, Fix: fix}}},
	})
	if err == nil && e.KEV {
		err = w.AddKnownExploitedVulnerabilities(&v6.KnownExploitedVulnerabilityHandle{Cve: e.ID, BlobValue: &v6.KnownExploitedVulnerabilityBlob{Cve: e.ID, DateAdded: &now, DueDate: &now}})
	}
	if err == nil && e.EPSS > 0 {
		err = w.AddEpss(&v6.EpssHandle{Cve: e.ID, Epss: e.EPSS, Percentile: e.EPSS, Date: now})
	}
	return err
}

func (e entry) severities() []v6.Severity {
	var list []v6.Severity
	if e.Severity != "" {
		list = append(list, v6.Severity{Scheme: v6.SeveritySchemeCHMLN, Value: e.Severity, Rank: 1})
	}
	if e.CVSS != "" {
		list = append(list, v6.Severity{Scheme: v6.SeveritySchemeCVSS, Value: v6.CVSSSeverity{Vector: e.CVSS, Version: "3.1"}, Rank: 2})
	}
	return list
}

// system is the distribution of a package, nil for none, and how its versions
// are compared.
func (e entry) system() (*v6.OperatingSystem, string, error) {
	if e.Distro == "" {
		return nil, e.Ecosystem, nil
	}
	name, version, _ := strings.Cut(e.Distro, ":")
	major, minor, _ := strings.Cut(version, ".")
	if _, err := strconv.Atoi(major); err != nil {
		return nil, "", fmt.Errorf("distro %q: expected for example debian:12", e.Distro)
	}
	kinds := map[string]string{"deb": "dpkg", "apk": "apk", "rpm": "rpm"}
	if kinds[e.Ecosystem] == "" {
		return nil, "", fmt.Errorf("ecosystem %q: expected deb, apk or rpm", e.Ecosystem)
	}
	return &v6.OperatingSystem{Name: name, ReleaseID: name, MajorVersion: major, MinorVersion: minor, Codename: codenames[e.Distro]}, kinds[e.Ecosystem], nil
}

// codenames are those that a list of packages may name beside the version: the
// scanner looks for both.
var codenames = map[string]string{
	"debian:11": "bullseye", "debian:12": "bookworm", "debian:13": "trixie",
	"ubuntu:22.04": "jammy", "ubuntu:24.04": "noble",
}

// date writes when the database was put together, which its library takes from
// the clock.
func date(file string, at time.Time) (err error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.Exec("UPDATE db_metadata SET build_timestamp = ?", at.UTC())
	return err
}

// pack writes an archive with the database alone, as its publisher does.
func pack(file, archive string) (err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	t := tar.NewWriter(z)
	err = t.WriteHeader(&tar.Header{Name: filepath.Base(file), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = io.Copy(t, bytes.NewReader(content))
	}
	return errors.Join(err, t.Close(), z.Close(), out.Close())
}
