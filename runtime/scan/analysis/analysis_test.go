package analysis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan/analysis"
)

const repo = "europe-docker.pkg.dev/team/images/base/python"

var (
	digest   = model.DigestOf([]byte("amd64"))
	resource = "https://" + repo + "@" + digest.String()
	target   = model.TargetID{Image: "python", Tag: "3.13", Platform: model.Platform{OS: "linux", Arch: "amd64"}}
	today    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// clock is a clock that only sleeping moves.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func (c *clock) waited() time.Duration { return c.Now().Sub(today) }

func source(t *testing.T, a *gcptest.Analysis, change func(*analysis.Options)) (*analysis.Source, *clock) {
	t.Helper()
	c := &clock{now: today}
	o := analysis.Options{API: googleapi.Options{Endpoint: a.Endpoint()}, Now: c.Now, Sleep: c.Sleep}
	if change != nil {
		change(&o)
	}
	s, err := analysis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func scanned(t *testing.T, s *analysis.Source) model.Scan {
	t.Helper()
	got, err := s.Scan(t.Context(), repo, target, digest)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != digest || got.Platform != "linux/amd64" || got.Source != "artifact-analysis" || got.Findings == nil || got.Time == "" {
		t.Errorf("the scan does not say of what it is: %+v", got)
	}
	if got.State != model.ScanFinished && (len(got.Findings) > 0 || got.Detail == "") {
		t.Errorf("a scan that is %s has %d findings, and says %q", got.State, len(got.Findings), got.Detail)
	}
	if outcome := judged(t, got); (outcome == model.VerdictPass) != (got.State == model.ScanFinished) {
		t.Errorf("the gate says %s of a scan that is %s: %s", outcome, got.State, got.Detail)
	}
	return got
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
	return gate.Judge(plantest.Policy(), at, target, digest, []model.Scan{s}, gate.Where{GAR: true}).Outcome
}

func state(s grafeaspb.DiscoveryOccurrence_AnalysisStatus) *grafeaspb.DiscoveryOccurrence {
	return &grafeaspb.DiscoveryOccurrence{AnalysisStatus: s, ContinuousAnalysis: grafeaspb.DiscoveryOccurrence_ACTIVE, LastScanTime: timestamppb.New(today.Add(-time.Minute))}
}

// success is an analysis that ended well, a minute ago.
func success() *grafeaspb.DiscoveryOccurrence {
	d := state(grafeaspb.DiscoveryOccurrence_FINISHED_SUCCESS)
	d.AnalysisCompleted = &grafeaspb.DiscoveryOccurrence_AnalysisCompleted{AnalysisType: []string{"OS", "GO"}}
	return d
}

func finding(resource, note string, severity grafeaspb.Severity) *grafeaspb.Occurrence {
	return &grafeaspb.Occurrence{
		Name: "projects/team/occurrences/" + note, ResourceUri: resource, NoteName: "projects/goog-vulnz/notes/" + note, Kind: grafeaspb.NoteKind_VULNERABILITY,
		Details: &grafeaspb.Occurrence_Vulnerability{Vulnerability: &grafeaspb.VulnerabilityOccurrence{
			EffectiveSeverity: severity,
			PackageIssue: []*grafeaspb.VulnerabilityOccurrence_PackageIssue{{
				AffectedCpeUri: "cpe:/o:debian:debian_linux:13", AffectedPackage: "openssl", PackageType: "OS", EffectiveSeverity: severity,
				AffectedVersion: &grafeaspb.Version{Kind: grafeaspb.Version_NORMAL, Name: "3.0.1", Revision: "2", FullName: "3.0.1-2"},
				FixedVersion:    &grafeaspb.Version{Kind: grafeaspb.Version_NORMAL, Name: "3.0.2", Revision: "1", FullName: "3.0.2-1"},
				FixedCpeUri:     "cpe:/o:debian:debian_linux:13", FixedPackage: "openssl",
			}},
		}},
	}
}

// TestEveryState walks all that an analysis can say of itself. One finding is
// there each time, and counts only where the analysis ended well.
func TestEveryState(t *testing.T) {
	t.Parallel()
	d := func(change func(*grafeaspb.DiscoveryOccurrence)) []*grafeaspb.DiscoveryOccurrence {
		x := success()
		change(x)
		return []*grafeaspb.DiscoveryOccurrence{x}
	}
	is := func(all ...grafeaspb.DiscoveryOccurrence_AnalysisStatus) (out []*grafeaspb.DiscoveryOccurrence) {
		for _, s := range all {
			out = append(out, state(s))
		}
		return out
	}
	const (
		unspecified = grafeaspb.DiscoveryOccurrence_ANALYSIS_STATUS_UNSPECIFIED
		pending     = grafeaspb.DiscoveryOccurrence_PENDING
		scanning    = grafeaspb.DiscoveryOccurrence_SCANNING
		finished    = grafeaspb.DiscoveryOccurrence_FINISHED_SUCCESS
		unfinished  = grafeaspb.DiscoveryOccurrence_FINISHED_FAILED
		unsupported = grafeaspb.DiscoveryOccurrence_FINISHED_UNSUPPORTED
	)
	for name, c := range map[string]struct {
		states       []*grafeaspb.DiscoveryOccurrence
		want, detail string
		atLeast      time.Duration // that was waited
		atMost       time.Duration
	}{
		"ended well":              {is(finished), model.ScanFinished, "", 0, 0},
		"ended well, and says so": {d(func(*grafeaspb.DiscoveryOccurrence) {}), model.ScanFinished, "", 0, 0},
		"ends later":              {is(pending, scanning, unspecified, finished), model.ScanFinished, "", 30 * time.Second, 38 * time.Second},
		"begins later":            {[]*grafeaspb.DiscoveryOccurrence{nil, nil, state(finished)}, model.ScanFinished, "", 20 * time.Second, 25 * time.Second},
		"pending for ever":        {is(pending), model.ScanRunning, "pending, after 1", 14 * time.Minute, 15 * time.Minute},
		"scanning for ever":       {is(scanning), model.ScanRunning, "analysed, after 1", 14 * time.Minute, 15 * time.Minute},
		"without status for ever": {is(unspecified), model.ScanRunning, "no status", 14 * time.Minute, 15 * time.Minute},
		"never begins":            {nil, model.ScanMissing, "no analysis has begun, after ", 2 * time.Minute, 3 * time.Minute},
		"failed":                  {is(scanning, unfinished), model.ScanFailed, "the analysis failed", 10 * time.Second, 13 * time.Second},
		"unsupported":             {is(unsupported), model.ScanUnsupported, "not analysed", 0, 0},
		"a status of the future":  {is(99), model.ScanFailed, "99", 0, 0},
		"not analysed any more":   {d(func(x *grafeaspb.DiscoveryOccurrence) { x.ContinuousAnalysis = grafeaspb.DiscoveryOccurrence_INACTIVE }), model.ScanStale, "30 days", 0, 0},
		"archived":                {d(func(x *grafeaspb.DiscoveryOccurrence) { x.ArchiveTime = timestamppb.New(today) }), model.ScanStale, "archived", 0, 0},
		"long ago":                {d(func(x *grafeaspb.DiscoveryOccurrence) { x.LastScanTime = timestamppb.New(today.Add(-73 * time.Hour)) }), model.ScanStale, "72h", 0, 0},
		"not long ago":            {d(func(x *grafeaspb.DiscoveryOccurrence) { x.LastScanTime = timestamppb.New(today.Add(-71 * time.Hour)) }), model.ScanFinished, "", 0, 0},
		"no time":                 {d(func(x *grafeaspb.DiscoveryOccurrence) { x.LastScanTime = nil }), model.ScanStale, "does not say when", 0, 0},
		"a clock that is ahead":   {d(func(x *grafeaspb.DiscoveryOccurrence) { x.LastScanTime = timestamppb.New(today.Add(4 * time.Minute)) }), model.ScanFinished, "", 0, 0},
		"a clock that is wrong":   {d(func(x *grafeaspb.DiscoveryOccurrence) { x.LastScanTime = timestamppb.New(today.Add(3 * time.Hour)) }), model.ScanFailed, "two clocks", 0, 0},
		"complete, with errors": {d(func(x *grafeaspb.DiscoveryOccurrence) {
			x.AnalysisError = []*statuspb.Status{{Code: 13, Message: "layer\nis damaged"}}
		}), model.ScanFailed, "layer is damaged", 0, 0},
		"complete, an error code":  {d(func(x *grafeaspb.DiscoveryOccurrence) { x.AnalysisStatusError = &statuspb.Status{Code: 13} }), model.ScanFailed, "code 13", 0, 0},
		"complete, nothing was":    {d(func(x *grafeaspb.DiscoveryOccurrence) { x.AnalysisCompleted.AnalysisType = nil }), model.ScanFailed, "nothing", 0, 0},
		"an error that is an okay": {d(func(x *grafeaspb.DiscoveryOccurrence) { x.AnalysisStatusError = &statuspb.Status{} }), model.ScanFinished, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := gcptest.NewAnalysis(t)
			a.Put(finding(resource, "CVE-2026-1", grafeaspb.Severity_HIGH))
			a.Discover(resource, c.states...)
			s, clock := source(t, a, nil)
			got := scanned(t, s)
			if got.State != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %q, want %s: %q", got.State, got.Detail, c.want, c.detail)
			}
			if w := clock.waited(); w < c.atLeast || w > c.atMost {
				t.Errorf("waited %s, want %s to %s", w, c.atLeast, c.atMost)
			}
			if got.State == model.ScanFinished && (len(got.Findings) != 1 || got.Database == "") {
				t.Errorf("finished without its finding or its date: %+v", got)
			}
			if at, err := time.Parse(time.RFC3339, got.Time); err != nil || at.After(clock.Now()) {
				t.Errorf("it ended at %s, which is to come (%v)", got.Time, err)
			}
		})
	}
}

