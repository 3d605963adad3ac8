package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var (
	target = model.TargetID{Image: "python", Tag: "3.13", Platform: model.LinuxAMD64}
	built  = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	now    = func() time.Time { return built.Add(24 * time.Hour) }
)

var entries = []enginetest.Vulnerability{
	{ID: "CVE-2026-1001", Distro: "debian:12", Ecosystem: "deb", Package: "bash", Constraint: "< 99.0", Fixed: "99.0", Severity: "critical", CVSS: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", KEV: true, EPSS: 0.91},
	{ID: "CVE-2026-1002", Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.2", Severity: "high"},
	{ID: "CVE-2026-1003", Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.2", Fixed: "3.0.2"},
	{ID: "CVE-2026-1004", Distro: "debian:12", Ecosystem: "deb", Package: "bash", Constraint: "< 1.0", Severity: "low"},
}

var packages = map[string]string{"bash": "5.2.15-2+b7", "openssl": "3.0.1-1"}

// world is a registry with one image in it, and a scanner.
type world struct {
	server *registrytest.Server
	client *registry.Client
	repo   string
	digest model.Digest
	o      Options
}

func newWorld(t *testing.T, files map[string]string, db string) *world {
	t.Helper()
	w := &world{server: registrytest.New(t)}
	w.repo = w.server.Prefix("testing/python")
	w.client = registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
	var err error
	if w.digest, err = w.client.PushImage(t.Context(), w.repo, enginetest.Image(t, files)); err != nil {
		t.Fatal(err)
	}
	bin := enginetest.Bin(t)
	w.o = Options{
		Grype: filepath.Join(bin, "grype"), DB: db, MaxAge: 72 * time.Hour, Now: now,
		SBOM:  sbom.Step{Registry: w.client, Program: sbom.NewProgram(filepath.Join(bin, "syft")), Now: now},
		Store: &scan.Store{Registry: w.client},
	}
	return w
}

func (w *world) scan(t *testing.T) model.Scan {
	t.Helper()
	s, err := New(w.o).Scan(t.Context(), w.repo, target, w.digest)
	if err != nil {
		t.Fatal(err)
	}
	if outcome := judged(t, s); (outcome == model.VerdictPass) != (s.State == model.ScanFinished) {
		t.Errorf("the gate says %s of a scan that is %s: %s", outcome, s.State, s.Detail)
	}
	return s
}

// judged is what the gate says of a scan by the default policy, as of its end,
// if it found nothing.
func judged(t *testing.T, s model.Scan) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s.Time)
	if err != nil {
		t.Fatal(err)
	}
	s.Findings = nil
	return gate.Judge(plantest.Policy(), at, target, s.Digest, []model.Scan{s}, gate.Where{}).Outcome
}

func TestTheRealScannerWithARealDatabase(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	w := newWorld(t, enginetest.Debian12(packages), db)
	s := w.scan(t)
	if s.State != model.ScanFinished || s.Database != "2026-11-20T09:00:00Z" || !strings.HasPrefix(s.Tool, "grype 0.") || s.Digest != w.digest || s.Time != "2026-11-21T09:00:00Z" {
		t.Fatalf("%+v", s)
	}
	want := []model.Finding{
		{
			ID: "CVE-2026-1001", Aliases: []string{}, PURL: "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12", Package: "bash", Version: "5.2.15-2+b7",
			Fixed: "99.0", Severity: "CRITICAL", Basis: "effective", CVSS: 9.8, KEV: true, EPSS: 0.91, Path: "/var/lib/dpkg/status",
		},
		{
			ID: "CVE-2026-1002", Aliases: []string{}, PURL: "pkg:deb/debian/openssl@3.0.1-1?arch=amd64&distro=debian-12", Package: "openssl", Version: "3.0.1-1",
			Severity: "HIGH", Basis: "effective", Path: "/var/lib/dpkg/status",
		},
		{ // nobody has said how bad it is, and so it stays
			ID: "CVE-2026-1003", Aliases: []string{}, PURL: "pkg:deb/debian/openssl@3.0.1-1?arch=amd64&distro=debian-12", Package: "openssl", Version: "3.0.1-1",
			Fixed: "3.0.2", Severity: "UNKNOWN", Basis: "effective", Path: "/var/lib/dpkg/status",
		},
	}
	got := slices.Clone(s.Findings)
	for n := range got {
		if !got[n].Layer.Valid() {
			t.Errorf("%s is in no layer", got[n].ID)
		}
		got[n].Layer = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := (scan.Store{Registry: w.client}).Save(t.Context(), w.repo, s); err != nil {
		t.Fatal(err)
	}
	before := len(w.server.Requests())
	w.o.SBOM.Program = sbom.NewProgram(w.versionOnly(t)) // the second time nothing is listed and nothing is scanned
	again := w.scan(t)
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("from the registry (-first +second):\n%s", diff)
	}
	if n := len(w.server.Requests()) - before; n > 4 {
		t.Errorf("reading a kept scan took %d requests: %v", n, w.server.Requests()[before:])
	}
	other := filepath.Join(t.TempDir(), "syft")
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho syft 0.0.1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.o.SBOM.Program = sbom.NewProgram(other) // may have found other packages
	if again := w.scan(t); again.State == model.ScanFinished {
		t.Errorf("the scan of another syft's list counts: %+v", again)
	}
}

// versionOnly is a syft that says which one it is, and lists nothing.
func (w *world) versionOnly(t *testing.T) string {
	t.Helper()
	said, err := w.o.SBOM.Program.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "syft")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n[ \"$1\" = --version ] && echo "+said+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// program is a scanner that does what a shell script says, for "sbom:", and is
// the real one for everything else.
func (w *world) program(t *testing.T, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "grype")
	text := "#!/bin/sh\ncase $1 in\nsbom:*) " + script + " ;;\nesac\nexec " + w.o.Grype + " \"$@\"\n"
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	w.o.Grype = file
}

// Whatever goes wrong, the scan has not finished, and has no findings that
// could look like all of them.
func TestFaultsAreNeverFinished(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	empty, _ := enginetest.ScanDB(t, built)
	damaged, _ := enginetest.ScanDB(t, built, entries...)
	if err := os.Truncate(filepath.Join(damaged, "6", "vulnerability.db"), 50_000); err != nil {
		t.Fatal(err)
	}
	debian := enginetest.Debian12(packages)
	with := func(change func(map[string]string)) map[string]string {
		files := enginetest.Debian12(packages)
		change(files)
		return files
	}
	for name, c := range map[string]struct {
		files  map[string]string
		db     string
		change func(*testing.T, *world)
		state  string
		detail string
	}{
		"the scanner is killed":      {debian, db, func(t *testing.T, w *world) { w.program(t, "kill -9 $$") }, model.ScanFailed, "exit code -1"},
		"the scanner exits with 137": {debian, db, func(t *testing.T, w *world) { w.program(t, "exit 137") }, model.ScanFailed, "exit code 137"},
		"the scanner writes half": {debian, db, func(t *testing.T, w *world) {
			w.program(t, "shift; "+w.o.Grype+" sbom:sbom.json \"$@\" | head -c 700; exit 0")
		}, model.ScanFailed, "reading grype's answer"},
		"the scanner writes nothing":    {debian, db, func(t *testing.T, w *world) { w.program(t, "exit 0") }, model.ScanFailed, "reading grype's answer"},
		"the scanner writes another":    {debian, db, func(t *testing.T, w *world) { w.program(t, "echo '{}'; exit 0") }, model.ScanFailed, "says nothing about findings"},
		"the scanner hangs":             {debian, db, func(t *testing.T, w *world) { w.program(t, "exec sleep 600"); w.o.Timeout = 2 * time.Second }, model.ScanRunning, "did not end within 2s"},
		"there is no scanner":           {debian, db, func(_ *testing.T, w *world) { w.o.Grype = "/nonexistent/grype" }, model.ScanFailed, "not found"},
		"there is no syft":              {debian, db, func(_ *testing.T, w *world) { w.o.SBOM.Program = sbom.NewProgram("/nonexistent/syft") }, model.ScanFailed, "not found"},
		"the database is empty":         {debian, empty, nil, model.ScanFailed, "is empty"},
		"the database is not there":     {debian, filepath.Join(db, "none"), nil, model.ScanFailed, "there is no database"},
		"the database is damaged":       {debian, damaged, nil, model.ScanFailed, "missing or damaged"},
		"the database is old":           {debian, db, func(_ *testing.T, w *world) { w.o.MaxAge = time.Hour }, model.ScanStale, "older than 1h0m0s"},
		"the clock is wrong":            {debian, db, func(_ *testing.T, w *world) { w.o.Now = func() time.Time { return built.Add(-time.Hour) } }, model.ScanFailed, "in the future"},
		"the image has no packages":     {map[string]string{"hello": "world"}, db, nil, model.ScanUnsupported, "no packages were found"},
		"the distribution is not known": {with(func(f map[string]string) { f["etc/os-release"] = "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n" }), db, nil, model.ScanUnsupported, "knows nothing about debian:13"},
		"the distribution is not named": {with(func(f map[string]string) { delete(f, "etc/os-release") }), db, nil, model.ScanUnsupported, "/etc/os-release is missing"},
		"the image is not there":        {debian, db, func(_ *testing.T, w *world) { w.digest = model.DigestOf([]byte("x")) }, model.ScanMissing, "not in the registry"},
		"the registry answers half": {debian, db, func(_ *testing.T, w *world) {
			w.server.Fail(registrytest.Fault{Method: "GET", Path: "/blobs/", Cut: true})
		}, model.ScanFailed, "no good answer"},
		"the registry is not there": {debian, db, func(_ *testing.T, w *world) { w.server.Fail(registrytest.Fault{Status: 503}) }, model.ScanFailed, "no good answer"},
		"the database changes meanwhile": {debian, db, func(t *testing.T, w *world) {
			w.program(t, `shift; `+w.o.Grype+` sbom:sbom.json "$@" | sed 's/2026-11-20T09:00:00Z/2026-11-21T09:00:00Z/'; exit 0`)
		}, model.ScanFailed, "has changed while it was used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.files, c.db)
			if c.files["etc/os-release"] == debian["etc/os-release"] { // syft takes seconds, and is not what fails
				w.attach(t, list(t, deb("bash", "5.2.15-2+b7")))
			}
			if c.change != nil {
				c.change(t, w)
			}
			s := w.scan(t)
			if s.State != c.state || !strings.Contains(s.Detail, c.detail) || len(s.Findings) != 0 {
				t.Errorf("%s (%s), %d findings; want %s (%s)", s.State, s.Detail, len(s.Findings), c.state, c.detail)
			}
			if strings.ContainsAny(s.Detail, "\n\x1b") {
				t.Errorf("the detail is not one line: %q", s.Detail)
			}
		})
	}
}

