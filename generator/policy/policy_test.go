package policy_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
)

var update = flag.Bool("update", false, "rewrite testdata/*/diagnostics.txt")

const day = 24 * time.Hour

// head is what every policy begins with.
const head = "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n"

func read(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", dir, policy.File))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	got, list := policy.Parse(policy.File, read(t, "full"))
	if len(list) > 0 {
		t.Fatal(list)
	}
	want := model.Policy{
		Owner: "security@example.com", Mode: model.EnforceWarn, Basis: "max",
		Sources: []model.PolicySource{
			{Name: model.SourceArtifactAnalysis, Required: model.RequiredGAR, Timeout: 20 * time.Minute, Poll: 15 * time.Second},
			{Name: model.SourceLocal, Tool: "grype", Required: model.RequiredUnsupported, Timeout: 15 * time.Minute, Poll: 10 * time.Second},
		},
		Fixable: []string{"CRITICAL", "HIGH", "MEDIUM"}, Unfixable: []string{"CRITICAL"}, Unknown: model.PolicyWarn,
		Always: model.PolicyAlways{KEV: true, Malicious: true, EPSS: 0.7},
		State: model.PolicyState{
			Failed: model.PolicyBlock, Unsupported: model.PolicyFallback, Missing: model.PolicyFallback, Timeout: model.PolicyBlock,
			Inactive: model.PolicyRescan, Unreported: model.PolicyBlock, MaxAge: 84 * time.Hour,
		},
		VEX: model.PolicyVEX{Accept: []string{"csaf", "openvex"}, Statuses: []string{"not_affected"}, Authors: []string{"@b", "security@example.com"}},
		Exceptions: []model.Exception{
			{ID: "CVE-2026-1", PURL: "pkg:npm/%40angular/core@17.0.0", Reason: "x", Owner: "a", ApprovedBy: "b", Created: "2026-11-01", Expires: "2026-11-01"},
			{
				ID: "CVE-2026-1234", PURL: "pkg:deb/debian/openssl", Images: []string{"base-*", "python"}, Platforms: []string{"linux/amd64", "linux/arm64"},
				Reason: "The service that it is in is not reachable.", Ticket: "SEC-42", Owner: "@a", ApprovedBy: "@b", Created: "2026-11-01", Expires: "2026-11-15",
			},
		},
		MaxLifetime: map[string]time.Duration{"CRITICAL": 7 * day, "HIGH": 20 * day, "MEDIUM": 90 * day, "LOW": 180 * day, "NEGLIGIBLE": 180 * day, "UNKNOWN": 14 * day},
		WarnBefore:  2 * day, Unused: model.PolicyBlock, Evidence: model.PolicyEvidence{Upload: "sarif"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestWhatIsNotSaidIsTheDefault also holds that an empty list is one that
// somebody wrote.
func TestWhatIsNotSaidIsTheDefault(t *testing.T) {
	t.Parallel()
	got, list := policy.Parse(policy.File, []byte(head))
	if d := cmp.Diff(policy.Default(), got); d != "" || len(list) > 0 {
		t.Errorf("%v (-want +got):\n%s", list, d)
	}
	def := policy.Default()
	if got.Digest() != def.Digest() {
		t.Error("a policy that says nothing has another digest than none")
	}
	got, list = policy.Parse(policy.File, []byte(head+"severity: {unfixable: {block: []}}\nvex: {accept: []}\n"))
	want := policy.Default()
	want.Unfixable, want.VEX.Accept = []string{}, []string{}
	if d := cmp.Diff(want, got); d != "" || len(list) > 0 {
		t.Errorf("%v (-want +got):\n%s", list, d)
	}
}

// TestFirstFileIsTheDefault also holds that what is in its comments is right.
func TestFirstFileIsTheDefault(t *testing.T) {
	t.Parallel()
	got, list := policy.Parse(policy.File, policy.First())
	if d := cmp.Diff(policy.Default(), got); d != "" || len(list) > 0 {
		t.Errorf("%v (-want +got):\n%s", list, d)
	}
	text := string(policy.First())
	text = strings.Replace(strings.Replace(text, "  list: []\n", "  list:\n", 1), "# owner", "owner", 1)
	text = strings.ReplaceAll(strings.Replace(text, "true} # epss", "true, epss", 1), "\n  # ", "\n    ")
	text = strings.Replace(text, "0.7\n", "0.7}\n", 1)
	got, list = policy.Parse(policy.File, []byte(text))
	if len(list) > 0 || len(got.Exceptions) != 1 || got.Owner == "" || got.Always.EPSS != 0.7 {
		t.Errorf("%v\n%s", list, text)
	}
}

// TestMistakes says every mistake of a file at once, each at its place.
func TestMistakes(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) < 2 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		_, list := policy.Parse(policy.File, read(t, filepath.Base(dir)))
		var got bytes.Buffer
		if err := list.Print(&got, "text", false); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "diagnostics.txt")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s (-want +got), rewrite it with -update:\n%s", file, d)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	exception := func(rest string) string {
		return "exceptions: {list: [{id: CVE-2026-1, purl: pkg:deb/debian/openssl, reason: x, " + rest + "}]}\n"
	}
	for _, c := range []struct{ text, want string }{
		{"", "the file is empty"},
		{head + "owner: @a\n", "'@' is a reserved character"},
		{"kind: ScanPolicy\n", "scan-policy.yaml has no apiVersion"},
		{"apiVersion: rootfsgen/v2\nkind: ScanPolicy\n", `"rootfsgen/v2" is not one of rootfsgen/v1`},
		{head + "kind: ScanPolicy\n", "is there twice"},
		{head + "platforms: [linux/amd64]\n", "platforms must be one of all"},
		{head + "sources: []\n", "sources must not be empty"},
		{head + "severity: {fixable: {block: [HIGH]}}\n", "severity.fixable.block has HIGH and not CRITICAL, which is worse"},
		{head + "severity: {unfixable: {block: [CRITICAL, MEDIUM]}}\n", "severity.unfixable.block has MEDIUM and not HIGH"},
		{head + "severity: {fixable: {block: [UNKNOWN]}}\n", `"UNKNOWN" is not one of`},
		{head + "alwaysBlock: {epssAtLeast: 0}\n", "is not between 0.001 and 1"},
		{head + "scanState: {missing: allow}\n", `"allow" is not one of block, fallback`},
		{head + "scanState: {failed: rescan}\n", `"rescan" is not one of block, fallback`},
		{head + "scanState: {unreported: allow}\n", `"allow" is not one of block, warn`},
		{head + "scanState: {maxAge: 91d}\n", "is not a time between 1m and 90d"},
		{head + "scanState: {maxAge: 0d}\n", "is not a time between"},
		{head + "vex: {statuses: [under_investigation]}\n", `"under_investigation" is not one of fixed, not_affected`},
		{head + exception("owner: a, approvedBy: b, created: 2026-11-01"), "has no expires"},
		{head + exception("owner: a, created: 2026-11-01, expires: 2026-11-02"), "has no approvedBy"},
		{head + exception("owner: a, approvedBy: '@A', created: 2026-11-01, expires: 2026-11-02"), "@A approves an exception of their own"},
		{head + exception("owner: a, approvedBy: b, created: 2026-11-01, expires: 2026-10-31"), "before it begins"},
		{head + exception("owner: a, approvedBy: b, created: 2026-11-01, expires: 2027-05-01"), "holds for 181d; the longest that exceptions.maxLifetime allows is 180d"},
		{head + exception("owner: a, approvedBy: b, created: 2026-11-01, expires: 2026-13-01"), `invalid day "2026-13-01"`},
		{head + "exceptions: {list: [{id: CVE-1, purl: openssl, reason: x, owner: a, approvedBy: b, created: 2026-11-01, expires: 2026-11-02}]}\n", "invalid package URL"},
	} {
		_, list := policy.Parse(policy.File, []byte(c.text))
		if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool {
			return d.Severity == diag.Error && strings.Contains(d.Message, c.want)
		}) {
			t.Errorf("%q: want %q, got %v", c.text, c.want, list)
		}
	}
	if _, list := policy.Parse(policy.File, []byte(head+exception("owner: a, approvedBy: b, created: 2026-11-01, expires: 2027-04-30"))); len(list) > 0 {
		t.Errorf("180 days: %v", list)
	}
}

