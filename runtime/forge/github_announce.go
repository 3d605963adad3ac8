package forge

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v92/github"
)

// UpsertIssue implements Announce. Only an issue of the token's own account is
// taken for ours: anybody can write the marker.
func (h *hub) UpsertIssue(ctx context.Context, marker, title, body string) (string, error) {
	mine, err := h.author(ctx)
	if err != nil {
		return "", err
	}
	var address string
	err = again(h.tries, func() (err error) {
		address, err = h.issue(ctx, marker, title, body, mine)
		return err
	})
	return address, err
}

func (h *hub) issue(ctx context.Context, marker, title, body string, mine func(*github.User) bool) (string, error) {
	const doing = "writing an issue"
	text := marker + "\n" + body
	for i, err := range h.api.Issues.ListByRepoIter(ctx, h.owner, h.name, &github.IssueListByRepoOptions{State: "open", ListOptions: github.ListOptions{PerPage: pageSize}}) {
		switch {
		case err != nil:
			return "", h.fail(doing, nil, err)
		case i.IsPullRequest() || !strings.HasPrefix(i.GetBody(), marker) || !mine(i.GetUser()):
			continue
		case body == "":
			_, resp, err := h.api.Issues.Update(ctx, h.owner, h.name, i.GetNumber(), github.UpdateIssueRequest{State: new("closed"), StateReason: new("completed")})
			return i.GetHTMLURL(), h.fail(doing, resp, err)
		case i.GetBody() == text && i.GetTitle() == title:
			return i.GetHTMLURL(), nil
		}
		_, resp, err := h.api.Issues.Update(ctx, h.owner, h.name, i.GetNumber(), github.UpdateIssueRequest{Title: &title, Body: &text})
		return i.GetHTMLURL(), h.fail(doing, resp, err)
	}
	if body == "" {
		return "", nil
	}
	i, resp, err := h.api.Issues.Create(ctx, h.owner, h.name, github.CreateIssueRequest{Title: title, Body: &text})
	return i.GetHTMLURL(), h.fail(doing, resp, err)
}

// UpsertRelease implements Announce.
func (h *hub) UpsertRelease(ctx context.Context, tag, body string) (string, error) {
	var address string
	err := again(h.tries, func() (err error) {
		address, err = h.release(ctx, tag, body)
		return err
	})
	return address, err
}

func (h *hub) release(ctx context.Context, tag, body string) (string, error) {
	doing := "writing the release " + tag
	r, resp, err := h.api.Repositories.GetReleaseByTag(ctx, h.owner, h.name, tag)
	err = h.fail(doing, resp, err)
	if errors.Is(err, ErrAbsent) {
		r, resp, err = h.api.Repositories.CreateRelease(ctx, h.owner, h.name, github.CreateReleaseRequest{TagName: tag, Name: &tag, Body: &body})
		return r.GetHTMLURL(), h.fail(doing, resp, err)
	}
	if err != nil || r.GetBody() == body {
		return r.GetHTMLURL(), err
	}
	r, resp, err = h.api.Repositories.UpdateRelease(ctx, h.owner, h.name, r.GetID(), github.UpdateReleaseRequest{Body: &body})
	return r.GetHTMLURL(), h.fail(doing, resp, err)
}

// UploadFindings implements Announce. The same findings twice are the same
// alerts, so it may be sent again.
func (h *hub) UploadFindings(ctx context.Context, commit, ref string, sarif []byte) error {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(sarif)
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("packing findings: %w", err)
	}
	return again(h.tries, func() error {
		_, resp, err := h.api.CodeScanning.UploadSarif(ctx, h.owner, h.name, github.SarifAnalysis{
			CommitSHA: commit, Ref: ref, Sarif: base64.StdEncoding.EncodeToString(packed.Bytes()), ToolName: new("rootfsgen"),
		})
		if resp != nil && resp.StatusCode == http.StatusAccepted { // which the client takes for an error
			err = nil
		}
		return h.fail("uploading findings", resp, err)
	})
}
