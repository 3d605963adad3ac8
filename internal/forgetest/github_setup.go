package forgetest

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

func (h *Hub) serveSetup(mux *http.ServeMux, repo string) {
	mux.HandleFunc("GET "+repo+"/branches/{branch}", h.branch)
	mux.HandleFunc("GET "+repo+"/rules/branches/{branch}", h.rules)
	mux.HandleFunc("GET "+repo+"/contents/{path...}", h.file)
	mux.HandleFunc("GET "+repo+"/rulesets", func(w http.ResponseWriter, r *http.Request) {
		docs := []any{}
		for i := range h.TagRules {
			docs = append(docs, h.ruleset(i))
		}
		reply(w, 200, page(w, r, docs))
	})
	mux.HandleFunc("GET "+repo+"/rulesets/{id}", func(w http.ResponseWriter, r *http.Request) {
		i, _ := strconv.Atoi(r.PathValue("id"))
		if i < 1 || i > len(h.TagRules) {
			notFound(w)
			return
		}
		d := h.ruleset(i - 1)
		d["conditions"] = doc{"ref_name": doc{"include": []string{h.TagRules[i-1]}, "exclude": []string{}}}
		reply(w, 200, d)
	})
	mux.HandleFunc("GET "+repo+"/environments", h.environments)
	mux.HandleFunc("GET "+repo+"/actions/runners", h.runners)
	mux.HandleFunc("GET "+repo+"/environments/{name}/deployment-branch-policies", h.policies)
	mux.HandleFunc("GET "+repo+"/actions/permissions/fork-pr-contributor-approval", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, doc{"approval_policy": cmp.Or(h.Approval, "first_time_contributors")})
	})
	names := func(member string, all func() []string, of func(string) doc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			docs := []any{}
			for _, n := range all() {
				docs = append(docs, of(n))
			}
			reply(w, 200, doc{"total_count": len(docs), member: page(w, r, docs)})
		}
	}
	dated := func(d doc) doc {
		d["created_at"], d["updated_at"] = stamp(Begin), stamp(Begin)
		return d
	}
	mux.HandleFunc("GET "+repo+"/actions/variables", names("variables", func() []string { return slices.Sorted(maps.Keys(h.Variables)) }, func(n string) doc { return dated(doc{"name": n, "value": h.Variables[n]}) }))
	mux.HandleFunc("GET "+repo+"/actions/secrets", names("secrets", func() []string { return h.Secrets }, func(n string) doc { return dated(doc{"name": n}) }))
	mux.HandleFunc("GET "+repo+"/actions/workflows", names("workflows", func() []string { return slices.Sorted(maps.Keys(h.Workflows)) }, func(file string) doc {
		return dated(doc{
			"id": 1, "node_id": "W", "name": file, "path": ".github/workflows/" + file, "state": h.Workflows[file], "url": h.api(), "html_url": h.web(), "badge_url": h.web(),
		})
	}))
}

func (h *Hub) branch(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("branch")
	commit := h.Heads[name]
	if commit == "" {
		refuse(w, http.StatusNotFound, "Branch not found")
		return
	}
	protected := name == h.DefaultBranch && len(h.Required) > 0
	protection := doc{"enabled": protected}
	if protected {
		protection["required_status_checks"] = doc{"enforcement_level": "everyone", "contexts": h.Required, "checks": []any{}}
	}
	reply(w, 200, doc{
		"name": name, "protected": protected, "protection": protection, "protection_url": h.api(), "_links": doc{"html": h.web(), "self": h.api()},
		"commit": doc{
			"url": h.api(), "sha": commit, "node_id": "C", "html_url": h.web(), "comments_url": h.api(), "author": nil, "committer": nil, "parents": []any{},
			"commit": doc{"url": h.api(), "author": nil, "committer": nil, "message": "x", "comment_count": 0, "tree": doc{"sha": commit, "url": h.api()}},
		},
	})
}

