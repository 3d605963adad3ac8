package forge

import (
	"context"
	"errors"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// UpsertIssue implements Announce. Only an issue of the token's own account is
// taken for ours: anybody can write the marker.
func (l *lab) UpsertIssue(ctx context.Context, marker, title, body string) (string, error) {
	self, resp, err := l.api.Users.CurrentUser(gitlab.WithContext(ctx))
	if err != nil {
		return "", l.fail("asking whose token this is", resp, err)
	}
	var address string
	err = again(l.tries, func() (err error) {
		address, err = l.issue(ctx, marker, title, body, self.ID)
		return err
	})
	return address, err
}

func (l *lab) issue(ctx context.Context, marker, title, body string, self int64) (string, error) {
	const doing = "writing an issue"
	text := marker + "\n" + body
	issues, err := list(doing, l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Issue, *gitlab.Response, error) {
		return l.api.Issues.ListProjectIssues(l.project, &gitlab.ListProjectIssuesOptions{
			ListOptions: gitlab.ListOptions{PerPage: pageSize}, State: new("opened"), AuthorID: &self,
		}, gitlab.WithContext(ctx), page)
	})
	if err != nil {
		return "", err
	}
	for _, i := range issues {
		change := &gitlab.UpdateIssueOptions{Title: &title, Description: &text}
		switch {
		case !strings.HasPrefix(i.Description, marker) || i.Author == nil || i.Author.ID != self:
			continue
		case body == "":
			change = &gitlab.UpdateIssueOptions{StateEvent: new("close")}
		case i.Description == text && i.Title == title:
			return i.WebURL, nil
		}
		_, resp, err := l.api.Issues.UpdateIssue(l.project, i.IID, change, gitlab.WithContext(ctx))
		return i.WebURL, l.fail(doing, resp, err)
	}
	if body == "" {
		return "", nil
	}
	i, resp, err := l.api.Issues.CreateIssue(l.project, &gitlab.CreateIssueOptions{Title: &title, Description: &text}, gitlab.WithContext(ctx))
	if err != nil {
		return "", l.fail(doing, resp, err)
	}
	return i.WebURL, nil
}

// UpsertRelease implements Announce. A job's own token may.
func (l *lab) UpsertRelease(ctx context.Context, tag, body string) (string, error) {
	var address string
	err := again(l.tries, func() (err error) {
		address, err = l.release(ctx, tag, body)
		return err
	})
	return address, err
}

func (l *lab) release(ctx context.Context, tag, body string) (string, error) {
	doing := "writing the release " + tag
	r, resp, err := l.api.Releases.GetRelease(l.project, tag, gitlab.WithContext(ctx))
	err = l.fail(doing, resp, err)
	switch {
	case errors.Is(err, ErrAbsent):
		r, resp, err = l.api.Releases.CreateRelease(l.project, &gitlab.CreateReleaseOptions{TagName: &tag, Name: &tag, Description: &body}, gitlab.WithContext(ctx))
		err = l.fail(doing, resp, err)
	case err == nil && r.Description != body:
		r, resp, err = l.api.Releases.UpdateRelease(l.project, tag, &gitlab.UpdateReleaseOptions{Name: &tag, Description: &body}, gitlab.WithContext(ctx))
		err = l.fail(doing, resp, err)
	}
	if err != nil {
		return "", err
	}
	return r.Links.Self, nil
}

// UploadFindings implements Announce: there is nothing to do, reports of jobs
// are what GitLab reads.
func (l *lab) UploadFindings(context.Context, string, string, []byte) error { return nil }
