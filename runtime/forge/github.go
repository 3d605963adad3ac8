package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-github/v92/github"
)

// hub is a repository on GitHub.
type hub struct {
	api         *github.Client
	owner, name string
	tries       int
}

var _ Client = (*hub)(nil)

// pageSize is the largest page that GitHub and GitLab give.
const pageSize = 100

func newGitHub(o Options, owner, name string) (*hub, error) {
	opts := []github.ClientOptionsFunc{
		github.WithHTTPClient(o.HTTP), github.WithUserAgent("rootfsrun"),
		github.WithDisableRateLimitCheck(), // patient waits as it was told
	}
	if o.Token != "" {
		opts = append(opts, github.WithAuthToken(o.Token))
	}
	if o.API != "" {
		api := strings.TrimSuffix(o.API, "/") + "/"
		opts = append(opts, github.WithURLs(&api, nil))
	}
	api, err := github.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing to speak to GitHub: %w", err)
	}
	return &hub{api: api, owner: owner, name: name, tries: o.Attempts}, nil
}

// fail gives an answer of GitHub that is none the type that says what it means.
func (h *hub) fail(doing string, resp *github.Response, err error) error {
	if err == nil {
		return nil
	}
	var raw *http.Response
	if resp != nil {
		raw = resp.Response
	}
	if e, ok := errors.AsType[*github.ErrorResponse](err); ok {
		raw = e.Response
		if e.Message != "" {
			err = errors.New(e.Message)
		}
	}
	return classify(doing, raw, err, "X-Accepted-Github-Permissions")
}

