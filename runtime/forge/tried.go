package forge

import (
	"context"
	"fmt"

	"github.com/google/go-github/v92/github"
	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// mostTried bounds how many runs of one commit are read.
const mostTried = 20

// Tried implements Runs.
func (h *hub) Tried(ctx context.Context, commit string) ([]*Run, error) {
	doing := "looking for the runs of " + commit
	found, resp, err := h.api.Actions.ListRepositoryWorkflowRuns(ctx, h.owner, h.name, &github.ListWorkflowRunsOptions{
		Event: "pull_request", HeadSHA: commit, ExcludePullRequests: true, ListOptions: github.ListOptions{PerPage: mostTried},
	})
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	var runs []*Run
	for _, r := range found.WorkflowRuns {
		run, err := h.Run(ctx, r.GetID())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// Tried implements Runs.
func (l *lab) Tried(ctx context.Context, commit string) ([]*Run, error) {
	doing := "looking for the pipelines of " + commit
	found, resp, err := l.api.Pipelines.ListProjectPipelines(l.project, &gitlab.ListProjectPipelinesOptions{
		ListOptions: gitlab.ListOptions{PerPage: mostTried}, SHA: &commit, Source: new("merge_request_event"),
	}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, l.fail(doing, resp, err)
	}
	var runs []*Run
	for _, p := range found {
		run, err := l.Run(ctx, p.ID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		runs = append(runs, run)
		bridges, resp, err := l.api.Jobs.ListPipelineBridges(l.project, p.ID, &gitlab.ListJobsOptions{}, gitlab.WithContext(ctx))
		if err != nil {
			return nil, l.fail(doing, resp, err)
		}
		for _, b := range bridges {
			if b.DownstreamPipeline == nil {
				continue // it was never started
			}
			child, err := l.Run(ctx, b.DownstreamPipeline.ID)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			runs = append(runs, child)
		}
	}
	return runs, nil
}