// TestRescanPullsTheImage: Google analyses an image again that is pulled; until
// it has, what it says is as old as before.
func TestRescanPullsTheImage(t *testing.T) {
	t.Parallel()
	inactive := success()
	inactive.ContinuousAnalysis = grafeaspb.DiscoveryOccurrence_INACTIVE
	refused := errors.New("no right to pull")
	for name, c := range map[string]struct {
		states       []*grafeaspb.DiscoveryOccurrence
		pull         error
		want, detail string
		atMost       time.Duration
	}{
		"analysed again":     {[]*grafeaspb.DiscoveryOccurrence{inactive, inactive, success()}, nil, model.ScanFinished, "", 25 * time.Second},
		"not analysed again": {[]*grafeaspb.DiscoveryOccurrence{inactive}, nil, model.ScanStale, "it was pulled", 3 * time.Minute},
		"fails":              {[]*grafeaspb.DiscoveryOccurrence{inactive, state(grafeaspb.DiscoveryOccurrence_FINISHED_FAILED)}, nil, model.ScanFailed, "failed", 13 * time.Second},
		"may not be pulled":  {[]*grafeaspb.DiscoveryOccurrence{inactive}, refused, model.ScanFailed, "no right to pull", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := gcptest.NewAnalysis(t)
			a.Discover(resource, c.states...)
			pulled := 0
			s, clock := source(t, a, func(o *analysis.Options) {
				o.Pull = func(_ context.Context, of string, d model.Digest) error {
					if pulled++; of != repo || d != digest {
						t.Errorf("pulled %s@%s", of, d)
					}
					return c.pull
				}
			})
			got, err := s.Rescan(t.Context(), repo, target, digest)
			if err != nil || got.State != c.want || !strings.Contains(got.Detail, c.detail) || pulled != 1 {
				t.Errorf("%v, pulled %d times, %s: %q, want %s: %q", err, pulled, got.State, got.Detail, c.want, c.detail)
			}
			if outcome := judged(t, got); (outcome == model.VerdictPass) != (c.want == model.ScanFinished) {
				t.Errorf("the gate says %s of a scan that is %s", outcome, got.State)
			}
			if w := clock.waited(); w > c.atMost {
				t.Errorf("waited %s, at most %s", w, c.atMost)
			}
		})
	}
}