// TestWhatWouldDoNothingIsRefused also holds that what is to be written instead
// is said.
func TestWhatWouldDoNothingIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want, hint string }{
		{"sources: [{name: local, tool: trivy}]\n", `tool: "trivy" is not one of grype`, "rootfsrun gate --findings judges what another scanner found"},
		{"sources: [{name: local, tool: osv}]\n", `tool: "osv" is not one of grype`, "rootfsrun gate --findings judges what another scanner found"},
		{"sources: [{name: local, wait: {poll: 10s}}]\n", "poll is of the source artifact-analysis", "leave it out"},
		{"enforcement: {breakglass: {environment: prod}}\n", `unknown key "breakglass" in enforcement`, "write an exception"},
		{"evidence: {attest: [decision]}\n", `unknown key "attest" in evidence`, "rootfsrun attest always attaches both"},
		{"evidence: {retain: 400d}\n", `unknown key "retain" in evidence`, "for as long as the digest"},
	} {
		_, list := policy.Parse(policy.File, []byte(head+c.text))
		if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool {
			return d.Severity == diag.Error && strings.Contains(d.Message, c.want) && strings.Contains(d.Hint, c.hint)
		}) {
			t.Errorf("%q: want %q, got %v", c.text, c.want, list)
		}
	}
}

