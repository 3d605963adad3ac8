package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
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
	scans "github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// bench is a registry with one image that was built for one platform.
type bench struct {
	*testing.T
	server *registrytest.Server
	client *registry.Client
	plan   *model.Plan
	entry  *model.Entry
	repo   string
	digest model.Digest
	step   gate.Step
	clock  time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, server: registrytest.New(t), clock: now}
	b.client = registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
	b.plan = plantest.Plan(b.server.Prefix("testing"), '1', plantest.Image{ID: "python", Platforms: []model.Platform{model.LinuxARM64}})
	b.entry = &b.plan.Entries[0]
	b.repo = b.plan.Prefix + "/python"
	b.digest = plantest.Build(t, b.client, b.plan, b.entry)
	b.step = gate.Step{Registry: b.client, Policy: strict(), Artifacts: t.TempDir(), Now: func() time.Time { return b.clock }}
	return b
}

func (b *bench) scan(findings ...model.Finding) model.Scan {
	s := scan(findings...)
	if s.Findings == nil {
		s.Findings = []model.Finding{}
	}
	s.Image, s.Tag, s.Platform, s.Digest = b.entry.Image, b.entry.Tag, b.entry.Platform.String(), b.digest
	return s
}

// stored keeps a scan in the registry.
func (b *bench) stored(s model.Scan) {
	b.Helper()
	if err := (scans.Store{Registry: b.client}).Save(b.Context(), b.repo, s); err != nil {
		b.Fatal(err)
	}
}

// scanned writes what the step before writes.
func (b *bench) scanned(scans ...model.Scan) {
	b.Helper()
	doc, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: scans})
	if err != nil {
		b.Fatal(err)
	}
	b.write(doc)
}

func (b *bench) write(doc []byte) {
	b.Helper()
	dir := filepath.Join(b.step.Artifacts, gate.ScansFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "python-arm64.json"), doc, 0o644); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) run() (model.Receipt, error) {
	return b.step.Run(b.Context(), b.plan, b.entry)
}

// receipt is the gate's in the registry.
func (b *bench) receipt() (model.Receipt, bool) {
	b.Helper()
	r, found, err := b.client.Receipt(b.Context(), b.repo, model.ReceiptTag(model.StepGate, model.GateStepKey(b.digest, b.step.Policy.Digest())))
	if err != nil {
		b.Fatal(err)
	}
	return r, found
}

// verdicts are those in the registry, the newest first.
func (b *bench) verdicts() []model.Verdict {
	b.Helper()
	found, err := b.client.Artifacts(b.Context(), b.repo, b.digest, gate.VerdictType)
	if err != nil {
		b.Fatal(err)
	}
	var out []model.Verdict
	for _, f := range found {
		body, subject, _, err := b.client.ReadArtifact(b.Context(), b.repo, f.Digest, 1<<20)
		var v model.Verdict
		if err != nil || subject != b.digest || json.Unmarshal(body, &v) != nil {
			b.Fatal(err, subject)
		}
		out = append(out, v)
	}
	return out
}

// TestAVerdictThatNobodyCouldReadIsNotWritten: a refusal that is longer than what
// is read of a verdict is an error, and what has passed before has not any more.
func TestAVerdictThatNobodyCouldReadIsNotWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.moveTo(enginetest.Services(t).Registry + "/too-long") // the one in memory leaves tags that stand for nothing
	b.scanned(b.scan(low))
	if _, err := b.run(); err != nil {
		t.Fatal(err)
	}
	worst := high
	worst.Fixed = strings.Repeat("9", gate.MaxVerdict)
	b.scanned(b.scan(worst))
	_, err := b.run()
	if err == nil || !strings.Contains(err.Error(), "at most 33554432 are read again") {
		t.Errorf("got %.200v", err)
	}
	if _, found := b.receipt(); found {
		t.Error("the receipt of the earlier pass is still there")
	}
	written, err := os.ReadFile(filepath.Join(b.step.Artifacts, gate.VerdictsFolder, "python-arm64.json"))
	if err != nil || len(written) > gate.MaxVerdict {
		t.Errorf("the file has %d bytes, %v", len(written), err)
	}
}

