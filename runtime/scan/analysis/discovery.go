package analysis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/iterator"
	grafeaspb "google.golang.org/genproto/googleapis/grafeas/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// mostOccurrences bounds what is read of one digest: an image with more
// findings is no image, but a server that does not end.
const mostOccurrences = 200_000

// pageSize is the largest that Artifact Analysis gives.
const pageSize = 1000

// The filters: of how far the analysis is, and of what it found.
func discoveryFilter(resource string) string {
	return fmt.Sprintf(`kind="DISCOVERY" AND resourceUrl="%s" AND noteProjectId="goog-analysis" AND noteId="PACKAGE_VULNERABILITY"`, resource)
}

func findingsFilter(kind grafeaspb.NoteKind, resource string) string {
	return fmt.Sprintf(`kind="%s" AND resourceUrl="%s"`, kind, resource)
}

// list reads all pages of the occurrences under a filter, or none: with a page
// that cannot be had, the others are no answer.
func (s *Source) list(ctx context.Context, at place, kind grafeaspb.NoteKind, filter string) ([]*grafeaspb.Occurrence, error) {
	doing := fmt.Sprintf("reading %s of %s", strings.ToLower(kind.String()), at.resource)
	var all []*grafeaspb.Occurrence
	token, seen := "", map[string]bool{}
	for {
		page, next, err := s.page(ctx, doing, at, filter, token)
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			// A server that passes over filters would speak of another image.
			if o.GetResourceUri() != at.resource || o.GetKind() != kind {
				return nil, fmt.Errorf("%s: the answer is about %s of %s", doing, o.GetKind(), googleapi.Line(o.GetResourceUri()))
			}
		}
		all = append(all, page...)
		switch {
		case next == "":
			return all, nil
		case seen[next]:
			return nil, fmt.Errorf("%s: its pages lead back to one that was read", doing)
		case len(all) > mostOccurrences:
			return nil, fmt.Errorf("%s: there are more than %d", doing, mostOccurrences)
		}
		token = next
		seen[next] = true
	}
}

// page reads one page, and the token of the next.
func (s *Source) page(ctx context.Context, doing string, at place, filter, token string) (page []*grafeaspb.Occurrence, next string, err error) {
	err = s.o.Retry.Do(ctx, doing, func(ctx context.Context) error {
		it := s.client.GetGrafeasClient().ListOccurrences(ctx, &grafeaspb.ListOccurrencesRequest{
			Parent: at.project, Filter: filter, PageSize: pageSize, PageToken: token,
		}, googleapi.Once())
		page = nil // what a try before this one read of it
		next, err = iterator.NewPager(it, pageSize, token).NextPage(&page)
		return err
	})
	return page, next, err
}

// look asks once how far the analysis is.
func (s *Source) look(ctx context.Context, at place) (status, error) {
	all, err := s.list(ctx, at, grafeaspb.NoteKind_DISCOVERY, discoveryFilter(at.resource))
	if err != nil {
		return status{}, err
	}
	all = slices.DeleteFunc(all, func(o *grafeaspb.Occurrence) bool { return len(all) > 1 && o.GetDiscovery().GetArchiveTime() != nil })
	if len(all) == 0 {
		return status{state: model.ScanMissing, detail: "no analysis has begun"}, nil
	}
	var worst status
	for _, o := range all {
		if w := s.judge(o); worst.state == "" || certainty(w) < certainty(worst) || certainty(w) == certainty(worst) && w.scanned.Before(worst.scanned) {
			worst = w
		}
	}
	return worst, nil
}

// certainty orders states: where an image has several analyses, each of them
// must have ended well.
func certainty(w status) int {
	return slices.Index([]string{model.ScanFailed, model.ScanUnsupported, model.ScanMissing, model.ScanRunning, model.ScanStale, model.ScanFinished}, w.state)
}

