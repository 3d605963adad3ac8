package forge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// lab is a project on GitLab.
type lab struct {
	api     *gitlab.Client
	project string
	tries   int
}

var _ Client = (*lab)(nil)

func newGitLab(o Options) (*lab, error) {
	opts := []gitlab.ClientOptionFunc{
		gitlab.WithHTTPClient(o.HTTP), gitlab.WithUserAgent("rootfsrun"), gitlab.WithoutRetries(), // patient tries again
		gitlab.WithCustomLimiter(unlimited{}), gitlab.WithURLWarningLogger(slog.New(slog.DiscardHandler)),
	}
	if o.API != "" {
		opts = append(opts, gitlab.WithBaseURL(o.API))
	}
	connect := gitlab.NewClient
	if o.JobOnly {
		connect = gitlab.NewJobClient
	}
	api, err := connect(o.Token, opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing to speak to GitLab: %w", err)
	}
	return &lab{api: api, project: o.Project, tries: o.Attempts}, nil
}

// unlimited leaves the pace to patient, which waits as it is told.
type unlimited struct{}

// Wait implements gitlab.RateLimiter.
func (unlimited) Wait(context.Context) error { return nil }

// fail gives an answer of GitLab that is none the type that says what it means.
func (l *lab) fail(doing string, resp *gitlab.Response, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, gitlab.ErrNotFound) {
		return fmt.Errorf("%s: %w", doing, ErrAbsent)
	}
	var raw *http.Response
	if resp != nil {
		raw = resp.Response
	}
	if e, ok := errors.AsType[*gitlab.ErrorResponse](err); ok {
		raw = e.Response
		if e.Message != "" {
			err = errors.New(e.Message)
		}
	}
	return classify(doing, raw, err, "")
}

// list reads every page.
func list[T any](doing string, l *lab, page func(gitlab.PaginationOptionFunc) ([]T, *gitlab.Response, error)) ([]T, error) {
	all, err := gitlab.ScanAndCollect(page)
	return all, l.fail(doing, nil, err)
}

// Run implements Runs. GitLab replaces a job that runs again in its pipeline,
// so there is one attempt.
func (l *lab) Run(ctx context.Context, id int64) (*Run, error) {
	doing := fmt.Sprintf("reading pipeline %d", id)
	p, resp, err := l.api.Pipelines.GetPipeline(l.project, id, gitlab.WithContext(ctx))
	if err != nil {
		return nil, l.fail(doing, resp, err)
	}
	run := &Run{
		Forge: GitLab, ID: id, Attempt: 1, Conclusion: gitlabConclusion(p.Status), Event: string(p.Source),
		Ref: p.Ref, Commit: p.SHA, URL: p.WebURL,
	}
	run.Done = run.Conclusion != ""
	jobs, err := l.jobs(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	for _, j := range jobs {
		run.Jobs = append(run.Jobs, Job{
			ID: j.ID, Name: j.Name, Conclusion: gitlabConclusion(j.Status), Reason: j.FailureReason, Machine: machine(j), Labels: j.TagList,
			Started: moment(j.StartedAt), Ended: moment(j.FinishedAt),
		})
	}
	slices.SortFunc(run.Jobs, func(a, b Job) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return run, nil
}

func (l *lab) jobs(ctx context.Context, pipeline int64, retried bool) ([]*gitlab.Job, error) {
	return list("reading its jobs", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Job, *gitlab.Response, error) {
		return l.api.Jobs.ListPipelineJobs(l.project, pipeline, &gitlab.ListJobsOptions{
			ListOptions: gitlab.ListOptions{PerPage: pageSize}, IncludeRetried: &retried,
		}, gitlab.WithContext(ctx), page)
	})
}

// machine is the runner that took a job. GitLab keeps the one that a job ran
// on, and names none where nothing took it.
func machine(j *gitlab.Job) string {
	if j.StartedAt == nil {
		return ""
	}
	return j.Runner.Description
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func gitlabConclusion(status string) Conclusion {
	switch status {
	case "success":
		return Success
	case "failed":
		return Failure
	case "canceled":
		return Cancelled
	case "skipped":
		return Skipped
	case "manual":
		return Other
	}
	return ""
}

// Executions implements Runs.
func (l *lab) Executions(ctx context.Context, run *Run) (map[string]int, error) {
	jobs, err := l.jobs(ctx, run.ID, true)
	if err != nil {
		return nil, fmt.Errorf("counting attempts of pipeline %d: %w", run.ID, err)
	}
	count := map[string]int{}
	for _, j := range jobs {
		if j.StartedAt != nil {
			count[j.Name]++
		}
	}
	return count, nil
}

// RerunJob implements Runs.
func (l *lab) RerunJob(ctx context.Context, job int64) error {
	_, resp, err := l.api.Jobs.RetryJob(l.project, job, gitlab.WithContext(ctx))
	return l.fail(fmt.Sprintf("running job %d again", job), resp, err)
}

// RerunFailed implements Runs.
func (l *lab) RerunFailed(ctx context.Context, run int64) error {
	_, resp, err := l.api.Pipelines.RetryPipelineBuild(l.project, run, gitlab.WithContext(ctx))
	return l.fail(fmt.Sprintf("running the failed jobs of pipeline %d again", run), resp, err)
}

// Tips implements Runs.
func (l *lab) Tips(ctx context.Context, name string) (Tips, error) {
	var t Tips
	b, resp, err := l.api.Branches.GetBranch(l.project, name, gitlab.WithContext(ctx))
	if err := l.fail("reading branch "+name, resp, err); err == nil {
		t.Branch = b.Commit.ID
	} else if !errors.Is(err, ErrAbsent) {
		return Tips{}, err
	}
	tag, resp, err := l.api.Tags.GetTag(l.project, name, gitlab.WithContext(ctx))
	if err := l.fail("reading tag "+name, resp, err); err == nil {
		t.Tag = tag.Commit.ID
	} else if !errors.Is(err, ErrAbsent) {
		return Tips{}, err
	}
	return t, nil
}