func TestAPassLeavesAReceiptAndAVerdict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := b.scan(low)
	b.stored(s)
	r, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	want := []model.Material{{Name: "policy", Digest: b.step.Policy.Digest()}, {Name: "scan local", Digest: s.DocumentDigest()}}
	if d := cmp.Diff(want, r.Inputs); d != "" {
		t.Error(d)
	}
	if kept, found := b.receipt(); !found || cmp.Diff(r, kept) != "" || r.Digest != b.digest {
		t.Errorf("%v, %+v", found, kept)
	}
	verdicts := b.verdicts()
	if len(verdicts) != 1 || verdicts[0].Outcome != model.VerdictPass || verdicts[0].Digest != b.digest {
		t.Fatalf("%+v", verdicts)
	}
	file, err := os.ReadFile(filepath.Join(b.step.Artifacts, gate.VerdictsFolder, "python-arm64.json"))
	var written model.Verdict
	if err != nil || json.Unmarshal(file, &written) != nil || cmp.Diff(verdicts[0], written) != "" {
		t.Errorf("%s, %v", file, err)
	}

	// Again nothing is written, and with another scan it is judged anew.
	b.clock = now.Add(time.Minute)
	b.server.Forget()
	again, err := b.run()
	if reason, skipped := step.Skipped(err); !skipped || cmp.Diff(r, again) != "" {
		t.Errorf("%v, %s, %+v", err, reason, again)
	}
	for _, request := range b.server.Requests() {
		if !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ") {
			t.Errorf("again it wrote: %s", request)
		}
	}
	b.scanned(b.scan(low, model.Finding{ID: "CVE-2026-2", PURL: "pkg:deb/a@1", Severity: model.SeverityLow}))
	if r, err = b.run(); err != nil || len(b.verdicts()) != 2 || cmp.Diff(want, r.Inputs) == "" {
		t.Errorf("another scan: %v, %+v", err, r)
	}
}

// TestAnOldScanIsMadeAgain where the policy says so, and is said; where nobody
// can make it, or it does not end either, the gate cannot judge.
func TestAnOldScanIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inactive string
		again    func(*bench) ([]model.Scan, error)
		code     int
		said     string // a warning, or why
	}{
		"it passes":     {model.PolicyRescan, func(b *bench) ([]model.Scan, error) { return []model.Scan{b.scan(low)}, nil }, 0, "was scanned again"},
		"it is refused": {model.PolicyRescan, func(b *bench) ([]model.Scan, error) { return []model.Scan{b.scan(high)}, nil }, 5, "was scanned again"},
		"it fails": {model.PolicyRescan, func(b *bench) ([]model.Scan, error) {
			s := b.scan()
			s.State, s.Detail = model.ScanFailed, "no database"
			return []model.Scan{s}, nil
		}, 6, "no database"},
		"nobody can":         {model.PolicyRescan, func(*bench) ([]model.Scan, error) { return nil, errors.New("grype is missing") }, 6, "grype is missing"},
		"nobody is there":    {model.PolicyRescan, nil, 6, "scan it again: rootfsrun scan"},
		"nobody wants it":    {model.PolicyBlock, func(b *bench) ([]model.Scan, error) { return []model.Scan{b.scan(low)}, nil }, 6, "may be 3 days old"},
		"another may answer": {model.PolicyFallback, func(b *bench) ([]model.Scan, error) { return []model.Scan{b.scan(low)}, nil }, 6, "may be 3 days old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.step.Policy.State.Inactive = c.inactive
			old := b.scan(low)
			old.Time = at(30 * dayLong)
			b.stored(old)
			if c.again != nil {
				b.step.Rescan = func(_ context.Context, r scans.Request) ([]model.Scan, error) {
					if r.Digest != b.digest || r.Repo != b.repo || r.Target != b.entry.ID() {
						t.Errorf("%+v", r)
					}
					return c.again(b)
				}
			}
			_, err := b.run()
			if code(err) != c.code {
				t.Errorf("%v, want the code %d", err, c.code)
			}
			v := b.verdicts()[0]
			if text := strings.Join(append(v.Warnings, v.Unfinished...), "\n"); !strings.Contains(text, c.said) {
				t.Errorf("want %q in %s", c.said, text)
			}
		})
	}
}

// TestWhatDoesNotPassLeavesNoReceipt: a refused verdict is kept for those who
// ask later, and nothing else.
func TestWhatDoesNotPassLeavesNoReceipt(t *testing.T) {
	t.Parallel()
	old := func(s model.Scan) model.Scan {
		s.Time = at(30 * dayLong)
		return s
	}
	for _, c := range []struct {
		name  string
		scans func(*bench)
		code  int
		mode  string
	}{
		{"refused", func(b *bench) { b.stored(b.scan(high)) }, 5, ""},
		{"nobody has scanned it", func(*bench) {}, 6, ""},
		{"an old scan", func(b *bench) { b.stored(old(b.scan())) }, 6, ""},
		{"the scanner failed", func(b *bench) {
			s := b.scan()
			s.State = model.ScanFailed
			b.scanned(s)
		}, 6, ""},
		{"today's scan found it, yesterday's did not", func(b *bench) {
			b.stored(b.scan())
			b.scanned(b.scan(high))
		}, 5, ""},
		{"a scan of other bytes", func(b *bench) {
			s := b.scan()
			s.Digest = model.DigestOf([]byte("other"))
			b.scanned(s)
		}, 6, ""},
		{"refused, and only warned of", func(b *bench) { b.stored(b.scan(high)) }, 0, model.EnforceWarn},
		{"incomplete, and only warned of", func(*bench) {}, 0, model.EnforceWarn},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if c.mode != "" {
				b.step.Policy.Mode = c.mode
			}
			c.scans(b)
			if _, err := b.run(); code(err) != c.code || (c.code == 0) != (err == nil) {
				t.Errorf("%v: exit code %d, want %d", err, code(err), c.code)
			}
			if r, found := b.receipt(); found {
				t.Errorf("there is a receipt: %+v", r)
			}
			verdicts := b.verdicts()
			if len(verdicts) != 1 || verdicts[0].Outcome == model.VerdictPass {
				t.Errorf("%+v", verdicts)
			}
		})
	}
}

