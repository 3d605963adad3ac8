package forgetest

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
)

// Hub is a GitHub that has one repository.
type Hub struct {
	server
	Owner, Name string

	Robot         bool              // the token is a job's own, which may not ask who it is
	DefaultBranch string            // main
	Heads, Tags   map[string]string // commits by name; a tag is an annotated one
	Files         map[string]string // content by "branch:path"
	Required      []string          // checks, by the default branch's protection
	RuleChecks    []string          // checks, by a ruleset
	Queue         bool
	TagRules      []string // what rulesets of tags include, as refs/tags/v*
	Environments  []HubEnvironment
	Runners       []HubRunner
	Public, Fork  bool
	Approval      string            // who may start nothing from a fork; empty is first_time_contributors
	Variables     map[string]string // values by name
	Secrets       []string
	Workflows     map[string]string // file -> state
	Comments      []Comment
	Requests      []Request
	Issues        []Issue
	Releases      []Release
	NoScanning    bool           // code scanning is off
	Sarifs        []string       // findings as they were sent
	OnRerun       func(run *Run) // is told of each new attempt, with the server locked

	runs map[int64]*Run
}

// HubEnvironment is an environment of GitHub.
type HubEnvironment struct {
	Name      string
	Reviewers bool
	Protected bool // only protected branches
	// Branches and Tags are patterns of what alone gets in; with none at all
	// everything does.
	Branches, Tags []string
}

// HubRunner is a self-hosted runner.
type HubRunner struct {
	Name   string
	Labels []string
	Online bool
}

// Comment is a comment of a request.
type Comment struct {
	ID      int64
	Request int64
	Author  string // Self by default
	Body    string
}

// Request is a pull or merge request.
type Request struct {
	Number             int64
	Branch, Base       string
	Title, Body, State string
}

// Self is the account of the token, and Actions that of a job's own token.
const (
	Self    = "ada"
	Actions = "github-actions[bot]"
)

// NewGitHub starts a GitHub with an empty repository.
func NewGitHub(t testing.TB, owner, name string) *Hub {
	t.Helper()
	h := &Hub{Owner: owner, Name: name, DefaultBranch: "main", Heads: map[string]string{}, Tags: map[string]string{}, Workflows: map[string]string{}, runs: map[int64]*Run{}}
	mux := http.NewServeMux()
	repo := "/repos/" + owner + "/" + name
	mux.HandleFunc("GET "+repo, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, h.repository()) })
	mux.HandleFunc("GET /user", h.user)
	h.serveRuns(mux, repo)
	h.serveTalk(mux, repo)
	h.serveAnnounce(mux, repo)
	h.serveSetup(mux, repo)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound(w) })
	h.start(t, mux, bearer, map[string]any{"message": "Bad credentials", "documentation_url": docs, "status": "401"})
	return h
}

const docs = "https://docs.github.com/rest"

func refuse(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"message": message, "documentation_url": docs, "status": strconv.Itoa(status)})
}

func notFound(w http.ResponseWriter) { refuse(w, http.StatusNotFound, "Not Found") }

// Put puts a run there, completed with what it leaves out.
func (h *Hub) Put(r Run) *Run {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.complete(h.number)
	h.runs[r.ID] = &r
	return &r
}

// Finish ends the newest attempt of a run: results are how the jobs that ran
// in it ended, by name; the others succeeded.
func (h *Hub) Finish(run int64, results map[string]Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.runs[run]
	for i := range r.Jobs {
		if result, has := results[r.Jobs[i].Name]; has && r.Jobs[i].Conclusion == "" {
			result.ID, result.Name, result.Needs, result.Labels = r.Jobs[i].ID, r.Jobs[i].Name, r.Jobs[i].Needs, r.Jobs[i].Labels
			r.Jobs[i] = result
		}
	}
	r.Running = false
	r.complete(h.number)
}

// Attempt is the number of a run's newest attempt.
func (h *Hub) Attempt(run int64) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[run].Attempt()
}

