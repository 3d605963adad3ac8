package forge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-github/v92/github"
)

// UpsertComment implements Talk. Only a comment of the token's own account is
// taken for ours: anybody can write the marker.
func (h *hub) UpsertComment(ctx context.Context, request int64, marker, body string) error {
	mine, err := h.author(ctx)
	if err != nil {
		return err
	}
	text := marker + "\n" + body
	return again(h.tries, func() error { return h.comment(ctx, int(request), marker, text, mine) })
}

func (h *hub) comment(ctx context.Context, request int, marker, text string, mine func(*github.User) bool) error {
	doing := fmt.Sprintf("commenting on request %d", request)
	for c, err := range h.api.Issues.ListCommentsIter(ctx, h.owner, h.name, request, &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: pageSize}}) {
		switch {
		case err != nil:
			return h.fail(doing, nil, err)
		case !strings.HasPrefix(c.GetBody(), marker) || !mine(c.GetUser()):
			continue
		case c.GetBody() == text:
			return nil
		}
		_, resp, err := h.api.Issues.UpdateComment(ctx, h.owner, h.name, c.GetID(), github.IssueCommentRequest{Body: text})
		return h.fail(doing, resp, err)
	}
	_, resp, err := h.api.Issues.CreateComment(ctx, h.owner, h.name, request, github.IssueCommentRequest{Body: text})
	return h.fail(doing, resp, err)
}

// author tells the token's own account from others. The token of a job is an
// app's and may not ask who it is; GitHub's own account for it is known.
func (h *hub) author(ctx context.Context) (func(*github.User) bool, error) {
	u, resp, err := h.api.Users.Get(ctx, "")
	err = h.fail("asking whose token this is", resp, err)
	if _, denied := errors.AsType[*Denied](err); denied {
		return func(u *github.User) bool { return u.GetLogin() == actionsAccount && u.GetType() == "Bot" }, nil
	}
	if err != nil {
		return nil, err
	}
	self := u.GetID()
	return func(u *github.User) bool { return u.GetID() == self }, nil
}

// actionsAccount is the account that a job's own token acts as.
const actionsAccount = "github-actions[bot]"

// again calls f until it ends otherwise than by a forge that is not available.
// It is for what cannot just be sent twice: f looks first what is there.
func again(tries int, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if _, unavailable := errors.AsType[*Unavailable](err); !unavailable || n >= tries {
			return err
		}
	}
}

// UpsertRequest implements Talk.
func (h *hub) UpsertRequest(ctx context.Context, r Request) (string, error) {
	var address string
	err := again(h.tries, func() (err error) {
		address, err = h.request(ctx, r)
		return err
	})
	return address, err
}

func (h *hub) request(ctx context.Context, r Request) (string, error) {
	doing := fmt.Sprintf("requesting to merge %s into %s", r.Branch, r.Base)
	open, resp, err := h.api.PullRequests.List(ctx, h.owner, h.name, &github.PullRequestListOptions{
		State: "open", Head: h.owner + ":" + r.Branch, Base: r.Base, ListOptions: github.ListOptions{PerPage: 1},
	})
	if err != nil {
		return "", h.fail(doing, resp, err)
	}
	if len(open) == 0 {
		p, resp, err := h.api.PullRequests.Create(ctx, h.owner, h.name, github.CreatePullRequest{Title: &r.Title, Head: r.Branch, Base: r.Base, Body: &r.Body})
		return p.GetHTMLURL(), h.fail(doing, resp, err)
	}
	p := open[0]
	if p.GetTitle() == r.Title && p.GetBody() == r.Body {
		return p.GetHTMLURL(), nil
	}
	p, resp, err = h.api.PullRequests.Edit(ctx, h.owner, h.name, p.GetNumber(), &github.PullRequest{Title: &r.Title, Body: &r.Body})
	return p.GetHTMLURL(), h.fail(doing, resp, err)
}
