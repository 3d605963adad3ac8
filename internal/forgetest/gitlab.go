package forgetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Lab is a GitLab that has one project.
type Lab struct {
	server
	Project string // path

	DefaultBranch string            // main
	Heads, Tags   map[string]string // commits by name
	Files         map[string]string // content by "branch:path"
	MustSucceed   bool              // a request needs a successful pipeline
	MayBeSkipped  bool              // one that was skipped counts as such
	Trains        bool
	ProtectedTags []string
	Environments  []LabEnvironment
	Runners       []HubRunner
	Variables     []LabVariable
	Schedules     []LabSchedule
	Comments      []Comment
	Requests      []Request
	Issues        []Issue
	Releases      []Release
	OnRerun       func(run *Run) // is told of each repeated job, with the server locked

	runs map[int64]*Run
}

// LabEnvironment is a protected environment.
type LabEnvironment struct {
	Name      string
	Approvals int
}

// LabVariable is a variable of a project.
type LabVariable struct {
	Name              string
	Masked, Protected bool
	Scope             string // of environments; empty is *
}

// LabSchedule is a pipeline schedule.
type LabSchedule struct {
	Description, Cron, Ref string
	Active                 bool
	Variables              map[string]string
	Hidden                 bool // the token may not see its variables
}

// JobToken is the token of a job, which may read jobs and write releases, and
// nothing else that people write.
const JobToken = "token-of-a-job"

// NewGitLab starts a GitLab with an empty project, whose API is at URL +
// "/api/v4".
func NewGitLab(t testing.TB, project string) *Lab {
	t.Helper()
	l := &Lab{Project: project, DefaultBranch: "main", Heads: map[string]string{}, Tags: map[string]string{}, runs: map[int64]*Run{}}
	mux := http.NewServeMux()
	own := func(f http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if p := r.PathValue("project"); p != project && p != "1" {
				l.missing(w, "404 Project Not Found")
				return
			}
			f(w, r)
		}
	}
	l.serveRuns(mux, own)
	l.serveTalk(mux, own)
	l.serveAnnounce(mux, own)
	l.serveSetup(mux, own)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { l.missing(w, "404 Not Found") })
	l.start(t, mux, func(r *http.Request) bool {
		return r.Header.Get("Private-Token") == Token || r.Header.Get("Job-Token") == JobToken && (strings.Contains(r.URL.Path, "/jobs") || strings.Contains(r.URL.Path, "/releases"))
	}, map[string]any{"message": "401 Unauthorized"})
	return l
}

// wrapper keeps other projects away.
type wrapper func(http.HandlerFunc) http.HandlerFunc

const projects = "/api/v4/projects/{project}"

func (l *Lab) missing(w http.ResponseWriter, message string) {
	reply(w, http.StatusNotFound, doc{"message": message})
}

// Put puts a pipeline there, completed with what it leaves out.
func (l *Lab) Put(r Run) *Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.complete(l.number)
	if len(r.Jobs) > 0 && r.Conclusion == "failure" {
		r.Conclusion = "failed"
	}
	l.runs[r.ID] = &r
	return &r
}