// TestDigestIsOfWhatItSays: the order of what has none does not count, and
// comments do not.
func TestDigestIsOfWhatItSays(t *testing.T) {
	t.Parallel()
	digest := func(text string) model.Digest {
		p, list := policy.Parse(policy.File, []byte(head+text))
		if len(list) > 0 {
			t.Fatal(text, list)
		}
		return p.Digest()
	}
	const x, y = "{id: CVE-1, purl: pkg:deb/a, reason: x, owner: a, approvedBy: b, created: 2026-11-01, expires: 2026-11-02}",
		"{id: CVE-2, purl: pkg:deb/a, reason: x, owner: a, approvedBy: b, created: 2026-11-01, expires: 2026-11-02}"
	one := digest("severity: {fixable: {block: [CRITICAL, HIGH]}}\nexceptions: {list: [" + x + ", " + y + "]}\n")
	other := digest("# said\nexceptions: {list: [" + y + ", " + x + "]}\nseverity: {fixable: {block: [HIGH, CRITICAL]}}\n")
	if one != other {
		t.Error("the order counts")
	}
	if one == digest("exceptions: {list: ["+x+"]}\n") || digest("") == digest("scanState: {maxAge: 71h}\n") {
		t.Error("what is said does not count")
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	p, found, list := policy.Load(history.Memory(map[string]string{"README.md": ""}), ".")
	if d := cmp.Diff(policy.Default(), p); found || len(list) > 0 || d != "" {
		t.Errorf("without a file: %v, %v, %s", found, list, d)
	}
	p, found, list = policy.Load(history.Memory(map[string]string{"fleet/scan-policy.yaml": head + "owner: me\n", "scan-policy.yaml": "no"}), "fleet")
	if !found || len(list) > 0 || p.Owner != "me" {
		t.Errorf("a file: %+v, %v, %v", p, found, list)
	}
	_, found, list = policy.Load(history.Memory(map[string]string{"scan-policy.yaml": "no"}), ".")
	if !found || !list.HasErrors() || list[0].Pos.String() != "scan-policy.yaml:1:1" {
		t.Errorf("nonsense: %v, %v", found, list)
	}
	if _, found, list = policy.Load(history.Memory(map[string]string{"scan-policy.yaml/README": "x"}), "."); !found || !list.HasErrors() || list[0].Rule != "not-a-file" {
		t.Errorf("a folder: %v, %v", found, list)
	}
	link := history.MemoryFiles(map[string]history.File{"scan-policy.yaml": {Mode: model.ModeSymlink, Content: "/etc/passwd"}})
	if _, found, list = policy.Load(link, "."); !found || !list.HasErrors() || list[0].Rule != "not-a-file" {
		t.Errorf("a link: %v, %v", found, list)
	}
	for _, name := range []string{"scan-policy.yml", "scan_policy.yaml"} {
		if _, found, list = policy.Load(history.Memory(map[string]string{name: head}), "."); found || !list.HasErrors() || list[0].Rule != "not-read" {
			t.Errorf("%s is passed over: %v, %v", name, found, list)
		}
	}
}