// classify names the kind of a failure by its status. needs is the header that
// tells which rights would do.
func classify(doing string, resp *http.Response, err error, needs string) error {
	if _, ok := errors.AsType[*Unavailable](err); ok || resp == nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound:
		return fmt.Errorf("%s: %w", doing, ErrAbsent)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &Denied{Doing: doing, Needs: resp.Header.Get(needs), Err: err}
	case code >= 500:
		return &Unavailable{Doing: doing, Attempts: 1, Err: err}
	case code >= 400:
		return &Refused{Doing: doing, Status: code, Err: err}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Run implements Runs.
func (h *hub) Run(ctx context.Context, id int64) (*Run, error) {
	doing := fmt.Sprintf("reading run %d", id)
	r, resp, err := h.api.Actions.GetWorkflowRunByID(ctx, h.owner, h.name, id)
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	run := &Run{
		Forge: GitHub, ID: id, Name: r.GetName(), Attempt: max(r.GetRunAttempt(), 1), Done: r.GetStatus() == "completed",
		Conclusion: githubConclusion(r.GetConclusion()), Event: r.GetEvent(), Ref: r.GetHeadBranch(), Commit: r.GetHeadSHA(),
		Foreign: r.GetHeadRepository().GetFullName() != r.GetRepository().GetFullName(), URL: r.GetHTMLURL(),
	}
	run.Jobs, err = h.jobs(ctx, id, run.Attempt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	for i := range run.Jobs {
		if j := &run.Jobs[i]; unsuccessful(j.Conclusion) {
			if j.Notes, err = h.notes(ctx, j); err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			j.ExitCode = exitCode(j.Notes)
		}
	}
	return run, nil
}

func unsuccessful(c Conclusion) bool { return c == Failure || c == Cancelled || c == TimedOut }

// jobs are those of one attempt, by id.
func (h *hub) jobs(ctx context.Context, run int64, attempt int) ([]Job, error) {
	var jobs []Job
	for j, err := range h.api.Actions.ListWorkflowJobsAttemptIter(ctx, h.owner, h.name, run, int64(attempt), &github.ListOptions{PerPage: pageSize}) {
		if err != nil {
			return nil, h.fail(fmt.Sprintf("reading the jobs of attempt %d", attempt), nil, err)
		}
		job := Job{
			ID: j.GetID(), Name: j.GetName(), Conclusion: githubConclusion(j.GetConclusion()), Machine: j.GetRunnerName(), Labels: j.Labels,
			Started: j.GetStartedAt().Time, Ended: j.GetCompletedAt().Time,
		}
		for _, s := range j.Steps {
			job.Steps = append(job.Steps, Step{Name: s.GetName(), Conclusion: githubConclusion(s.GetConclusion())})
		}
		// A job's annotations are those of its check run, whose number is the
		// end of this address.
		if n, err := strconv.ParseInt(path.Base(j.GetCheckRunURL()), 10, 64); err == nil {
			job.check = n
		}
		jobs = append(jobs, job)
	}
	slices.SortFunc(jobs, func(a, b Job) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return jobs, nil
}

func githubConclusion(s string) Conclusion {
	switch c := Conclusion(s); c {
	case "", Success, Failure, Cancelled, Skipped, TimedOut:
		return c
	}
	return Other
}

// notes are the messages that GitHub annotated a job with.
func (h *hub) notes(ctx context.Context, job *Job) ([]string, error) {
	var notes []string
	for a, err := range h.api.Checks.ListCheckRunAnnotationsIter(ctx, h.owner, h.name, job.check, &github.ListOptions{PerPage: pageSize}) {
		if err != nil {
			return nil, h.fail(fmt.Sprintf("reading what was annotated at job %d", job.ID), nil, err)
		}
		notes = append(notes, a.GetMessage())
	}
	return notes, nil
}

// exitNote is how GitHub annotates a script that failed.
const exitNote = "Process completed with exit code "

// exitCode is the exit code that the annotations tell of, 0 where none does.
func exitCode(notes []string) int {
	for _, n := range notes {
		if rest, found := strings.CutPrefix(n, exitNote); found {
			if code, err := strconv.Atoi(strings.TrimSuffix(rest, ".")); err == nil {
				return code
			}
		}
	}
	return 0
}

// Executions implements Runs. An attempt lists the jobs that it did not run
// again too, with the times of the attempt that did.
func (h *hub) Executions(ctx context.Context, run *Run) (map[string]int, error) {
	type execution struct {
		name    string
		started int64
	}
	seen := map[execution]bool{}
	count := map[string]int{}
	for attempt := 1; attempt <= run.Attempt; attempt++ {
		jobs, err := h.jobs(ctx, run.ID, attempt)
		if err != nil {
			return nil, fmt.Errorf("counting attempts of run %d: %w", run.ID, err)
		}
		for _, j := range jobs {
			e := execution{j.Name, j.Started.UnixNano()}
			if j.Machine != "" && !seen[e] {
				seen[e] = true
				count[j.Name]++
			}
		}
	}
	return count, nil
}

// RerunJob implements Runs.
func (h *hub) RerunJob(ctx context.Context, job int64) error {
	resp, err := h.api.Actions.RerunJobByID(ctx, h.owner, h.name, job)
	return h.fail(fmt.Sprintf("running job %d again", job), resp, err)
}

// RerunFailed implements Runs.
func (h *hub) RerunFailed(ctx context.Context, run int64) error {
	resp, err := h.api.Actions.RerunFailedJobsByID(ctx, h.owner, h.name, run)
	return h.fail(fmt.Sprintf("running the failed jobs of run %d again", run), resp, err)
}

// Tips implements Runs.
func (h *hub) Tips(ctx context.Context, name string) (Tips, error) {
	var t Tips
	for _, to := range []struct {
		ref    string
		commit *string
	}{{"heads/" + name, &t.Branch}, {"tags/" + name, &t.Tag}} {
		commit, err := h.commitOf(ctx, to.ref)
		if err != nil && !errors.Is(err, ErrAbsent) {
			return Tips{}, err
		}
		*to.commit = commit
	}
	return t, nil
}

// maxTagDepth bounds tags of tags.
const maxTagDepth = 5

func (h *hub) commitOf(ctx context.Context, ref string) (string, error) {
	doing := "reading " + ref
	r, resp, err := h.api.Git.GetRef(ctx, h.owner, h.name, ref)
	if err != nil {
		return "", h.fail(doing, resp, err)
	}
	object := r.GetObject()
	for range maxTagDepth {
		if object.GetType() != "tag" {
			break
		}
		tag, resp, err := h.api.Git.GetTag(ctx, h.owner, h.name, object.GetSHA())
		if err != nil {
			return "", h.fail(doing, resp, err)
		}
		object = tag.GetObject()
	}
	return object.GetSHA(), nil
}
