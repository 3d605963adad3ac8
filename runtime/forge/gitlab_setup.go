package forge

import (
	"context"
	"errors"
	"slices"
	"strings"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"
)

// Repository implements Setup.
func (l *lab) Repository(ctx context.Context) (*Repository, error) {
	p, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	return &Repository{
		DefaultBranch: p.DefaultBranch, Private: p.Visibility != gitlab.PublicVisibility, Fork: p.ForkedFromProject != nil,
		Archived: p.Archived, URL: p.WebURL,
	}, nil
}

func (l *lab) read(ctx context.Context) (*gitlab.Project, error) {
	p, resp, err := l.api.Projects.GetProject(l.project, nil, gitlab.WithContext(ctx))
	return p, l.fail("reading the project", resp, err)
}

// pipelineCheck stands for GitLab's one check: that the pipeline succeeded.
const pipelineCheck = "pipeline"

// Branch implements Setup. What must pass is set for the whole project.
func (l *lab) Branch(ctx context.Context, name string) (*Branch, error) {
	b, resp, err := l.api.Branches.GetBranch(l.project, name, gitlab.WithContext(ctx))
	if err != nil {
		return nil, l.fail("reading branch "+name, resp, err)
	}
	p, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	out := &Branch{Name: name, Commit: b.Commit.ID, Protected: b.Protected, Queue: p.MergeTrainsEnabled, Skips: p.AllowMergeOnSkippedPipeline}
	if p.OnlyAllowMergeIfPipelineSucceeds {
		out.Required = []string{pipelineCheck}
	}
	return out, nil
}

// File implements Setup.
func (l *lab) File(ctx context.Context, branch, path string) ([]byte, error) {
	b, resp, err := l.api.RepositoryFiles.GetRawFile(l.project, path, &gitlab.GetRawFileOptions{Ref: &branch}, gitlab.WithContext(ctx))
	if err != nil {
		return nil, l.fail("reading "+path+" of branch "+branch, resp, err)
	}
	return b, nil
}

// ProtectedTags implements Setup.
func (l *lab) ProtectedTags(ctx context.Context) ([]string, error) {
	tags, err := list("reading the protected tags", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.ProtectedTag, *gitlab.Response, error) {
		return l.api.ProtectedTags.ListProtectedTags(l.project, &gitlab.ListProtectedTagsOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	var patterns []string
	for _, t := range tags {
		patterns = append(patterns, t.Name)
	}
	slices.Sort(patterns)
	return patterns, err
}

// Environments implements Setup: those that are protected.
func (l *lab) Environments(ctx context.Context) ([]Environment, error) {
	all, err := list("reading the protected environments", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.ProtectedEnvironment, *gitlab.Response, error) {
		return l.api.ProtectedEnvironments.ListProtectedEnvironments(l.project, &gitlab.ListProtectedEnvironmentsOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	var out []Environment
	for _, e := range all {
		approvals := e.RequiredApprovalCount > 0 || slices.ContainsFunc(e.ApprovalRules, func(r *gitlab.EnvironmentApprovalRule) bool { return r.RequiredApprovalCount > 0 })
		out = append(out, Environment{Name: e.Name, Approvals: approvals, Restrict: len(e.DeployAccessLevels) > 0})
	}
	return out, err
}

// Runners implements Setup. GitLab names the tags of each runner in a list of
// runners that have them, so there is one more question for each runner.
func (l *lab) Runners(ctx context.Context) ([]Runner, error) {
	all, err := list("reading the runners", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.Runner, *gitlab.Response, error) {
		return l.api.Runners.ListProjectRunners(l.project, &gitlab.ListProjectRunnersOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	if err != nil {
		return nil, err
	}
	var out []Runner
	for _, r := range all {
		d, resp, err := l.api.Runners.GetRunnerDetails(r.ID, gitlab.WithContext(ctx))
		if err != nil {
			return nil, l.fail("reading runner "+r.Description, resp, err)
		}
		out = append(out, Runner{Name: r.Description, Labels: d.TagList, Online: r.Status == "online" && !r.Paused})
	}
	return out, nil
}

// Variables implements Setup.
func (l *lab) Variables(ctx context.Context) ([]Variable, error) {
	all, err := list("reading the names of the variables", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.ProjectVariable, *gitlab.Response, error) {
		return l.api.ProjectVariables.ListVariables(l.project, &gitlab.ListProjectVariablesOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	var out []Variable
	for _, v := range all {
		out = append(out, Variable{Name: v.Key, Secret: v.Masked || v.Hidden, Protected: v.Protected, Scope: v.EnvironmentScope})
	}
	return out, err
}

// Outsiders implements Setup: what a fork asks for runs in the fork.
func (l *lab) Outsiders(context.Context) (string, error) { return "", nil }

// Schedules implements Setup. GitLab names the variables of a schedule to whom
// asks for that one.
func (l *lab) Schedules(ctx context.Context) ([]Schedule, error) {
	all, err := list("reading the pipeline schedules", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.PipelineSchedule, *gitlab.Response, error) {
		return l.api.PipelineSchedules.ListPipelineSchedules(l.project, &gitlab.ListPipelineSchedulesOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	if err != nil {
		return nil, err
	}
	var out []Schedule
	for _, s := range all {
		full, resp, err := l.api.PipelineSchedules.GetPipelineSchedule(l.project, s.ID, gitlab.WithContext(ctx))
		if err != nil {
			return nil, l.fail("reading the schedule "+s.Description, resp, err)
		}
		one := Schedule{ID: s.ID, Name: s.Description, Cron: s.Cron, Ref: strings.TrimPrefix(s.Ref, "refs/heads/"), Active: s.Active}
		if full.Variables == nil {
			return nil, &Denied{Doing: "reading the variables of the schedule " + s.Description, Err: errors.New("only who may change it sees them")}
		}
		for _, v := range full.Variables {
			if v.Key == ScheduleVariable {
				one.Starts = v.Value
			}
		}
		out = append(out, one)
	}
	return out, nil
}