func (h *Hub) serveRuns(mux *http.ServeMux, repo string) {
	mux.HandleFunc("GET "+repo+"/actions/runs", func(w http.ResponseWriter, req *http.Request) {
		q, docs := req.URL.Query(), []any{}
		for _, id := range newest(h.runs) {
			if r := h.runs[id]; r.Commit == q.Get("head_sha") && r.Event == q.Get("event") {
				docs = append(docs, h.run(r))
			}
		}
		reply(w, 200, doc{"total_count": len(docs), "workflow_runs": docs})
	})
	mux.HandleFunc("GET "+repo+"/actions/runs/{run}", h.withRun(func(w http.ResponseWriter, _ *http.Request, r *Run) { reply(w, 200, h.run(r)) }))
	mux.HandleFunc("GET "+repo+"/actions/runs/{run}/attempts/{attempt}/jobs", h.withRun(h.attempt))
	mux.HandleFunc("POST "+repo+"/actions/runs/{run}/rerun-failed-jobs", h.withRun(func(w http.ResponseWriter, _ *http.Request, r *Run) {
		names := map[string]bool{}
		for _, j := range r.Jobs {
			if j.Conclusion != "success" && j.Conclusion != "skipped" {
				names[j.Name] = true
			}
		}
		h.rerun(w, r, names)
	}))
	mux.HandleFunc("POST "+repo+"/actions/jobs/{job}/rerun", func(w http.ResponseWriter, req *http.Request) {
		for _, r := range h.runs {
			for _, j := range r.Jobs {
				if req.PathValue("job") == strconv.FormatInt(j.ID, 10) {
					h.rerun(w, r, map[string]bool{j.Name: true})
					return
				}
			}
		}
		notFound(w)
	})
	mux.HandleFunc("GET "+repo+"/check-runs/{check}/annotations", h.annotations)
	mux.HandleFunc("GET "+repo+"/git/ref/{ref...}", h.ref)
	mux.HandleFunc("GET "+repo+"/git/tags/{sha}", h.tag)
}

func (h *Hub) withRun(f func(http.ResponseWriter, *http.Request, *Run)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		id, _ := strconv.ParseInt(req.PathValue("run"), 10, 64)
		r := h.runs[id]
		if r == nil {
			notFound(w)
			return
		}
		f(w, req, r)
	}
}

// maxReruns is GitHub's own bound.
const maxReruns = 50

func (h *Hub) rerun(w http.ResponseWriter, r *Run, names map[string]bool) {
	switch {
	case r.Running:
		refuse(w, http.StatusForbidden, "This workflow is already running")
		return
	case len(r.attempts) >= maxReruns:
		refuse(w, http.StatusForbidden, "This workflow run cannot be rerun")
		return
	}
	r.again(names, h.number)
	if h.OnRerun != nil {
		h.OnRerun(r)
	}
	reply(w, http.StatusCreated, map[string]any{})
}

func (h *Hub) attempt(w http.ResponseWriter, req *http.Request, r *Run) {
	n, _ := strconv.Atoi(req.PathValue("attempt"))
	if n < 1 || n > r.Attempt() {
		notFound(w)
		return
	}
	jobs := append(slices.Clone(r.attempts), r.Jobs)[n-1]
	docs := []any{}
	for i := range jobs {
		docs = append(docs, h.job(r, &jobs[i], n))
	}
	reply(w, 200, map[string]any{"total_count": len(jobs), "jobs": page(w, req, docs)})
}

func (h *Hub) annotations(w http.ResponseWriter, req *http.Request) {
	for _, r := range h.runs {
		for _, jobs := range append(slices.Clone(r.attempts), r.Jobs) {
			for _, j := range jobs {
				if req.PathValue("check") != strconv.FormatInt(j.ID, 10) {
					continue
				}
				docs := []any{}
				for _, n := range j.Notes {
					docs = append(docs, h.annotation(n))
				}
				reply(w, 200, page(w, req, docs))
				return
			}
		}
	}
	notFound(w)
}
