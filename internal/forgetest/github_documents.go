package forgetest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// doc is a JSON object.
type doc = map[string]any

// addresses adds the members of an object that are addresses below base.
func addresses(d doc, base string, names ...string) doc {
	for _, n := range names {
		d[n] = base + "/" + strings.TrimSuffix(n, "_url")
	}
	return d
}

func (h *Hub) api() string { return "http://api.github.test/repos/" + h.Owner + "/" + h.Name }
func (h *Hub) web() string { return "http://github.test/" + h.Owner + "/" + h.Name }

// account is a simple-user.
func account(login string) doc {
	kind := "User"
	if strings.HasSuffix(login, "[bot]") {
		kind = "Bot"
	}
	return addresses(doc{
		"login": login, "id": len(login)*1000 + int(login[0]), "node_id": "U_" + login, "type": kind, "site_admin": false, "gravatar_id": "",
		"url": "http://api.github.test/users/" + login, "html_url": "http://github.test/" + login, "avatar_url": "http://github.test/" + login + ".png",
	}, "http://api.github.test/users/"+login, "events_url", "followers_url", "following_url", "gists_url", "organizations_url", "received_events_url", "repos_url", "starred_url", "subscriptions_url")
}

func (h *Hub) user(w http.ResponseWriter, _ *http.Request) {
	if h.Robot {
		refuse(w, http.StatusForbidden, "Resource not accessible by integration")
		return
	}
	u := account(Self)
	for _, n := range []string{"bio", "blog", "company", "email", "hireable", "location", "name"} {
		u[n] = nil
	}
	u["blog"] = ""
	for _, n := range []string{"followers", "following", "public_gists", "public_repos"} {
		u[n] = 0
	}
	u["created_at"], u["updated_at"] = stamp(Begin), stamp(Begin)
	reply(w, http.StatusOK, u)
}

// minimal is a minimal-repository.
func (h *Hub) minimal(full string) doc {
	owner, name, _ := strings.Cut(full, "/")
	return addresses(doc{
		"id": 7, "node_id": "R_7", "name": name, "full_name": full, "owner": account(owner), "private": true, "fork": full != h.Owner+"/"+h.Name,
		"description": nil, "html_url": h.web(), "url": h.api(),
	}, h.api(), "archive_url", "assignees_url", "blobs_url", "branches_url", "collaborators_url", "comments_url", "commits_url", "compare_url", "contents_url",
		"contributors_url", "deployments_url", "downloads_url", "events_url", "forks_url", "git_commits_url", "git_refs_url", "git_tags_url", "hooks_url",
		"issue_comment_url", "issue_events_url", "issues_url", "keys_url", "labels_url", "languages_url", "merges_url", "milestones_url", "notifications_url",
		"pulls_url", "releases_url", "stargazers_url", "statuses_url", "subscribers_url", "subscription_url", "tags_url", "teams_url", "trees_url")
}

// repository is a full-repository.
func (h *Hub) repository() doc {
	d := h.minimal(h.Owner + "/" + h.Name)
	for _, n := range []string{"forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers", "watchers_count", "network_count", "subscribers_count"} {
		d[n] = 0
	}
	for _, n := range []string{"has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions", "has_downloads", "archived", "disabled"} {
		d[n] = false
	}
	for _, n := range []string{"homepage", "language", "mirror_url", "license"} {
		d[n] = nil
	}
	d["default_branch"], d["private"], d["fork"] = h.DefaultBranch, !h.Public, h.Fork
	d["clone_url"], d["git_url"], d["ssh_url"], d["svn_url"] = h.web()+".git", "git://github.test/x.git", "git@github.test:x.git", h.web()
	d["pushed_at"], d["created_at"], d["updated_at"] = stamp(Begin), stamp(Begin), stamp(Begin)
	return d
}

