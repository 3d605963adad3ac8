package analysis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
)

// TestFaults: what is refused is asked again where that can help, and what
// could not be read to its end is never finished.
func TestFaults(t *testing.T) {
	t.Parallel()
	const many = 1500 // two pages
	for name, c := range map[string]struct {
		fault        gcptest.Fault
		want, detail string
		calls        int // with the fault's filter
	}{
		"quota, for a while":           {gcptest.Fault{Holds: "DISCOVERY", Times: 3, Code: codes.ResourceExhausted, Message: "Quota exceeded"}, model.ScanFinished, "", 5},
		"quota, for good":              {gcptest.Fault{Holds: "DISCOVERY", Code: codes.ResourceExhausted, Message: "Quota exceeded for quota metric"}, model.ScanFailed, "ResourceExhausted: Quota exceeded", 6},
		"down, for a while":            {gcptest.Fault{Holds: "kind=\"VULNERABILITY\"", Times: 5, Code: codes.Unavailable}, model.ScanFinished, "", 7},
		"down, for good":               {gcptest.Fault{Code: codes.Unavailable, Message: "try later"}, model.ScanFailed, "in 6 tries: Unavailable: try later", 6},
		"half of the pages":            {gcptest.Fault{Holds: "kind=\"VULNERABILITY\"", After: 1, Code: codes.Internal, Message: "stream broke"}, model.ScanFailed, "stream broke", 7},
		"half of the pages, then all":  {gcptest.Fault{Holds: "kind=\"VULNERABILITY\"", After: 1, Times: 2, Code: codes.Internal}, model.ScanFinished, "", 4},
		"half of the pages, forbidden": {gcptest.Fault{Holds: "kind=\"VULNERABILITY\"", After: 1, Code: codes.PermissionDenied, Message: "no"}, model.ScanFailed, "PermissionDenied: no", 2},
		"no secrets can be read":       {gcptest.Fault{Holds: "SECRET", Code: codes.PermissionDenied}, model.ScanFailed, "PermissionDenied", 1},
		"forbidden":                    {gcptest.Fault{Code: codes.PermissionDenied, Message: "Permission 'containeranalysis.occurrences.list' denied"}, model.ScanFailed, "containeranalysis.occurrences.list", 1},
		"not logged in":                {gcptest.Fault{Code: codes.Unauthenticated}, model.ScanFailed, "Unauthenticated", 1},
		"the API is off":               {gcptest.Fault{Code: codes.FailedPrecondition, Message: "Container Analysis API has not been used"}, model.ScanFailed, "has not been used", 1},
		"the last look fails":          {gcptest.Fault{Holds: "DISCOVERY", After: 1, Code: codes.PermissionDenied}, model.ScanFailed, "PermissionDenied", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := gcptest.NewAnalysis(t)
			for i := range many {
				a.Put(finding(resource, fmt.Sprintf("CVE-2026-%05d", i), grafeaspb.Severity_HIGH))
			}
			a.Discover(resource, success())
			a.Fail(c.fault)
			s, _ := source(t, a, nil)
			got := scanned(t, s)
			if got.State != c.want || !strings.Contains(got.Detail, c.detail) {
				t.Errorf("%s: %q, want %s: %q", got.State, got.Detail, c.want, c.detail)
			}
			if got.State == model.ScanFinished && len(got.Findings) != many {
				t.Errorf("finished with %d of %d findings", len(got.Findings), many)
			}
			calls := 0
			for _, call := range a.Calls() {
				if strings.Contains(call.Holds, c.fault.Holds) {
					calls++
				}
			}
			if calls != c.calls {
				t.Errorf("%d calls, want %d", calls, c.calls)
			}
		})
	}
}

func TestBackOffGrowsAndJitters(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Fail(gcptest.Fault{Code: codes.Unavailable})
	s, clock := source(t, a, nil)
	scanned(t, s)
	for n, d := range clock.slept {
		least := time.Second << n
		if d < least || d > least+least/4+time.Nanosecond {
			t.Errorf("pause %d was %s, want %s and at most a quarter more", n+1, d, least)
		}
	}
	if len(clock.slept) != 5 {
		t.Errorf("%d pauses", len(clock.slept))
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Stop()
	s, _ := source(t, a, nil)
	if got := scanned(t, s); got.State != model.ScanFailed || !strings.Contains(got.Detail, "Unavailable") {
		t.Errorf("%s: %s", got.State, got.Detail)
	}
}

func TestAServerThatPassesOverFilters(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	a.Discover(resource, success())
	a.Put(finding("https://"+repo+"@"+model.DigestOf([]byte("another")).String(), "CVE-2026-1", grafeaspb.Severity_LOW))
	a.Deaf()
	s, _ := source(t, a, nil)
	if got := scanned(t, s); got.State != model.ScanFailed || !strings.Contains(got.Detail, "the answer is about") {
		t.Errorf("%s: %s", got.State, got.Detail)
	}
}

func TestFindingsThatChangeWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	later := func(minutes int) *grafeaspb.DiscoveryOccurrence {
		d := success()
		d.LastScanTime = timestamppb.New(today.Add(time.Duration(minutes-30) * time.Minute))
		return d
	}
	for _, c := range []struct {
		states []*grafeaspb.DiscoveryOccurrence
		want   string
		reads  int
	}{
		{[]*grafeaspb.DiscoveryOccurrence{later(0), later(1), later(1)}, model.ScanFinished, 2},
		{[]*grafeaspb.DiscoveryOccurrence{later(0), later(1), later(2), later(3), later(4), later(5)}, model.ScanFailed, 3},
	} {
		a := gcptest.NewAnalysis(t)
		a.Discover(resource, c.states...)
		s, _ := source(t, a, nil)
		if got := scanned(t, s); got.State != c.want {
			t.Errorf("%s: %s, want %s", got.State, got.Detail, c.want)
		}
		reads := 0
		for _, call := range a.Calls() {
			if strings.HasPrefix(call.Holds, `kind="VULNERABILITY"`) {
				reads++
			}
		}
		if reads != c.reads {
			t.Errorf("%d reads, want %d", reads, c.reads)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	a := gcptest.NewAnalysis(t)
	const n = 2500
	for i := range n {
		a.Put(finding(resource, fmt.Sprintf("CVE-2026-%05d", i), grafeaspb.Severity_LOW))
	}
	a.Put(finding("https://"+repo+"@"+model.DigestOf([]byte("another")).String(), "CVE-2026-99999", grafeaspb.Severity_HIGH))
	a.Discover(resource, success())
	s, _ := source(t, a, nil)
	if got := scanned(t, s); got.State != model.ScanFinished || len(got.Findings) != n {
		t.Errorf("%s with %d findings: %s", got.State, len(got.Findings), got.Detail)
	}
	pages := 0
	for _, c := range a.Calls() {
		if c.Size != 1000 || c.Method != "ListOccurrences" {
			t.Errorf("%+v", c)
		}
		if strings.Contains(c.Holds, `kind="VULNERABILITY" AND resourceUrl="`+resource+`"`) {
			pages++
		}
	}
	if pages != 3 {
		t.Errorf("%d pages of %d findings", pages, n)
	}
}
