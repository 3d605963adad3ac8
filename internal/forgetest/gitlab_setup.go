package forgetest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// selfID is the number of the token's account.
const selfID = 4

func (l *Lab) serveTalk(mux *http.ServeMux, own wrapper) {
	mux.HandleFunc("GET /api/v4/user", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, doc{"id": selfID, "username": Self, "name": "Ada", "state": "active"})
	})
	const notes = projects + "/merge_requests/{number}/notes"
	mux.HandleFunc("GET "+notes, own(func(w http.ResponseWriter, r *http.Request) {
		docs := []any{}
		for _, c := range l.Comments {
			if r.PathValue("number") == strconv.FormatInt(c.Request, 10) {
				docs = append(docs, l.note(c))
			}
		}
		reply(w, 200, page(w, r, docs))
	}))
	mux.HandleFunc("POST "+notes, own(func(w http.ResponseWriter, r *http.Request) {
		number, _ := strconv.ParseInt(r.PathValue("number"), 10, 64)
		c := Comment{ID: l.number(), Request: number, Body: read[struct{ Body string }](r).Body}
		l.Comments = append(l.Comments, c)
		reply(w, http.StatusCreated, l.note(c))
	}))
	mux.HandleFunc("PUT "+notes+"/{note}", own(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(l.Comments, func(c Comment) bool { return r.PathValue("note") == strconv.FormatInt(c.ID, 10) })
		if i < 0 {
			l.missing(w, "404 Note Not Found")
			return
		}
		l.Comments[i].Body = read[struct{ Body string }](r).Body
		reply(w, 200, l.note(l.Comments[i]))
	}))
	mux.HandleFunc("GET "+projects+"/merge_requests", own(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		docs := []any{}
		for _, m := range l.Requests {
			if q.Get("state") == "opened" && m.state() == "open" && q.Get("source_branch") == m.Branch && q.Get("target_branch") == m.Base {
				docs = append(docs, l.request(m))
			}
		}
		reply(w, 200, page(w, r, docs))
	}))
	mux.HandleFunc("POST "+projects+"/merge_requests", own(l.open))
	mux.HandleFunc("PUT "+projects+"/merge_requests/{number}", own(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(l.Requests, func(q Request) bool { return r.PathValue("number") == strconv.FormatInt(q.Number, 10) })
		if i < 0 {
			l.missing(w, "404 Not found")
			return
		}
		in := read[struct{ Title, Description *string }](r)
		if in.Title != nil {
			l.Requests[i].Title = *in.Title
		}
		if in.Description != nil {
			l.Requests[i].Body = *in.Description
		}
		reply(w, 200, l.request(l.Requests[i]))
	}))
}

func (l *Lab) open(w http.ResponseWriter, r *http.Request) {
	in := read[struct {
		Title, Description string
		Source             string `json:"source_branch"`
		Target             string `json:"target_branch"`
	}](r)
	for _, m := range l.Requests {
		if m.Branch == in.Source && m.Base == in.Target && m.state() == "open" {
			reply(w, http.StatusConflict, doc{"message": []string{fmt.Sprintf("Another open merge request already exists for this source branch: !%d", m.Number)}})
			return
		}
	}
	m := Request{Number: l.number(), Branch: in.Source, Base: in.Target, Title: in.Title, Body: in.Description}
	l.Requests = append(l.Requests, m)
	reply(w, http.StatusCreated, l.request(m))
}

func (l *Lab) note(c Comment) doc {
	author := selfID
	if c.Author != "" {
		author = selfID + 1
	}
	return doc{"id": c.ID, "body": c.Body, "author": doc{"id": author, "username": c.Author, "name": c.Author}, "system": false, "created_at": stamp(Begin), "updated_at": stamp(Begin)}
}

func (l *Lab) request(q Request) doc {
	return doc{
		"id": q.Number, "iid": q.Number, "project_id": 1, "title": q.Title, "description": q.Body, "state": "opened", "source_branch": q.Branch, "target_branch": q.Base,
		"web_url": fmt.Sprintf("http://gitlab.test/%s/-/merge_requests/%d", l.Project, q.Number), "created_at": stamp(Begin), "updated_at": stamp(Begin),
	}
}