// TestSeveralAnalyses: where there are several, the worst speaks, but for what
// is archived.
func TestSeveralAnalyses(t *testing.T) {
	t.Parallel()
	put := func(a *gcptest.Analysis, d *grafeaspb.DiscoveryOccurrence) {
		o := &grafeaspb.Occurrence{ResourceUri: resource, NoteName: gcptest.DiscoveryNote, Kind: grafeaspb.NoteKind_DISCOVERY}
		if d != nil {
			o.Details = &grafeaspb.Occurrence_Discovery{Discovery: d}
		}
		a.Put(o)
	}
	archived := success()
	archived.ArchiveTime = timestamppb.New(today)
	for _, c := range []struct {
		other *grafeaspb.DiscoveryOccurrence
		want  string
	}{
		{success(), model.ScanFinished},
		{archived, model.ScanFinished},
		{state(grafeaspb.DiscoveryOccurrence_PENDING), model.ScanRunning},
		{state(grafeaspb.DiscoveryOccurrence_FINISHED_FAILED), model.ScanFailed},
		{nil, model.ScanFailed},
	} {
		a := gcptest.NewAnalysis(t)
		put(a, success())
		put(a, c.other)
		s, _ := source(t, a, nil)
		if got := scanned(t, s); got.State != c.want {
			t.Errorf("beside %v: %s (%s), want %s", c.other, got.State, got.Detail, c.want)
		}
	}
}

// place is what a registry and its settings say.
type place struct {
	kind  string
	found bool
	on    bool
	err   error
}

func (p place) Resolve(context.Context, string, string) (registry.Descriptor, bool, error) {
	return registry.Descriptor{Digest: digest, MediaType: p.kind}, p.found, nil
}
func (p place) Scanned(context.Context, string) (bool, string, error) {
	return p.on, "the API is off", p.err
}