// judge reads one DISCOVERY occurrence.
func (s *Source) judge(o *grafeaspb.Occurrence) status {
	d := o.GetDiscovery()
	if d == nil {
		return status{state: model.ScanFailed, detail: "the analysis says nothing about itself"}
	}
	switch d.GetAnalysisStatus() {
	case grafeaspb.DiscoveryOccurrence_PENDING:
		return status{state: model.ScanRunning, detail: "its analysis is pending"}
	case grafeaspb.DiscoveryOccurrence_SCANNING:
		return status{state: model.ScanRunning, detail: "it is being analysed"}
	case grafeaspb.DiscoveryOccurrence_ANALYSIS_STATUS_UNSPECIFIED:
		return status{state: model.ScanRunning, detail: "its analysis has no status yet"}
	case grafeaspb.DiscoveryOccurrence_FINISHED_FAILED:
		return status{state: model.ScanFailed, detail: "the analysis failed" + reasons(d)}
	case grafeaspb.DiscoveryOccurrence_FINISHED_UNSUPPORTED:
		return status{state: model.ScanUnsupported, detail: "such an image is not analysed" + reasons(d)}
	case grafeaspb.DiscoveryOccurrence_FINISHED_SUCCESS:
		return s.fresh(o)
	}
	return status{state: model.ScanFailed, detail: fmt.Sprintf("the analysis has the status %d, which this program does not know", d.GetAnalysisStatus())}
}

// fresh judges an analysis that has ended: whether all of it has, and when.
func (s *Source) fresh(o *grafeaspb.Occurrence) status {
	d := o.GetDiscovery()
	// COMPLETE, which has the same number, says that it ended, not how.
	if why := reasons(d); why != "" {
		return status{state: model.ScanFailed, detail: "the analysis ended with errors" + why}
	}
	if c := d.GetAnalysisCompleted(); c != nil && len(c.GetAnalysisType()) == 0 {
		return status{state: model.ScanFailed, detail: "the analysis ended, and names nothing that it has analysed"}
	}
	stamp := d.GetLastScanTime()
	if stamp == nil {
		stamp = o.GetUpdateTime()
	}
	if stamp == nil || stamp.CheckValid() != nil {
		return status{state: model.ScanStale, detail: "the analysis does not say when it ended"}
	}
	now, at := s.o.Now(), stamp.AsTime().Truncate(time.Second)
	if at.After(now.Add(skew)) {
		return status{state: model.ScanFailed, detail: fmt.Sprintf("the analysis ended at %s, which is to come: one of two clocks is wrong", at.Format(time.RFC3339))}
	}
	if at.After(now) {
		at = now.Truncate(time.Second)
	}
	w := status{state: model.ScanStale, scanned: at}
	switch {
	case d.GetArchiveTime() != nil:
		w.detail = "its findings are archived: nobody has pulled the image for 90 days; pull it, and ask again within a day"
	case d.GetContinuousAnalysis() == grafeaspb.DiscoveryOccurrence_INACTIVE:
		w.detail = "it is not analysed any more: nobody has pulled the image for 30 days; pull it, and ask again within a day"
	case now.Sub(at) > s.o.MaxAge:
		w.detail = fmt.Sprintf("it was analysed at %s, more than %s ago", at.Format(time.RFC3339), s.o.MaxAge)
	default:
		w.state = model.ScanFinished
	}
	return w
}

// reasons are what an analysis says went wrong, empty where it says nothing.
func reasons(d *grafeaspb.DiscoveryOccurrence) string {
	var all []string
	for _, e := range append(slices.Clone(d.GetAnalysisError()), d.GetAnalysisStatusError()) {
		if text := strings.TrimSpace(e.GetMessage()); text != "" {
			all = append(all, text)
		} else if e.GetCode() != 0 {
			all = append(all, fmt.Sprintf("code %d", e.GetCode()))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return ": " + googleapi.Line(strings.Join(all, "; "))
}
