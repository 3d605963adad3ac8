package forgetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (h *Hub) serveTalk(mux *http.ServeMux, repo string) {
	mux.HandleFunc("GET "+repo+"/issues/{number}/comments", func(w http.ResponseWriter, r *http.Request) {
		docs := []any{}
		for _, c := range h.Comments {
			if r.PathValue("number") == strconv.FormatInt(c.Request, 10) {
				docs = append(docs, h.comment(c))
			}
		}
		reply(w, 200, page(w, r, docs))
	})
	mux.HandleFunc("POST "+repo+"/issues/{number}/comments", func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.ParseInt(r.PathValue("number"), 10, 64)
		c := Comment{ID: h.number(), Request: number, Author: h.self(), Body: read[struct{ Body string }](r).Body}
		h.Comments = append(h.Comments, c)
		reply(w, http.StatusCreated, h.comment(c))
	})
	mux.HandleFunc("PATCH "+repo+"/issues/comments/{comment}", func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(h.Comments, func(c Comment) bool { return r.PathValue("comment") == strconv.FormatInt(c.ID, 10) })
		if i < 0 {
			notFound(w)
			return
		}
		h.Comments[i].Body = read[struct{ Body string }](r).Body
		reply(w, 200, h.comment(h.Comments[i]))
	})
	mux.HandleFunc("GET "+repo+"/pulls", h.pulls)
	mux.HandleFunc("POST "+repo+"/pulls", h.open)
	mux.HandleFunc("PATCH "+repo+"/pulls/{number}", func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(h.Requests, func(q Request) bool { return r.PathValue("number") == strconv.FormatInt(q.Number, 10) })
		if i < 0 {
			notFound(w)
			return
		}
		in := read[struct{ Title, Body *string }](r)
		if in.Title != nil {
			h.Requests[i].Title = *in.Title
		}
		if in.Body != nil {
			h.Requests[i].Body = *in.Body
		}
		reply(w, 200, h.pull(h.Requests[i], true))
	})
}

func (h *Hub) self() string {
	if h.Robot {
		return Actions
	}
	return Self
}

func (h *Hub) comment(c Comment) doc {
	author := c.Author
	if author == "" {
		author = h.self()
	}
	return doc{
		"id": c.ID, "node_id": "IC", "html_url": h.web(), "issue_url": h.api(), "user": account(author), "url": h.api(), "body": c.Body,
		"created_at": stamp(Begin), "updated_at": stamp(Begin), "author_association": "MEMBER",
	}
}

func (h *Hub) pulls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	docs := []any{}
	for _, p := range h.Requests {
		if p.state() == q.Get("state") && q.Get("head") == h.Owner+":"+p.Branch && q.Get("base") == p.Base {
			docs = append(docs, h.pull(p, false))
		}
	}
	reply(w, 200, page(w, r, docs))
}

func (q *Request) state() string {
	if q.State == "" {
		return "open"
	}
	return q.State
}

func (h *Hub) open(w http.ResponseWriter, r *http.Request) {
	in := read[struct{ Title, Body, Head, Base string }](r)
	branch := strings.TrimPrefix(in.Head, h.Owner+":")
	if slices.ContainsFunc(h.Requests, func(q Request) bool { return q.Branch == branch && q.Base == in.Base && q.state() == "open" }) {
		refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	p := Request{Number: h.number(), Branch: branch, Base: in.Base, Title: in.Title, Body: in.Body}
	h.Requests = append(h.Requests, p)
	reply(w, http.StatusCreated, h.pull(p, true))
}

// pull is a pull-request, or the shorter one of lists.
func (h *Hub) pull(q Request, full bool) doc {
	side := func(ref string) doc {
		return doc{"label": h.Owner + ":" + ref, "ref": ref, "repo": h.repository(), "sha": "0123456789abcdef0123456789abcdef01234567", "user": account(h.Owner)}
	}
	links := doc{}
	for _, n := range []string{"comments", "commits", "statuses", "html", "issue", "review_comments", "review_comment", "self"} {
		links[n] = doc{"href": h.api()}
	}
	d := addresses(doc{
		"id": q.Number, "number": q.Number, "node_id": "PR", "state": q.state(), "locked": false, "title": q.Title, "body": orNull(q.Body), "user": account(h.self()),
		"_links": links, "assignee": nil, "labels": []any{}, "base": side(q.Base), "head": side(q.Branch), "closed_at": nil, "merged_at": nil, "merge_commit_sha": nil,
		"milestone": nil, "created_at": stamp(Begin), "updated_at": stamp(Begin), "author_association": "MEMBER", "auto_merge": nil,
		"html_url": fmt.Sprintf("%s/pull/%d", h.web(), q.Number), "url": h.api(), "assignees": []any{}, "requested_reviewers": []any{}, "requested_teams": []any{}, "draft": false,
	}, h.api(), "comments_url", "commits_url", "diff_url", "issue_url", "patch_url", "review_comment_url", "review_comments_url", "statuses_url")
	if full {
		for _, n := range []string{"additions", "changed_files", "comments", "commits", "deletions", "review_comments"} {
			d[n] = 0
		}
		d["mergeable"], d["mergeable_state"], d["merged"], d["maintainer_can_modify"], d["merged_by"] = true, "clean", false, false, nil
	}
	return d
}