func (l *Lab) serveRuns(mux *http.ServeMux, own wrapper) {
	mux.HandleFunc("GET "+projects+"/pipelines", own(func(w http.ResponseWriter, req *http.Request) {
		q, docs := req.URL.Query(), []any{}
		for _, id := range newest(l.runs) {
			if r := l.runs[id]; r.Commit == q.Get("sha") && r.Event == q.Get("source") {
				docs = append(docs, l.pipeline(r))
			}
		}
		reply(w, 200, docs)
	}))
	mux.HandleFunc("GET "+projects+"/pipelines/{run}/bridges", own(l.withRun(func(w http.ResponseWriter, _ *http.Request, r *Run) {
		docs := []any{doc{"id": 1, "name": "never started", "status": "skipped", "downstream_pipeline": nil}}
		for _, id := range newest(l.runs) {
			if child := l.runs[id]; child.Parent == r.ID {
				docs = append(docs, doc{"id": id + 1, "name": "images", "status": "success", "downstream_pipeline": l.pipeline(child)})
			}
		}
		reply(w, 200, docs)
	})))
	mux.HandleFunc("GET "+projects+"/pipelines/{run}", own(l.withRun(func(w http.ResponseWriter, _ *http.Request, r *Run) { reply(w, 200, l.pipeline(r)) })))
	mux.HandleFunc("GET "+projects+"/pipelines/{run}/jobs", own(l.withRun(func(w http.ResponseWriter, req *http.Request, r *Run) {
		docs := []any{}
		for i := range r.Jobs {
			docs = append(docs, l.job(r, &r.Jobs[i]))
		}
		if req.URL.Query().Get("include_retried") == "true" {
			for _, earlier := range r.attempts {
				for i := range earlier {
					docs = append(docs, l.job(r, &earlier[i]))
				}
			}
		}
		reply(w, 200, page(w, req, docs))
	})))
	mux.HandleFunc("POST "+projects+"/pipelines/{run}/retry", own(l.withRun(func(w http.ResponseWriter, _ *http.Request, r *Run) {
		for i := range r.Jobs {
			if slices.Contains([]string{"failed", "canceled"}, r.Jobs[i].Conclusion) {
				l.retry(r, i)
			}
		}
		reply(w, http.StatusCreated, l.pipeline(r))
	})))
	mux.HandleFunc("POST "+projects+"/jobs/{job}/retry", own(func(w http.ResponseWriter, req *http.Request) {
		for _, r := range l.runs {
			for i := range r.Jobs {
				if req.PathValue("job") != strconv.FormatInt(r.Jobs[i].ID, 10) {
					continue
				}
				if r.Jobs[i].Conclusion == "" {
					reply(w, http.StatusForbidden, doc{"message": "403 Forbidden - Job is not retryable"})
					return
				}
				l.retry(r, i)
				reply(w, http.StatusCreated, l.job(r, &r.Jobs[i]))
				return
			}
		}
		l.missing(w, "404 Not Found")
	}))
	commitOf := func(names func() map[string]string, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			name := r.PathValue("name")
			id := names()[name]
			if id == "" {
				l.missing(w, "404 "+kind+" Not Found")
				return
			}
			reply(w, 200, doc{"name": name, "protected": kind == "Branch" && name == l.DefaultBranch, "commit": doc{"id": id, "short_id": id[:8], "title": "x", "created_at": stamp(Begin)}})
		}
	}
	mux.HandleFunc("GET "+projects+"/repository/branches/{name}", own(commitOf(func() map[string]string { return l.Heads }, "Branch")))
	mux.HandleFunc("GET "+projects+"/repository/tags/{name}", own(commitOf(func() map[string]string { return l.Tags }, "Tag")))
}

// retry replaces a job, as GitLab does.
func (l *Lab) retry(r *Run, i int) {
	old := r.Jobs[i]
	r.attempts = append(r.attempts, []Job{old})
	r.Jobs[i] = Job{ID: l.number(), Name: old.Name, Needs: old.Needs, Labels: old.Labels}
	r.Running = true
	if l.OnRerun != nil {
		l.OnRerun(r)
	}
}

func (l *Lab) withRun(f func(http.ResponseWriter, *http.Request, *Run)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		id, _ := strconv.ParseInt(req.PathValue("run"), 10, 64)
		if r := l.runs[id]; r != nil {
			f(w, req, r)
			return
		}
		l.missing(w, "404 Not found")
	}
}

func (l *Lab) pipeline(r *Run) doc {
	status := r.Conclusion
	if r.Running {
		status = "running"
	}
	return doc{
		"id": r.ID, "iid": 1, "project_id": 1, "sha": r.Commit, "ref": r.Ref, "status": status, "source": r.Event, "tag": l.Tags[r.Ref] != "",
		"created_at": stamp(Begin), "updated_at": stamp(Begin), "web_url": fmt.Sprintf("http://gitlab.test/%s/-/pipelines/%d", l.Project, r.ID),
	}
}

func (l *Lab) job(r *Run, j *Job) doc {
	status, finished := j.Conclusion, time.Time{}
	if status == "" {
		status = "pending"
	}
	d := doc{
		"id": j.ID, "name": j.Name, "stage": "build", "status": status, "ref": r.Ref, "tag": false, "allow_failure": false, "created_at": stamp(Begin), "started_at": nil,
		"tag_list": append([]string{}, j.Labels...), "pipeline": doc{"id": r.ID, "project_id": 1, "ref": r.Ref, "sha": r.Commit, "status": "failed"}, "runner": nil,
		"web_url": fmt.Sprintf("http://gitlab.test/%s/-/jobs/%d", l.Project, j.ID),
	}
	if j.Reason != "" {
		d["failure_reason"] = j.Reason
	}
	if j.Machine != "" {
		d["runner"] = doc{"id": 1, "description": j.Machine, "active": true, "is_shared": false, "name": "gitlab-runner"}
		d["started_at"] = stamp(j.Started)
		finished = j.Started.Add(10 * time.Minute)
	}
	d["finished_at"] = stamp(finished)
	return d
}
