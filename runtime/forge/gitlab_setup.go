package forge

import (
	"context"
	"slices"

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
	out := &Branch{Name: name, Commit: b.Commit.ID, Protected: b.Protected, Queue: p.MergeTrainsEnabled}
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
		out = append(out, Variable{Name: v.Key, Secret: v.Masked || v.Hidden, Protected: v.Protected})
	}
	return out, err
}

// Schedules implements Setup.
func (l *lab) Schedules(ctx context.Context) ([]Schedule, error) {
	all, err := list("reading the pipeline schedules", l, func(page gitlab.PaginationOptionFunc) ([]*gitlab.PipelineSchedule, *gitlab.Response, error) {
		return l.api.PipelineSchedules.ListPipelineSchedules(l.project, &gitlab.ListPipelineSchedulesOptions{ListOptions: gitlab.ListOptions{PerPage: pageSize}}, gitlab.WithContext(ctx), page)
	})
	var out []Schedule
	for _, s := range all {
		out = append(out, Schedule{Name: s.Description, Cron: s.Cron, Ref: s.Ref, Active: s.Active})
	}
	return out, err
}
