package forgetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Issue is an issue of either forge.
type Issue struct {
	Number             int64
	Author             string // Self by default
	Title, Body, State string // State is open by default, or closed
	PullRequest        bool   // GitHub lists these among issues
}

func (i *Issue) state() string {
	if i.State == "" {
		return "open"
	}
	return i.State
}

// Release is a release of either forge.
type Release struct {
	ID        int64
	Tag, Body string
}

func (h *Hub) serveAnnounce(mux *http.ServeMux, repo string) {
	mux.HandleFunc("GET "+repo+"/issues", func(w http.ResponseWriter, r *http.Request) {
		docs := []any{}
		for _, i := range h.Issues {
			if i.state() == r.URL.Query().Get("state") {
				docs = append(docs, h.issue(i))
			}
		}
		reply(w, 200, page(w, r, docs))
	})
	mux.HandleFunc("POST "+repo+"/issues", func(w http.ResponseWriter, r *http.Request) {
		in := read[struct{ Title, Body string }](r)
		i := Issue{Number: h.number(), Author: h.self(), Title: in.Title, Body: in.Body}
		h.Issues = append(h.Issues, i)
		reply(w, http.StatusCreated, h.issue(i))
	})
	mux.HandleFunc("PATCH "+repo+"/issues/{number}", func(w http.ResponseWriter, r *http.Request) {
		i := find(h.Issues, r.PathValue("number"))
		if i == nil {
			notFound(w)
			return
		}
		i.change(read[struct{ Title, Body, State *string }](r))
		reply(w, 200, h.issue(*i))
	})
	mux.HandleFunc("GET "+repo+"/releases/tags/{tag}", func(w http.ResponseWriter, r *http.Request) {
		if i := releaseOf(h.Releases, r.PathValue("tag")); i >= 0 {
			reply(w, 200, h.release(h.Releases[i]))
			return
		}
		notFound(w)
	})
	mux.HandleFunc("POST "+repo+"/releases", func(w http.ResponseWriter, r *http.Request) {
		in := read[struct {
			Tag  string `json:"tag_name"`
			Body string
		}](r)
		h.Releases = append(h.Releases, Release{ID: h.number(), Tag: in.Tag, Body: in.Body})
		reply(w, http.StatusCreated, h.release(h.Releases[len(h.Releases)-1]))
	})
	mux.HandleFunc("PATCH "+repo+"/releases/{id}", func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(h.Releases, func(x Release) bool { return strconv.FormatInt(x.ID, 10) == r.PathValue("id") })
		if i < 0 {
			notFound(w)
			return
		}
		h.Releases[i].Body = read[struct{ Body string }](r).Body
		reply(w, 200, h.release(h.Releases[i]))
	})
	mux.HandleFunc("POST "+repo+"/code-scanning/sarifs", func(w http.ResponseWriter, r *http.Request) {
		if h.NoScanning {
			refuse(w, http.StatusForbidden, "Advanced Security must be enabled for this repository to use code scanning.")
			return
		}
		h.Sarifs = append(h.Sarifs, read[struct{ Sarif string }](r).Sarif)
		reply(w, http.StatusAccepted, doc{"id": "47177e22-5596-11eb-80a1-c1e54ef945c6", "url": h.api()})
	})
}

func find(issues []Issue, number string) *Issue {
	for n := range issues {
		if strconv.FormatInt(issues[n].Number, 10) == number {
			return &issues[n]
		}
	}
	return nil
}

func releaseOf(releases []Release, tag string) int {
	return slices.IndexFunc(releases, func(r Release) bool { return r.Tag == tag })
}

func (i *Issue) change(in struct{ Title, Body, State *string }) {
	for to, from := range map[*string]*string{&i.Title: in.Title, &i.Body: in.Body, &i.State: in.State} {
		if from != nil {
			*to = *from
		}
	}
}

func (h *Hub) issue(i Issue) doc {
	author := i.Author
	if author == "" {
		author = h.self()
	}
	d := addresses(doc{
		"id": i.Number, "node_id": "I", "number": i.Number, "state": i.state(), "title": i.Title, "body": orNull(i.Body), "user": account(author),
		"labels": []any{}, "assignee": nil, "assignees": []any{}, "milestone": nil, "locked": false, "comments": 0,
		"closed_at": nil, "created_at": stamp(Begin), "updated_at": stamp(Begin), "author_association": "MEMBER",
		"html_url": fmt.Sprintf("%s/issues/%d", h.web(), i.Number), "url": h.api(),
	}, h.api(), "repository_url", "labels_url", "comments_url", "events_url")
	if i.PullRequest {
		d["pull_request"] = doc{"url": h.api(), "html_url": h.web(), "diff_url": h.web(), "patch_url": h.web()}
	}
	return d
}