func (l *Lab) serveSetup(mux *http.ServeMux, own wrapper) {
	mux.HandleFunc("GET "+projects, own(func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, doc{
			"id": 1, "path_with_namespace": l.Project, "default_branch": l.DefaultBranch, "visibility": "private", "archived": false,
			"web_url": "http://gitlab.test/" + l.Project, "only_allow_merge_if_pipeline_succeeds": l.MustSucceed, "merge_trains_enabled": l.Trains, "allow_merge_on_skipped_pipeline": l.MayBeSkipped,
		})
	}))
	mux.HandleFunc("GET "+projects+"/repository/files/{path}/raw", own(func(w http.ResponseWriter, r *http.Request) {
		text, found := l.Files[r.URL.Query().Get("ref")+":"+r.PathValue("path")]
		if !found {
			l.missing(w, "404 File Not Found")
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, text) // a client that has gone needs none
	}))
	listed := func(path string, all func() []doc) {
		mux.HandleFunc("GET "+projects+path, own(func(w http.ResponseWriter, r *http.Request) { reply(w, 200, page(w, r, all())) }))
	}
	listed("/protected_tags", func() (out []doc) {
		for _, t := range l.ProtectedTags {
			out = append(out, doc{"name": t, "create_access_levels": []doc{{"access_level": 40, "access_level_description": "Maintainers"}}})
		}
		return out
	})
	listed("/protected_environments", func() (out []doc) {
		for _, e := range l.Environments {
			out = append(out, doc{"name": e.Name, "required_approval_count": e.Approvals, "deploy_access_levels": []doc{{"id": 1, "access_level": 40}}, "approval_rules": []doc{}})
		}
		return out
	})
	listed("/variables", func() (out []doc) {
		for _, v := range l.Variables {
			out = append(out, doc{"key": v.Name, "value": "x", "variable_type": "env_var", "protected": v.Protected, "masked": v.Masked, "hidden": false, "environment_scope": cmp.Or(v.Scope, "*")})
		}
		return out
	})
	listed("/pipeline_schedules", func() (out []doc) {
		for i := range l.Schedules {
			out = append(out, l.schedule(i))
		}
		return out
	})
	mux.HandleFunc("GET "+projects+"/pipeline_schedules/{id}", own(func(w http.ResponseWriter, r *http.Request) {
		i, _ := strconv.Atoi(r.PathValue("id"))
		if i < 1 || i > len(l.Schedules) {
			l.missing(w, "404 Pipeline Schedule Not Found")
			return
		}
		d, variables := l.schedule(i-1), []doc{}
		for name, value := range l.Schedules[i-1].Variables {
			variables = append(variables, doc{"key": name, "value": value, "variable_type": "env_var", "raw": false})
		}
		if !l.Schedules[i-1].Hidden {
			d["variables"] = variables
		}
		reply(w, 200, d)
	}))
	listed("/runners", func() (out []doc) {
		for i, m := range l.Runners {
			out = append(out, l.runner(i, m))
		}
		return out
	})
	mux.HandleFunc("GET /api/v4/runners/{id}", func(w http.ResponseWriter, r *http.Request) {
		i, _ := strconv.Atoi(r.PathValue("id"))
		if i < 1 || i > len(l.Runners) {
			l.missing(w, "404 Not found")
			return
		}
		d := l.runner(i-1, l.Runners[i-1])
		d["tag_list"] = append([]string{}, l.Runners[i-1].Labels...)
		reply(w, 200, d)
	})
}

// schedule is one of a list, which does not tell its variables.
func (l *Lab) schedule(i int) doc {
	s := l.Schedules[i]
	return doc{"id": i + 1, "description": s.Description, "cron": s.Cron, "cron_timezone": "UTC", "ref": s.Ref, "active": s.Active}
}

func (l *Lab) runner(i int, m HubRunner) doc {
	state := "offline"
	if m.Online {
		state = "online"
	}
	return doc{"id": i + 1, "description": m.Name, "paused": false, "is_shared": false, "runner_type": "project_type", "name": "gitlab-runner", "online": m.Online, "status": state}
}
