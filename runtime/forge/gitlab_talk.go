package forge

import (
	"context"
	"fmt"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// UpsertComment implements Talk. Only a note of the token's own account is
// taken for ours: anybody can write the marker.
func (l *lab) UpsertComment(ctx context.Context, request int64, marker, body string) error {
	self, resp, err := l.api.Users.CurrentUser(gitlab.WithContext(ctx))
	if err != nil {
		return l.fail("asking whose token this is", resp, err)
	}
	text := marker + "\n" + body
	return again(l.tries, func() error { return l.comment(ctx, request, marker, text, self.ID) })
}

func (l *lab) comment(ctx context.Context, request int64, marker, text string, self int64) error {
	doing := fmt.Sprintf("commenting on request %d", request)
	notes, err := list(doing, l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Note, *gitlab.Response, error) {
		return l.api.Notes.ListMergeRequestNotes(l.project, request, &gitlab.ListMergeRequestNotesOptions{
			ListOptions: gitlab.ListOptions{PerPage: pageSize}, Sort: new("asc"),
		}, gitlab.WithContext(ctx), page)
	})
	if err != nil {
		return err
	}
	for _, n := range notes {
		switch {
		case !strings.HasPrefix(n.Body, marker) || n.Author.ID != self:
			continue
		case n.Body == text:
			return nil
		}
		_, resp, err := l.api.Notes.UpdateMergeRequestNote(l.project, request, n.ID, &gitlab.UpdateMergeRequestNoteOptions{Body: &text}, gitlab.WithContext(ctx))
		return l.fail(doing, resp, err)
	}
	_, resp, err := l.api.Notes.CreateMergeRequestNote(l.project, request, &gitlab.CreateMergeRequestNoteOptions{Body: &text}, gitlab.WithContext(ctx))
	return l.fail(doing, resp, err)
}

// UpsertRequest implements Talk.
func (l *lab) UpsertRequest(ctx context.Context, r Request) (string, error) {
	var address string
	err := again(l.tries, func() (err error) {
		address, err = l.request(ctx, r)
		return err
	})
	return address, err
}

func (l *lab) request(ctx context.Context, r Request) (string, error) {
	doing := fmt.Sprintf("requesting to merge %s into %s", r.Branch, r.Base)
	open, resp, err := l.api.MergeRequests.ListProjectMergeRequests(l.project, &gitlab.ListProjectMergeRequestsOptions{
		State: new("opened"), SourceBranch: &r.Branch, TargetBranch: &r.Base,
	}, gitlab.WithContext(ctx))
	if err != nil {
		return "", l.fail(doing, resp, err)
	}
	if len(open) == 0 {
		m, resp, err := l.api.MergeRequests.CreateMergeRequest(l.project, &gitlab.CreateMergeRequestOptions{
			Title: &r.Title, Description: &r.Body, SourceBranch: &r.Branch, TargetBranch: &r.Base,
		}, gitlab.WithContext(ctx))
		if err != nil {
			return "", l.fail(doing, resp, err)
		}
		return m.WebURL, nil
	}
	if m := open[0]; m.Title == r.Title && m.Description == r.Body {
		return m.WebURL, nil
	}
	m, resp, err := l.api.MergeRequests.UpdateMergeRequest(l.project, open[0].IID, &gitlab.UpdateMergeRequestOptions{Title: &r.Title, Description: &r.Body}, gitlab.WithContext(ctx))
	if err != nil {
		return "", l.fail(doing, resp, err)
	}
	return m.WebURL, nil
}