// What a release is called in an image is more than what it is called in a
// database.
func TestAnAlpine(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, enginetest.Vulnerability{ID: "CVE-2026-2001", Distro: "alpine:3.19", Ecosystem: "apk", Package: "musl", Constraint: "< 2", Severity: "high"})
	w := newWorld(t, map[string]string{
		"etc/os-release":       "ID=alpine\nVERSION_ID=3.19.1\n",
		"lib/apk/db/installed": "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:musl\nV:1.2.4-r2\nA:x86_64\nS:1\nI:1\nT:libc\nU:https://example.com\nL:MIT\no:musl\n\n",
	}, db)
	if s := w.scan(t); s.State != model.ScanFinished || len(s.Findings) != 1 || s.Findings[0].ID != "CVE-2026-2001" {
		t.Errorf("%s: %s: %+v", s.State, s.Detail, s.Findings)
	}
}

func TestCancellingIsAnError(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	w := newWorld(t, enginetest.Debian12(packages), db)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := New(w.o).Scan(ctx, w.repo, target, w.digest); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", s, err)
	}
}

// list is a list of packages as syft writes it.
func list(t *testing.T, packages ...map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"artifacts": append([]map[string]any{}, packages...), "artifactRelationships": []any{}, "descriptor": map[string]string{"name": "syft", "version": "1.57.0"},
		"distro": map[string]string{"id": "debian", "versionID": "12", "versionCodename": "bookworm"},
		"source": map[string]any{"id": "x", "name": "x", "version": "x", "type": "image", "metadata": map[string]any{}},
		"schema": map[string]string{"version": "16.1.0", "url": "https://raw.githubusercontent.com/anchore/syft/main/schema/json/schema-16.1.0.json"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func deb(name, version string) map[string]any {
	return map[string]any{
		"id": name, "name": name, "version": version, "type": "deb", "locations": []any{map[string]any{"path": "/var/lib/dpkg/status"}},
		"licenses": []any{}, "language": "", "cpes": []any{}, "purl": "pkg:deb/debian/" + name + "@" + version,
	}
}

// attach makes a list of packages the attached one, as whoever may push to the
// repository can.
func (w *world) attach(t *testing.T, body []byte) {
	t.Helper()
	tool, err := w.o.SBOM.Program.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := w.client.PutArtifact(t.Context(), w.repo, registry.Artifact{Subject: w.digest, Type: sbom.MediaType(sbom.Syft), Body: body})
	if err != nil {
		t.Fatal(err)
	}
	err = w.client.PutReceipt(t.Context(), w.repo, model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(w.digest, tool, sbom.Syft), Status: model.ReceiptPassed, Digest: w.digest,
		Inputs: []model.Material{{Name: "artifact " + sbom.Syft, Digest: artifact}, {Name: "sbom " + sbom.Syft, Digest: model.DigestOf(body)}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHostileListsOfPackages(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	unknown := deb("thing", "1")
	unknown["type"] = "cartridge"
	many := make([]map[string]any, 2_000)
	for n := range many {
		many[n] = deb(fmt.Sprintf("p%d", n), "1")
	}
	evil := deb("../../etc/passwd\x1b[2J\n::error::", "1")
	evil["locations"] = []any{map[string]any{"path": "../../../x\x1b]0;x\x07"}}
	bash := deb("bash", "1\u202e\x1b[31m")
	bash["locations"] = evil["locations"]
	for name, c := range map[string]struct {
		body  []byte
		state string
	}{
		"a type that nobody knows": {list(t, deb("bash", "5"), unknown), model.ScanUnsupported},
		"many packages":            {list(t, many...), model.ScanFinished},
		"control characters":       {list(t, evil, bash), model.ScanFinished},
		"no packages":              {list(t), model.ScanUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, enginetest.Debian12(packages), db)
			w.attach(t, c.body)
			s := w.scan(t)
			if s.State != c.state || s.Empty != (name == "no packages") {
				t.Fatalf("%s, empty: %v: %s", s.State, s.Empty, s.Detail)
			}
			for _, f := range s.Findings {
				for _, text := range []string{f.ID, f.PURL, f.Package, f.Version, f.Path, f.Fixed} {
					if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }) {
						t.Errorf("%q", text)
					}
				}
			}
		})
	}
}

// A list that says that it is larger than any is, is not fetched.
func TestAHugeListIsNotRead(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	w := newWorld(t, enginetest.Debian12(packages), db)
	w.attach(t, list(t, deb("bash", "5")))
	found, err := w.client.Artifacts(t.Context(), w.repo, w.digest, sbom.MediaType(sbom.Syft))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	raw, _, err := w.client.Manifest(t.Context(), w.repo, found[0].Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	var manifest map[string]any
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["layers"].([]any)[0].(map[string]any)["size"] = 1 << 40
	if raw, err = json.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	huge, err := w.client.PutManifest(t.Context(), w.repo, raw, registry.ManifestMediaType, "")
	if err != nil {
		t.Fatal(err)
	}
	tool, err := w.o.SBOM.Program.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = w.client.PutReceipt(t.Context(), w.repo, model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(w.digest, tool, sbom.Syft), Status: model.ReceiptPassed, Digest: w.digest,
		Inputs: []model.Material{{Name: "artifact " + sbom.Syft, Digest: huge}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := w.scan(t); s.State != model.ScanFailed || !strings.Contains(s.Detail, "more than the") {
		t.Errorf("%s: %s", s.State, s.Detail)
	}
}

// A forged or broken list is not believed: it is made again from the image.
func TestABrokenListIsMadeAgain(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	w := newWorld(t, enginetest.Debian12(packages), db)
	w.attach(t, []byte(`{"artifacts": [`))
	if s := w.scan(t); s.State != model.ScanFinished || len(s.Findings) != 3 {
		t.Errorf("%s (%s), %d findings", s.State, s.Detail, len(s.Findings))
	}
}

func TestImportingADatabase(t *testing.T) {
	t.Parallel()
	_, archive := enginetest.ScanDB(t, built, entries...)
	dir := filepath.Join(t.TempDir(), "db")
	w := newWorld(t, enginetest.Debian12(packages), dir)
	if s := w.scan(t); s.State != model.ScanFailed {
		t.Fatalf("before: %s", s.State)
	}
	if err := Import(t.Context(), w.o.Grype, dir, archive); err != nil {
		t.Fatal(err)
	}
	if s := w.scan(t); s.State != model.ScanFinished || len(s.Findings) != 3 {
		t.Errorf("after: %s (%s), %d findings", s.State, s.Detail, len(s.Findings))
	}
	half, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, half[:len(half)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Import(t.Context(), w.o.Grype, dir, archive); err == nil {
		t.Error("half an archive was imported")
	}
}