func (h *Hub) file(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("path")
	text, found := h.Files[strings.TrimPrefix(r.URL.Query().Get("ref"), "refs/heads/")+":"+file]
	if !found {
		notFound(w)
		return
	}
	reply(w, 200, doc{
		"type": "file", "encoding": "base64", "size": len(text), "name": path.Base(file), "path": file,
		"content": base64.StdEncoding.EncodeToString([]byte(text)) + "\n", "sha": strings.Repeat("e", 40),
		"url": h.api(), "git_url": h.api(), "html_url": h.web(), "download_url": h.web(), "_links": doc{"git": h.api(), "html": h.web(), "self": h.api()},
	})
}

func (h *Hub) rules(w http.ResponseWriter, r *http.Request) {
	docs := []any{}
	if r.PathValue("branch") == h.DefaultBranch {
		source := func(d doc) doc {
			d["ruleset_source_type"], d["ruleset_source"], d["ruleset_id"] = "Repository", h.Owner+"/"+h.Name, 1
			return d
		}
		if len(h.RuleChecks) > 0 {
			checks := []any{}
			for _, c := range h.RuleChecks {
				checks = append(checks, doc{"context": c})
			}
			docs = append(docs, source(doc{"type": "required_status_checks", "parameters": doc{"required_status_checks": checks, "strict_required_status_checks_policy": false}}))
		}
		if h.Queue {
			docs = append(docs, source(doc{"type": "merge_queue", "parameters": doc{
				"check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5, "max_entries_to_merge": 5,
				"merge_method": "MERGE", "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5,
			}}))
		}
	}
	reply(w, 200, page(w, r, docs))
}

func (h *Hub) ruleset(i int) doc {
	return doc{"id": i + 1, "name": h.TagRules[i], "target": "tag", "source_type": "Repository", "source": h.Owner + "/" + h.Name, "enforcement": "active"}
}

func (h *Hub) environments(w http.ResponseWriter, r *http.Request) {
	docs := []any{}
	for i, e := range h.Environments {
		rules := []any{}
		if e.Reviewers {
			rules = append(rules, doc{"id": 1, "node_id": "G", "type": "required_reviewers", "prevent_self_review": false, "reviewers": []any{}})
		}
		d := doc{
			"id": i + 1, "node_id": "EN", "name": e.Name, "url": h.api(), "html_url": h.web(), "created_at": stamp(Begin), "updated_at": stamp(Begin),
			"protection_rules": rules, "deployment_branch_policy": nil,
		}
		if own := len(e.Branches)+len(e.Tags) > 0; own || e.Protected {
			d["deployment_branch_policy"] = doc{"protected_branches": !own, "custom_branch_policies": own}
		}
		docs = append(docs, d)
	}
	reply(w, 200, doc{"total_count": len(docs), "environments": page(w, r, docs)})
}

// policies are the patterns of what one environment lets in.
func (h *Hub) policies(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(h.Environments, func(e HubEnvironment) bool { return e.Name == r.PathValue("name") })
	if i < 0 {
		notFound(w)
		return
	}
	docs := []any{}
	add := func(kind string, names []string) {
		for _, n := range names {
			docs = append(docs, doc{"id": len(docs) + 1, "node_id": "P", "name": n, "type": kind})
		}
	}
	add("branch", h.Environments[i].Branches)
	add("tag", h.Environments[i].Tags)
	reply(w, 200, doc{"total_count": len(docs), "branch_policies": page(w, r, docs)})
}

func (h *Hub) runners(w http.ResponseWriter, r *http.Request) {
	docs := []any{}
	for i, m := range h.Runners {
		state := "offline"
		if m.Online {
			state = "online"
		}
		labels := []any{}
		for n, l := range m.Labels {
			labels = append(labels, doc{"id": n + 1, "name": l, "type": "custom"})
		}
		docs = append(docs, doc{"id": i + 1, "name": m.Name, "os": "linux", "status": state, "busy": false, "labels": labels})
	}
	reply(w, 200, doc{"total_count": len(docs), "runners": page(w, r, docs)})
}
