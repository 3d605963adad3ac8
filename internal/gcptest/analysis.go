package gcptest

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"
)

// mostOccurrences is the largest page of ListOccurrences.
const mostOccurrences = 1000

// Analysis is Artifact Analysis: occurrences that are listed by filter and by
// page.
type Analysis struct {
	Server
	grafeaspb.UnimplementedGrafeasServer

	occurrences []*grafeaspb.Occurrence
	discoveries map[string][]*grafeaspb.DiscoveryOccurrence // what the next questions are answered, by resource
	deaf        bool
}

// NewAnalysis starts it; it ends with the test.
func NewAnalysis(t testing.TB, o ...grpc.ServerOption) *Analysis {
	t.Helper()
	a := &Analysis{discoveries: map[string][]*grafeaspb.DiscoveryOccurrence{}}
	a.listen(t, o, func(s *grpc.Server) { grafeaspb.RegisterGrafeasServer(s, a) })
	return a
}

// Put adds occurrences of a resource, "https://host/path@sha256:...".
func (a *Analysis) Put(all ...*grafeaspb.Occurrence) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.occurrences = append(a.occurrences, all...)
}

// Discover says how far the analysis of a resource is, question by question;
// the last one stays. nil is no occurrence at all.
func (a *Analysis) Discover(resource string, states ...*grafeaspb.DiscoveryOccurrence) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.discoveries[resource] = states
}

// Deaf makes the server pass over filters, as some do that call themselves
// Grafeas.
func (a *Analysis) Deaf() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deaf = true
}

// DiscoveryNote is the note of Google's vulnerability analysis.
const DiscoveryNote = "projects/goog-analysis/notes/PACKAGE_VULNERABILITY"

// ListOccurrences implements grafeaspb.GrafeasServer.
func (a *Analysis) ListOccurrences(_ context.Context, r *grafeaspb.ListOccurrencesRequest) (*grafeaspb.ListOccurrencesResponse, error) {
	if !strings.HasPrefix(r.GetParent(), "projects/") {
		return nil, status.Errorf(codes.InvalidArgument, "invalid parent %q", r.GetParent())
	}
	wanted, err := parseFilter(r.GetFilter())
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var found []*grafeaspb.Occurrence
	for _, o := range append(a.discovered(wanted), a.occurrences...) {
		if a.deaf || wanted.match(o) {
			found = append(found, o)
		}
	}
	from, to, next, err := page(len(found), r.GetPageSize(), mostOccurrences, r.GetParent()+r.GetFilter(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &grafeaspb.ListOccurrencesResponse{Occurrences: found[from:to], NextPageToken: next}, nil
}

// discovered is what the question for how far an analysis is gets.
func (a *Analysis) discovered(wanted filter) []*grafeaspb.Occurrence {
	if wanted["kind"] != "DISCOVERY" {
		return nil
	}
	states := a.discoveries[wanted["resourceUrl"]]
	if len(states) == 0 {
		return nil
	}
	if len(states) > 1 {
		a.discoveries[wanted["resourceUrl"]] = states[1:]
	}
	if states[0] == nil {
		return nil
	}
	d, _ := proto.Clone(states[0]).(*grafeaspb.DiscoveryOccurrence)
	return []*grafeaspb.Occurrence{{
		Name: "projects/p/occurrences/discovery", ResourceUri: wanted["resourceUrl"], NoteName: DiscoveryNote, Kind: grafeaspb.NoteKind_DISCOVERY,
		UpdateTime: d.GetLastScanTime(), Details: &grafeaspb.Occurrence_Discovery{Discovery: d},
	}}
}

// filter is a conjunction of equalities, by field.
type filter map[string]string

var term = regexp.MustCompile(`^(kind|resourceUrl|noteProjectId|noteId)="([^"]*)"$`)

// parseFilter takes what the documents name for ListOccurrences.
func parseFilter(text string) (filter, error) {
	f := filter{}
	if text == "" {
		return f, nil
	}
	for part := range strings.SplitSeq(text, " AND ") {
		m := term.FindStringSubmatch(part)
		if m == nil {
			return nil, status.Errorf(codes.InvalidArgument, "invalid filter at %q", part)
		}
		f[m[1]] = m[2]
	}
	return f, nil
}

func (f filter) match(o *grafeaspb.Occurrence) bool {
	provider, note, _ := strings.Cut(strings.TrimPrefix(o.GetNoteName(), "projects/"), "/notes/")
	for field, have := range map[string]string{
		"kind": o.GetKind().String(), "resourceUrl": o.GetResourceUri(), "noteProjectId": provider, "noteId": note,
	} {
		if want, asked := f[field]; asked && want != have {
			return false
		}
	}
	return true
}

// Parents are the projects that were asked about, call by call.
func (a *Analysis) Parents() []string {
	var all []string
	for _, c := range a.Calls() {
		all = append(all, c.Parent)
	}
	return all
}