func (h *Hub) run(r *Run) doc {
	status, conclusion := "completed", orNull(r.Conclusion)
	if r.Running {
		status, conclusion = "in_progress", nil
	}
	from := h.Owner + "/" + h.Name
	head := from
	if r.Fork {
		head = "stranger/" + h.Name
	}
	base := fmt.Sprintf("%s/actions/runs/%d", h.api(), r.ID)
	return addresses(doc{
		"id": r.ID, "node_id": "WR", "name": r.Workflow, "head_branch": r.Ref, "head_sha": r.Commit, "path": ".github/workflows/x.yml", "display_title": "x",
		"run_number": 1, "run_attempt": r.Attempt(), "event": r.Event, "status": status, "conclusion": conclusion, "workflow_id": 1,
		"url": base, "html_url": fmt.Sprintf("%s/actions/runs/%d", h.web(), r.ID), "created_at": stamp(Begin), "updated_at": stamp(Begin),
		"head_commit": nil, "head_repository": h.minimal(head), "repository": h.minimal(from), "pull_requests": []any{},
	}, base, "jobs_url", "logs_url", "check_suite_url", "cancel_url", "rerun_url", "artifacts_url", "workflow_url")
}

func (h *Hub) job(r *Run, j *Job, attempt int) doc {
	status, completed := "completed", j.Started.Add(10*time.Minute)
	if j.Conclusion == "" {
		status = "queued"
		if !j.Started.IsZero() {
			status = "in_progress"
		}
		completed = time.Time{}
	}
	started := j.Started
	if started.IsZero() { // what never ran says when it was asked for
		started = Begin
	}
	steps := []any{}
	for n, s := range j.Steps {
		state := "completed"
		if s.Conclusion == "" {
			state = "in_progress"
		}
		steps = append(steps, doc{"name": s.Name, "number": n + 1, "status": state, "conclusion": orNull(s.Conclusion), "started_at": stamp(started), "completed_at": nil})
	}
	d := doc{
		"id": j.ID, "node_id": "CR", "run_id": r.ID, "run_url": fmt.Sprintf("%s/actions/runs/%d", h.api(), r.ID), "run_attempt": attempt,
		"head_sha": r.Commit, "head_branch": r.Ref, "workflow_name": r.Workflow, "name": j.Name, "url": fmt.Sprintf("%s/actions/jobs/%d", h.api(), j.ID),
		"html_url": h.web(), "status": status, "conclusion": orNull(j.Conclusion), "created_at": stamp(started), "started_at": stamp(started),
		"completed_at": stamp(completed), "check_run_url": fmt.Sprintf("%s/check-runs/%d", h.api(), j.ID), "labels": append([]string{}, j.Labels...),
		"runner_id": nil, "runner_name": nil, "runner_group_id": nil, "runner_group_name": nil, "steps": steps,
	}
	if j.Machine != "" {
		d["runner_id"], d["runner_name"], d["runner_group_id"], d["runner_group_name"] = 1, j.Machine, 1, "Default"
	}
	return d
}

func (h *Hub) annotation(message string) doc {
	return doc{
		"path": ".github", "blob_href": h.web(), "start_line": 1, "end_line": 1, "start_column": nil, "end_column": nil,
		"annotation_level": "failure", "title": "", "message": message, "raw_details": "",
	}
}

// tagObject is the name of the annotated tag's own object.
func tagObject(commit string) string { return strings.Repeat("a", 4) + commit[min(4, len(commit)):] }

func (h *Hub) ref(w http.ResponseWriter, r *http.Request) {
	ref := r.PathValue("ref")
	var object doc
	if name, is := strings.CutPrefix(ref, "heads/"); is && h.Heads[name] != "" {
		object = doc{"type": "commit", "sha": h.Heads[name]}
	} else if name, is := strings.CutPrefix(ref, "tags/"); is && h.Tags[name] != "" {
		object = doc{"type": "tag", "sha": tagObject(h.Tags[name])}
	} else {
		notFound(w)
		return
	}
	object["url"] = h.api()
	reply(w, http.StatusOK, doc{"ref": "refs/" + ref, "node_id": "REF", "url": h.api(), "object": object})
}

func (h *Hub) tag(w http.ResponseWriter, r *http.Request) {
	for name, commit := range h.Tags {
		if tagObject(commit) == r.PathValue("sha") {
			reply(w, http.StatusOK, doc{
				"sha": tagObject(commit), "url": h.api(), "node_id": "TAG", "tag": name, "message": name,
				"tagger": doc{"date": stamp(Begin), "email": "ada@example.com", "name": "Ada"}, "object": doc{"sha": commit, "type": "commit", "url": h.api()},
			})
			return
		}
	}
	notFound(w)
}