// TestWhatIsNeverAsked: an index, what is not there, and what nobody scans.
func TestWhatIsNeverAsked(t *testing.T) {
	t.Parallel()
	const manifest, index = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	for name, c := range map[string]struct {
		place
		want, detail string
		asks         bool
	}{
		"a platform":            {place{manifest, true, true, nil}, model.ScanFinished, "", true},
		"an index":              {place{index, true, true, nil}, model.ScanFailed, "index", false},
		"what is not there":     {place{manifest, false, true, nil}, model.ScanMissing, "not in", false},
		"scanning is off":       {place{manifest, true, false, nil}, model.ScanMissing, "the API is off", false},
		"settings are not read": {place{manifest, true, false, errors.New("forbidden")}, model.ScanFinished, "", true},
	} {
		a := gcptest.NewAnalysis(t)
		a.Discover(resource, success())
		s, clock := source(t, a, func(o *analysis.Options) { o.Manifests, o.Settings = c.place, c.place })
		got := scanned(t, s)
		if got.State != c.want || !strings.Contains(got.Detail, c.detail) || (len(a.Calls()) > 0) != c.asks || clock.waited() != 0 {
			t.Errorf("%s: %s: %s, %d calls, waited %s", name, got.State, got.Detail, len(a.Calls()), clock.waited())
		}
	}
}

func TestWhatLiesElsewhere(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	s, _ := source(t, a, nil)
	for _, at := range []string{"ghcr.io/team/python", "127.0.0.1:5000/team/python", "europe-docker.pkg.dev", "europe-docker.pkg.dev/team", `europe-docker.pkg.dev/team/x" OR kind="BUILD`} {
		got, err := s.Scan(t.Context(), at, target, digest)
		if err != nil || got.State != model.ScanMissing {
			t.Errorf("%s: %+v, %v", at, got, err)
		}
	}
	if n := len(a.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestOtherPlatforms: an arm64 image that nobody analyses is left to another
// scanner, but not where scanning is merely off.
func TestOtherPlatforms(t *testing.T) {
	t.Parallel()
	arm := target
	arm.Platform = model.LinuxARM64
	a := gcptest.NewAnalysis(t)
	s, clock := source(t, a, nil)
	got, err := s.Scan(t.Context(), repo, arm, digest)
	if err != nil || got.State != model.ScanUnsupported || clock.waited() < 2*time.Minute {
		t.Errorf("%+v after %s, %v", got, clock.waited(), err)
	}
	s, _ = source(t, a, func(o *analysis.Options) { o.Settings = place{on: false} })
	if got, err := s.Scan(t.Context(), repo, arm, digest); err != nil || got.State != model.ScanMissing {
		t.Errorf("%+v, %v", got, err)
	}
	a.Discover(resource, state(grafeaspb.DiscoveryOccurrence_PENDING))
	s, _ = source(t, a, nil)
	if got, err := s.Scan(t.Context(), repo, arm, digest); err != nil || got.State != model.ScanRunning {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProjects(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	s, _ := source(t, a, nil)
	for at, want := range map[string]string{
		"europe-docker.pkg.dev/team/images/python":             "projects/team",
		"europe-docker.pkg.dev/example.com/team/images/python": "projects/example.com:team",
		"gcr.io/team/python":                                   "projects/team",
	} {
		a.Fail(gcptest.Fault{Code: codes.NotFound})
		var parent string
		if _, err := s.Scan(t.Context(), at, target, digest); err != nil {
			t.Fatal(err)
		}
		parent = a.Parents()[len(a.Parents())-1]
		if parent != want {
			t.Errorf("%s: %s", at, parent)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Discover(resource, state(grafeaspb.DiscoveryOccurrence_PENDING))
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the machine is taken away")
	s, _ := source(t, a, func(o *analysis.Options) {
		o.Sleep = func(context.Context, time.Duration) error {
			cancel(stop)
			return ctx.Err()
		}
	})
	if got, err := s.Scan(ctx, repo, target, digest); !errors.Is(err, stop) || got.State != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, good := range map[string]bool{
		"": true, "analysis.example.com:443": true, "10.0.0.7:443": true, "http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true,
		"http://10.0.0.7:8080": false, "https://analysis.example.com": false, "analysis.example.com": false, "unix:/x": false, "http://example.com:80": false, "a b:1": false,
	} {
		s, err := analysis.New(analysis.Options{API: googleapi.Options{Endpoint: endpoint}})
		if (err == nil) != good {
			t.Errorf("%q: %v", endpoint, err)
		}
		if s != nil {
			_ = s.Close() // nothing was connected
		}
	}
}
