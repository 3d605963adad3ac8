package analysis_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	containeranalysis "cloud.google.com/go/containeranalysis/apiv1"
	"google.golang.org/api/option"
	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/scan/analysis"
)

// grafeasd starts a Grafeas server as its authors wrote it, which ends when
// the test does.
func grafeasd(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(enginetest.Bin(t), "grafeasd"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (make tools compiles it)", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it was asked to end
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("grafeasd says %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// TestRealGrafeas speaks to a server that other people wrote: it takes our
// filters by its own grammar, and nothing that its own rules call invalid.
func TestRealGrafeas(t *testing.T) {
	t.Parallel()
	address := grafeasd(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client, err := containeranalysis.NewClient(t.Context(), option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	g := client.GetGrafeasClient()
	ask := func(name string) model.Scan {
		t.Helper()
		c := &clock{now: time.Now()}
		s, err := analysis.New(analysis.Options{API: googleapi.Options{Endpoint: "http://" + address}, Now: c.Now, Sleep: c.Sleep})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got, err := s.Scan(t.Context(), repo, target, model.DigestOf([]byte(name)))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	note := func(parent, id string, n *grafeaspb.Note) {
		t.Helper()
		if _, err := g.CreateNote(t.Context(), &grafeaspb.CreateNoteRequest{Parent: parent, NoteId: id, Note: n}); err != nil {
			t.Fatal(err)
		}
	}
	occurrence := func(o *grafeaspb.Occurrence) error {
		t.Helper()
		o.Name, o.Kind = "", 0 // are the server's to say
		_, err := g.CreateOccurrence(t.Context(), &grafeaspb.CreateOccurrenceRequest{Parent: "projects/team", Occurrence: o})
		return err
	}
	of := func(name string) string { return "https://" + repo + "@" + model.DigestOf([]byte(name)).String() }

	if got := ask("unknown"); got.State != model.ScanMissing {
		t.Errorf("before anything is known: %s: %s", got.State, got.Detail)
	}
	note("projects/goog-analysis", "PACKAGE_VULNERABILITY", &grafeaspb.Note{Type: &grafeaspb.Note_Discovery{Discovery: &grafeaspb.DiscoveryNote{AnalysisKind: grafeaspb.NoteKind_VULNERABILITY}}})
	note("projects/goog-vulnz", "CVE-2026-1", &grafeaspb.Note{Type: &grafeaspb.Note_Vulnerability{Vulnerability: &grafeaspb.VulnerabilityNote{
		Details: []*grafeaspb.VulnerabilityNote_Detail{{AffectedCpeUri: "cpe:/o:debian:debian_linux:13", AffectedPackage: "openssl"}},
	}}})
	d := success()
	d.LastScanTime = timestamppb.Now()
	d.AnalysisCompleted = nil // is younger than this server
	for _, image := range []string{"amd64", "another"} {
		if err := occurrence(&grafeaspb.Occurrence{ResourceUri: of(image), NoteName: "projects/goog-analysis/notes/PACKAGE_VULNERABILITY", Details: &grafeaspb.Occurrence_Discovery{Discovery: d}}); err != nil {
			t.Fatal(err)
		}
		o := finding(of(image), "CVE-2026-1", grafeaspb.Severity_HIGH)
		v := o.GetVulnerability()
		v.Risk = &grafeaspb.Risk{CisaKev: &grafeaspb.CISAKnownExploitedVulnerabilities{}} // unknown to this server, and kept all the same
		if err := occurrence(o); err != nil {
			t.Fatal(err)
		}
	}
	got := ask("amd64")
	if got.State != model.ScanFinished || len(got.Findings) != 1 || got.Findings[0].ID != "CVE-2026-1" || !got.Findings[0].KEV || got.Findings[0].Fixed != "3.0.2-1" {
		t.Errorf("%s: %s: %+v", got.State, got.Detail, got.Findings)
	}
	if got := ask("a third"); got.State != model.ScanMissing {
		t.Errorf("what nobody scanned is %s", got.State)
	}

	// The server does judge: what is invalid to it is refused.
	broken := finding(of("amd64"), "CVE-2026-1", grafeaspb.Severity_HIGH)
	broken.GetVulnerability().PackageIssue = nil
	if err := occurrence(broken); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an occurrence without a package: %v", err)
	}
	if _, err := g.ListOccurrences(t.Context(), &grafeaspb.ListOccurrencesRequest{Parent: "projects/team", Filter: `kind="DISCOVERY" AND AND`}, googleapi.Once()).Next(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a filter that is none: %v", err)
	}
}
