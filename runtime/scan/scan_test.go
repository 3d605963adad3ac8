package scan

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

var python = model.TargetID{Image: "python", Tag: "3.13", Platform: model.LinuxAMD64}

// says is a source that says one thing.
type says struct {
	name, state string
	err         error
	mu          *sync.Mutex
	asked       *[]string
}

func (s says) Name() string { return s.name }

func (s says) Scan(_ context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.asked = append(*s.asked, s.name)
	return Request{Repo: repo, Target: target, Digest: digest}.State(s.name, s.state, ""), s.err
}

// Which sources a policy asks, by where the image lies and what those before
// them said.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	gar := "europe-docker.pkg.dev/team/images/python"
	standard := []model.PolicySource{{Name: model.SourceArtifactAnalysis, Required: model.RequiredGAR}, {Name: model.SourceLocal, Required: model.RequiredUnsupported}}
	always := []model.PolicySource{{Name: model.SourceArtifactAnalysis, Required: model.RequiredAlways}, {Name: model.SourceLocal, Required: model.RequiredNever}}
	for name, c := range map[string]struct {
		repo    string
		sources []model.PolicySource
		google  string
		want    string
	}{
		"elsewhere, the local one alone":        {"127.0.0.1:5000/python", standard, model.ScanFinished, "local finished"},
		"in Google, that is enough":             {gar, standard, model.ScanFinished, "artifact-analysis finished"},
		"in Google, which cannot read it":       {gar, standard, model.ScanUnsupported, "artifact-analysis unsupported, local finished"},
		"in Google, which failed, is no excuse": {gar, standard, model.ScanFailed, "artifact-analysis failed"},
		"in Google, which never ends":           {gar, standard, model.ScanRunning, "artifact-analysis running"},
		"in Google, where nobody was":           {gar, standard, model.ScanMissing, "artifact-analysis missing, local finished"},
		"both":                                  {"127.0.0.1:5000/python", always, model.ScanFailed, "artifact-analysis failed, local finished"},
		"one that this run does not have":       {gar, []model.PolicySource{{Name: "other", Required: model.RequiredAlways}}, "", "other missing"},
		"nobody":                                {gar, nil, "", ""},
	} {
		var asked []string
		var mu sync.Mutex
		sources := []Source{
			says{model.SourceLocal, model.ScanFinished, nil, &mu, &asked},
			says{model.SourceArtifactAnalysis, c.google, nil, &mu, &asked},
		}
		scans, err := All(t.Context(), sources, model.Policy{
			Sources: c.sources, State: model.PolicyState{Unsupported: model.PolicyFallback, Missing: model.PolicyFallback},
		}, []Request{{Repo: c.repo, Target: python, Digest: "sha256:x"}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range scans {
			got = append(got, s.Source+" "+s.State)
			if s.ID() != python || s.Digest != "sha256:x" {
				t.Errorf("%s: of %v %s", name, s.ID(), s.Digest)
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// again is a source that can be made to look again.
type again struct{ says }

func (a again) Rescan(_ context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error) {
	*a.asked = append(*a.asked, a.name+" again")
	return Request{Repo: repo, Target: target, Digest: digest}.State(a.name, model.ScanFinished, ""), nil
}

// TestWhatIsTooOldIsAskedAgain, where the policy says so, and only then.
func TestWhatIsTooOldIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ inactive, state, want string }{
		{model.PolicyRescan, model.ScanStale, "local, local again: finished"},
		{model.PolicyBlock, model.ScanStale, "local: stale"},
		{model.PolicyFallback, model.ScanStale, "local: stale"},
		{model.PolicyRescan, model.ScanFailed, "local: failed"},
		{model.PolicyRescan, model.ScanFinished, "local: finished"},
	} {
		var asked []string
		s := again{says{model.SourceLocal, c.state, nil, &sync.Mutex{}, &asked}}
		scans, err := All(t.Context(), []Source{s}, model.Policy{
			Sources: []model.PolicySource{{Name: s.name, Required: model.RequiredAlways}}, State: model.PolicyState{Inactive: c.inactive},
		}, []Request{{Target: python, Digest: "sha256:x"}})
		if err != nil || len(scans) != 1 || strings.Join(asked, ", ")+": "+scans[0].State != c.want {
			t.Errorf("%+v: %v, %v, %+v", c, err, asked, scans)
		}
	}
}

func TestCancellingAllIsAnError(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	s := says{model.SourceLocal, "", context.Canceled, &mu, &[]string{}}
	_, err := All(t.Context(), []Source{s}, model.Policy{Sources: []model.PolicySource{{Name: s.name, Required: model.RequiredAlways}}}, []Request{{Target: python}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func finished(digest model.Digest, at string, findings ...model.Finding) model.Scan {
	s := Request{Target: python, Digest: digest}.State(model.SourceLocal, model.ScanFinished, "")
	s.Tool, s.Database, s.Time, s.Findings = "grype 1", at, at, append(s.Findings, findings...)
	return s
}

func kept(t *testing.T) (Store, *registrytest.Server, string, model.Digest) {
	t.Helper()
	server := registrytest.NewWithoutReferrers(t)
	c := registry.New(registry.Options{Attempts: 1})
	repo := server.Prefix("testing/python")
	digest, err := c.PushImage(t.Context(), repo, empty.Image)
	if err != nil {
		t.Fatal(err)
	}
	return Store{Registry: c}, server, repo, digest
}

func TestScansAreKept(t *testing.T) {
	t.Parallel()
	store, server, repo, digest := kept(t)
	old := finished(digest, "2026-11-20T09:00:00Z", model.Finding{ID: "CVE-1", Aliases: []string{}})
	recent := finished(digest, "2026-11-21T09:00:00Z")
	other := finished(digest, "2026-11-19T09:00:00Z")
	other.Source = "other"
	for _, s := range []model.Scan{recent, old, other} {
		if err := store.Save(t.Context(), repo, s); err != nil {
			t.Fatal(err)
		}
	}
	newest, err := store.Newest(t.Context(), repo, digest)
	if diff := cmp.Diff([]model.Scan{recent, other}, newest); err != nil || diff != "" {
		t.Errorf("newest: %v (-want +got):\n%s", err, diff)
	}
	r := Request{Repo: repo, Target: python, Digest: digest}
	got, found, err := store.Load(t.Context(), r, old.Source, old.Tool, old.Database)
	if diff := cmp.Diff(old, got); err != nil || !found || diff != "" {
		t.Errorf("%v, %v (-want +got):\n%s", found, err, diff)
	}
	if got, found, err := store.Load(t.Context(), r, old.Source, "grype 2", old.Database); err != nil || found {
		t.Errorf("with another tool: %+v, %v", got, err)
	}
	server.Forget()
	if err := store.Save(t.Context(), repo, old); err != nil {
		t.Fatal(err)
	}
	for _, request := range server.Requests() {
		if !strings.HasPrefix(request, http.MethodGet) {
			t.Errorf("saving the same again: %s", request)
		}
	}
	running := old
	running.State = model.ScanRunning
	if err := store.Save(t.Context(), repo, running); err == nil {
		t.Error("what has not finished was kept")
	}
}

// A statement that was taken back leaves the scan that it was written into
// behind: that one is found no more.
func TestAnEarlierFormOfAScanIsNotFound(t *testing.T) {
	t.Parallel()
	for _, first := range []string{model.VEXNotAffected, ""} { // whichever digest sorts first
		store, _, repo, digest := kept(t)
		s := finished(digest, "2026-11-20T09:00:00Z", model.Finding{ID: "CVE-1", Aliases: []string{}, VEX: first})
		if err := store.Save(t.Context(), repo, s); err != nil {
			t.Fatal(err)
		}
		s.Findings[0].VEX = map[string]string{"": model.VEXNotAffected, model.VEXNotAffected: ""}[first]
		if err := store.Save(t.Context(), repo, s); err != nil {
			t.Fatal(err)
		}
		newest, err := store.Newest(t.Context(), repo, digest)
		if diff := cmp.Diff([]model.Scan{s}, newest); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

// What anybody can push is no scan of this digest, or none that has finished.
func TestForgedScansAreNotLoaded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*model.Scan){
		"of another digest": func(s *model.Scan) { s.Digest = model.DigestOf([]byte("x")) },
		"not finished":      func(s *model.Scan) { s.State = model.ScanFailed },
		"by another source": func(s *model.Scan) { s.Source = "other" },
		"by another tool":   func(s *model.Scan) { s.Tool = "grype 2" },
		"without findings":  func(s *model.Scan) { s.Findings = nil },
	} {
		store, _, repo, digest := kept(t)
		want := finished(digest, "2026-11-20T09:00:00Z")
		forged := want
		change(&forged)
		body, err := json.Marshal(forged)
		if err != nil {
			t.Fatal(err)
		}
		artifact, err := store.Registry.PutArtifact(t.Context(), repo, registry.Artifact{Subject: digest, Type: ArtifactType, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		err = store.Registry.PutReceipt(t.Context(), repo, model.Receipt{
			Version: model.ReceiptVersion, Step: model.StepScan, StepKey: model.ScanStepKey(digest, want.Source, want.Tool, want.Database), Status: model.ReceiptPassed, Digest: digest,
			Inputs: []model.Material{{Name: "scan " + want.Source, Digest: artifact}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, found, err := store.Load(t.Context(), Request{Repo: repo, Target: python, Digest: digest}, want.Source, want.Tool, want.Database); err != nil || found {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestAStoreThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	store, server, repo, digest := kept(t)
	s := finished(digest, "2026-11-20T09:00:00Z")
	if err := store.Save(t.Context(), repo, s); err != nil {
		t.Fatal(err)
	}
	server.Fail(registrytest.Fault{Path: "/blobs/|/manifests/", Cut: true})
	if got, err := store.Newest(t.Context(), repo, digest); err == nil {
		t.Errorf("newest: %v", got)
	}
	if got, found, err := store.Load(t.Context(), Request{Repo: repo, Target: python, Digest: digest}, s.Source, s.Tool, s.Database); err == nil {
		t.Errorf("loaded %v: %+v", found, got)
	}
}

const vexHead = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/1", "author": "security@example.com", "timestamp": "2026-11-20T09:00:00Z", "version": 1, "statements": [`

func TestVEX(t *testing.T) {
	t.Parallel()
	digest := model.DigestOf([]byte("x"))
	request := Request{Repo: "example.com/team/python", Target: python, Digest: digest}
	openssl := model.Finding{ID: "CVE-2026-1", Aliases: []string{"GHSA-1"}, PURL: "pkg:deb/debian/openssl@3.0.1-1?arch=amd64"}
	for name, c := range map[string]struct{ statements, want string }{
		"of the package":           {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"}`, "not_affected vulnerable_code_not_in_execute_path security@example.com openvex"},
		"of the package's version": {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl@3.0.1-1"}], "status": "fixed"}`, "fixed  security@example.com openvex"},
		"of another version":       {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl@2"}], "status": "fixed"}`, "   "},
		"of another package":       {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/bash"}], "status": "fixed"}`, "   "},
		"of another vulnerability": {`{"vulnerability": {"name": "CVE-2026-2"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "fixed"}`, "   "},
		"by an alias":              {`{"vulnerability": {"name": "GHSA-1"}, "products": [{"@id": "pkg:deb/debian/openssl@3.0.1-1"}], "status": "fixed"}`, "fixed  security@example.com openvex"},
		"of the image":             {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python"}], "status": "not_affected", "justification": "component_not_present"}`, "not_affected component_not_present security@example.com openvex"},
		"of the image's digest":    {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python@` + strings.ReplaceAll(digest.String(), ":", "%3A") + `"}], "status": "fixed"}`, "fixed  security@example.com openvex"},
		"of another digest":        {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python@sha256%3A00"}], "status": "fixed"}`, "   "},
		"of the image elsewhere":   {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python?repository_url=example.org/python"}], "status": "fixed"}`, "   "},
		"of the package in it":     {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python", "subcomponents": [{"@id": "pkg:deb/debian/openssl@3.0.1-1"}]}], "status": "fixed"}`, "fixed  security@example.com openvex"},
		"fixed in every version":   {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "fixed"}`, "   "},
		"fixed in every image":     {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python"}], "status": "fixed"}`, "   "},
		"fixed in any of them":     {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}], "status": "fixed"}`, "   "},
		"of another in it":         {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/python", "subcomponents": [{"@id": "pkg:deb/debian/bash"}]}], "status": "fixed"}`, "   "},
		"in another image":         {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/ruby", "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}], "status": "fixed"}`, "   "},
		"the newest counts": {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "affected", "action_statement": "update", "timestamp": "2026-11-21T09:00:00Z"},
			{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "fixed"}`, "affected  security@example.com openvex"},
		"of two at once the warning": {`{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "affected", "action_statement": "update"},
			{"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "fixed"}`, "affected  security@example.com openvex"},
	} {
		v, err := LoadVEX(fstest.MapFS{"vex/a.json": {Data: []byte(vexHead + c.statements + "]}")}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		scans := []model.Scan{finished(digest, "2026-11-21T09:00:00Z", openssl)}
		scans[0].Findings[0].VEXFormat, scans[0].Findings[0].VEX = "openvex", "fixed" // of an earlier run
		v.Apply([]Request{request}, scans)
		f := scans[0].Findings[0]
		if got := f.VEX + " " + f.VEXReason + " " + f.VEXAuthor + " " + f.VEXFormat; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A statement about one vulnerability makes no advisory harmless that stands for
// several; one that warns of it does.
func TestVEXOfAnAdvisory(t *testing.T) {
	t.Parallel()
	digest := model.DigestOf([]byte("x"))
	advisory := model.Finding{ID: "ELSA-2026-1", Aliases: []string{"CVE-2026-1", "CVE-2026-2"}, PURL: "pkg:rpm/oracle/openssl@3"}
	one := advisory
	one.Aliases = []string{"CVE-2026-1", "GHSA-1"}
	const harmless, bad = `"status": "not_affected", "justification": "component_not_present"`, `"status": "affected", "action_statement": "update"`
	for name, c := range map[string]struct {
		f                    model.Finding
		vulnerability, state string
		want                 string
	}{
		"one of two":      {advisory, "CVE-2026-1", harmless, ""},
		"the advisory":    {advisory, "ELSA-2026-1", harmless, model.VEXNotAffected},
		"a warning":       {advisory, "CVE-2026-2", bad, model.VEXAffected},
		"the only one":    {one, "CVE-2026-1", harmless, model.VEXNotAffected},
		"its other name":  {one, "GHSA-1", harmless, model.VEXNotAffected},
		"something other": {one, "CVE-2026-3", harmless, ""},
	} {
		v, err := LoadVEX(fstest.MapFS{"vex/a.json": {Data: []byte(vexHead + `{"vulnerability": {"name": "` + c.vulnerability + `"}, "products": [{"@id": "pkg:rpm/oracle/openssl"}], ` + c.state + "}]}")}})
		if err != nil {
			t.Fatal(err)
		}
		scans := []model.Scan{finished(digest, "2026-11-21T09:00:00Z", c.f)}
		v.Apply(nil, scans)
		if got := scans[0].Findings[0].VEX; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What is found twice is left once, the worse of it, in whichever order it came.
func TestSortHidesNothing(t *testing.T) {
	t.Parallel()
	f := func(severity, fixed string, kev bool) model.Finding {
		return model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/a@1", Severity: severity, Fixed: fixed, KEV: kev}
	}
	low, bad, mended, unknown := f("LOW", "", true), f("CRITICAL", "", false), f("CRITICAL", "2", false), f("UNKNOWN", "", false)
	stated := mended
	stated.VEX, stated.VEXAuthor = model.VEXNotAffected, "us"
	for name, c := range map[string]struct {
		of   []model.Finding
		want model.Finding
	}{
		"severity and KEV": {[]model.Finding{low, bad}, f("CRITICAL", "", true)},
		"a fix":            {[]model.Finding{bad, mended}, mended},
		"a fix of another": {[]model.Finding{bad, f("HIGH", "2", false)}, mended},
		"a statement":      {[]model.Finding{stated, mended}, mended},
		"nobody knows":     {[]model.Finding{unknown, bad}, model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/a@1", Severity: "UNKNOWN", Provider: "CRITICAL"}},
	} {
		backwards := slices.Clone(c.of)
		slices.Reverse(backwards)
		for _, list := range [][]model.Finding{c.of, backwards} {
			if diff := cmp.Diff([]model.Finding{c.want}, Sort(slices.Clone(list))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// A document that is wrong is said, and not passed over.
func TestVEXThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, want string }{
		"no JSON":          {"{", "vex/a.json"},
		"another document": {`{"@context": "https://example.com", "statements": []}`, "vex/a.json"},
		"no product":       {vexHead + `{"vulnerability": {"name": "CVE-1"}, "status": "fixed"}]}`, "names no product"},
		"no vulnerability": {vexHead + `{"products": [{"@id": "pkg:deb/x/y"}], "status": "fixed"}]}`, "names no vulnerability"},
		"no justification": {vexHead + `{"vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:deb/x/y"}], "status": "not_affected"}]}`, "justification"},
		"an unknown state": {vexHead + `{"vulnerability": {"name": "CVE-1"}, "products": [{"@id": "pkg:deb/x/y"}], "status": "harmless"}]}`, "harmless"},
	} {
		_, err := LoadVEX(fstest.MapFS{"vex/a.json": {Data: []byte(c.doc)}, "vex/b.json": {Data: []byte("[")}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "vex/b.json") {
			t.Errorf("%s: %v", name, err)
		}
		if e, ok := errors.AsType[*VEXError](err); !ok || e.ExitCode() != 3 {
			t.Errorf("%s: %v is no mistake in the repository", name, err)
		}
	}
	if v, err := LoadVEX(fstest.MapFS{}); err != nil || len(v.statements) != 0 {
		t.Errorf("without statements: %v, %v", v, err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	f := func(id, purl string) model.Finding { return model.Finding{ID: id, PURL: purl} }
	d := Diff(
		[]model.Finding{f("CVE-1", "pkg:deb/debian/a@1"), f("CVE-2", "pkg:deb/debian/a@1"), f("CVE-2", "pkg:deb/debian/a@1.1")},
		[]model.Finding{f("CVE-1", "pkg:deb/debian/a@2"), f("CVE-3", "pkg:deb/debian/b@1")})
	want := Difference{Gone: []model.Finding{f("CVE-2", "pkg:deb/debian/a@1")}, New: []model.Finding{f("CVE-3", "pkg:deb/debian/b@1")}, Both: 1}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