func (h *Hub) release(r Release) doc {
	return addresses(doc{
		"id": r.ID, "node_id": "R", "tag_name": r.Tag, "name": r.Tag, "body": orNull(r.Body), "draft": false, "prerelease": false, "target_commitish": "main",
		"created_at": stamp(Begin), "published_at": stamp(Begin), "author": account(h.self()), "assets": []any{}, "tarball_url": nil, "zipball_url": nil,
		"html_url": h.web() + "/releases/tag/" + r.Tag,
	}, h.api(), "url", "assets_url", "upload_url")
}

func (l *Lab) serveAnnounce(mux *http.ServeMux, own wrapper) {
	mux.HandleFunc("GET "+projects+"/issues", own(func(w http.ResponseWriter, r *http.Request) {
		docs := []any{}
		for _, i := range l.Issues {
			if strings.HasPrefix(r.URL.Query().Get("state"), i.state()) {
				docs = append(docs, l.issue(i))
			}
		}
		reply(w, 200, page(w, r, docs))
	}))
	mux.HandleFunc("POST "+projects+"/issues", own(func(w http.ResponseWriter, r *http.Request) {
		in := read[struct{ Title, Description string }](r)
		i := Issue{Number: l.number(), Title: in.Title, Body: in.Description}
		l.Issues = append(l.Issues, i)
		reply(w, http.StatusCreated, l.issue(i))
	}))
	mux.HandleFunc("PUT "+projects+"/issues/{number}", own(func(w http.ResponseWriter, r *http.Request) {
		i := find(l.Issues, r.PathValue("number"))
		if i == nil {
			l.missing(w, "404 Not found")
			return
		}
		in := read[struct {
			Title, Description *string
			Event              string `json:"state_event"`
		}](r)
		change := struct{ Title, Body, State *string }{Title: in.Title, Body: in.Description}
		if in.Event == "close" {
			closed := "closed"
			change.State = &closed
		}
		i.change(change)
		reply(w, 200, l.issue(*i))
	}))
	mux.HandleFunc("GET "+projects+"/releases/{tag}", own(func(w http.ResponseWriter, r *http.Request) {
		if i := releaseOf(l.Releases, r.PathValue("tag")); i >= 0 {
			reply(w, 200, l.release(l.Releases[i]))
			return
		}
		l.missing(w, "404 Not found")
	}))
	mux.HandleFunc("POST "+projects+"/releases", own(func(w http.ResponseWriter, r *http.Request) {
		in := read[struct {
			Tag         string `json:"tag_name"`
			Description string
		}](r)
		l.Releases = append(l.Releases, Release{Tag: in.Tag, Body: in.Description})
		reply(w, http.StatusCreated, l.release(l.Releases[len(l.Releases)-1]))
	}))
	mux.HandleFunc("PUT "+projects+"/releases/{tag}", own(func(w http.ResponseWriter, r *http.Request) {
		i := releaseOf(l.Releases, r.PathValue("tag"))
		if i < 0 {
			l.missing(w, "404 Not found")
			return
		}
		l.Releases[i].Body = read[struct{ Description string }](r).Description
		reply(w, 200, l.release(l.Releases[i]))
	}))
}

func (l *Lab) issue(i Issue) doc {
	state := "opened"
	if i.state() == "closed" {
		state = "closed"
	}
	return doc{"id": i.Number, "iid": i.Number, "title": i.Title, "description": i.Body, "state": state, "author": l.author(i.Author), "web_url": fmt.Sprintf("http://gitlab.test/%s/-/issues/%d", l.Project, i.Number)}
}

func (l *Lab) release(r Release) doc {
	return doc{"tag_name": r.Tag, "name": r.Tag, "description": r.Body, "_links": doc{"self": fmt.Sprintf("http://gitlab.test/%s/-/releases/%s", l.Project, r.Tag)}}
}

// author is the account of a name, the token's own for none.
func (l *Lab) author(name string) doc {
	id := selfID
	if name != "" && name != Self {
		id++
	}
	return doc{"id": id, "username": name}
}