// TestARefusalForgetsThePass: what passed yesterday and does not today is not
// found as passed; a registry that lets nobody delete is said.
func TestARefusalForgetsThePass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		findings []model.Finding
		age      time.Duration
		locked   bool
		code     int
	}{
		"refused":                      {[]model.Finding{high}, 0, false, 5},
		"incomplete":                   {nil, 30 * dayLong, false, 6},
		"in a registry that keeps all": {[]model.Finding{high}, 0, true, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if !c.locked { // the one in memory leaves tags that stand for nothing
				b.moveTo(enginetest.Services(t).Registry + "/forget-" + name)
			}
			b.scanned(b.scan())
			if _, err := b.run(); err != nil {
				t.Fatal(err)
			}
			if c.locked {
				b.server.Fail(registrytest.Fault{Method: http.MethodDelete, Path: "/manifests/", Status: http.StatusMethodNotAllowed})
			}
			s := b.scan(c.findings...)
			s.Time = at(c.age)
			b.scanned(s)
			_, err := b.run()
			if code(err) != c.code {
				t.Errorf("got %v, want code %d", err, c.code)
			}
			if _, found := b.receipt(); found != c.locked {
				t.Errorf("the receipt of the pass is there: %v", found)
			}
			if said := strings.Contains(err.Error(), "the receipt of an earlier pass is still there"); said != c.locked {
				t.Errorf("got %v", err)
			}
		})
	}
}

// moveTo builds the image below another address.
func (b *bench) moveTo(prefix string) {
	b.Helper()
	b.plan.Prefix = prefix
	b.repo = prefix + "/python"
	b.digest = plantest.Build(b, b.client, b.plan, b.entry)
}

func TestTheJobsOwnScanGoesBeforeTheRegistrys(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stored(b.scan())
	other := b.scan(high)
	other.Digest = model.DigestOf([]byte("an earlier build"))
	b.scanned(other) // left behind by another run: the registry knows better
	if _, err := b.run(); err != nil {
		t.Error(err)
	}
	for _, broken := range []string{"", "{", `{"version":1,"scans":[{}]}`} {
		b.write([]byte(broken))
		if _, err := b.run(); err == nil {
			t.Errorf("%q passes", broken)
		}
	}
}

func TestWhatIsNotJudged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.step.Policy.Mode = model.EnforceOff
	if reason, skipped := step.Skipped(second(b.run())); !skipped || !strings.Contains(reason, "enforcement is off") {
		t.Errorf("%s, %v", reason, skipped)
	}
	if len(b.verdicts()) != 0 {
		t.Error("there is a verdict")
	}
	b.step.Policy.Mode = model.EnforceBlock
	gone := *b.entry
	gone.Action = model.ActionRetire
	if _, skipped := step.Skipped(second(b.step.Run(t.Context(), b.plan, &gone))); !skipped {
		t.Error("a retired image is judged")
	}
	unbuilt := *b.entry
	unbuilt.Key = model.DigestOf([]byte("another key"))
	if _, err := b.step.Run(t.Context(), b.plan, &unbuilt); err == nil || !strings.Contains(err.Error(), "rootfsrun build python:1") {
		t.Errorf("what is not built: %v", err)
	}
}

func second(_ model.Receipt, err error) error { return err }

// TestAStrangersScanPassesNothing: whoever can push may attach documents.
func TestAStrangersScanPassesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := b.scan()
	other.Digest = model.DigestOf([]byte("another digest"))
	running := b.scan()
	running.State = model.ScanRunning
	for n, body := range [][]byte{[]byte("{"), []byte("{}"), other.Document(), running.Document()} {
		_, err := b.client.PutArtifact(t.Context(), b.repo, registry.Artifact{
			Subject: b.digest, Type: scans.ArtifactType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: at(time.Duration(n) * time.Minute)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.run(); code(err) != 6 {
		t.Errorf("%v", err)
	}
}

func TestWriteReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := gate.WriteReports(dir, subjects(), "1"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{".gitignore", gate.SARIFFile, gate.GitLabFile, gate.JUnitFile}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	sarifReport, err := os.ReadFile(filepath.Join(dir, gate.SARIFFile))
	if err != nil {
		t.Fatal(err)
	}
	valid(t, sarif, sarifReport)
}
