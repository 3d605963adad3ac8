package forge

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/go-github/v92/github"
)

// Repository implements Setup.
func (h *hub) Repository(ctx context.Context) (*Repository, error) {
	r, resp, err := h.api.Repositories.Get(ctx, h.owner, h.name)
	if err != nil {
		return nil, h.fail("reading the repository", resp, err)
	}
	return &Repository{
		DefaultBranch: r.GetDefaultBranch(), Private: r.GetPrivate(), Fork: r.GetFork(), Archived: r.GetArchived(), URL: r.GetHTMLURL(),
	}, nil
}

// Branch implements Setup. Checks are required by the branch's own protection
// or by a ruleset.
func (h *hub) Branch(ctx context.Context, name string) (*Branch, error) {
	doing := "reading branch " + name
	b, resp, err := h.api.Repositories.GetBranch(ctx, h.owner, h.name, name, 0)
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	out := &Branch{Name: name, Commit: b.GetCommit().GetSHA(), Protected: b.GetProtected()}
	if c := b.GetProtection().GetRequiredStatusChecks(); c != nil && c.Contexts != nil {
		out.Required = append(out.Required, *c.Contexts...)
	}
	rules, resp, err := h.api.Repositories.ListRulesForBranch(ctx, h.owner, h.name, name, &github.ListOptions{PerPage: pageSize})
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	for _, r := range rules.RequiredStatusChecks {
		for _, c := range r.Parameters.RequiredStatusChecks {
			out.Required = append(out.Required, c.Context)
		}
	}
	out.Queue = len(rules.MergeQueue) > 0
	out.Protected = out.Protected || len(rules.NonFastForward) > 0 || len(rules.PullRequest) > 0 || len(rules.RequiredStatusChecks) > 0
	slices.Sort(out.Required)
	out.Required = slices.Compact(out.Required)
	return out, nil
}

// File implements Setup.
func (h *hub) File(ctx context.Context, branch, path string) ([]byte, error) {
	doing := "reading " + path + " of branch " + branch
	f, _, resp, err := h.api.Repositories.GetContents(ctx, h.owner, h.name, path, &github.RepositoryContentGetOptions{Ref: "refs/heads/" + branch})
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	if f == nil {
		return nil, fmt.Errorf("%s: it is a folder", doing)
	}
	text, err := f.GetContent()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return []byte(text), nil
}

// ProtectedTags implements Setup: what the active rulesets of tags include.
func (h *hub) ProtectedTags(ctx context.Context) ([]string, error) {
	const doing = "reading the rules of tags"
	all, resp, err := h.api.Repositories.GetAllRulesets(ctx, h.owner, h.name, &github.RepositoryListRulesetsOptions{ListOptions: github.ListOptions{PerPage: pageSize}})
	if err != nil {
		return nil, h.fail(doing, resp, err)
	}
	var patterns []string
	for _, s := range all {
		if s.GetTarget() == nil || *s.GetTarget() != github.RulesetTargetTag || s.Enforcement != github.RulesetEnforcementActive {
			continue
		}
		full, resp, err := h.api.Repositories.GetRuleset(ctx, h.owner, h.name, s.GetID(), true)
		if err != nil {
			return nil, h.fail(doing, resp, err)
		}
		for _, p := range full.GetConditions().GetRefName().Include {
			if p == "~ALL" {
				p = "*"
			}
			patterns = append(patterns, strings.TrimPrefix(p, "refs/tags/"))
		}
	}
	slices.Sort(patterns)
	return slices.Compact(patterns), nil
}

// Environments implements Setup.
func (h *hub) Environments(ctx context.Context) ([]Environment, error) {
	var out []Environment
	for e, err := range h.api.Repositories.ListEnvironmentsIter(ctx, h.owner, h.name, &github.EnvironmentListOptions{ListOptions: github.ListOptions{PerPage: pageSize}}) {
		if err != nil {
			return nil, h.fail("reading the environments", nil, err)
		}
		one := Environment{
			Name:      e.GetName(),
			Approvals: slices.ContainsFunc(e.ProtectionRules, func(r *github.ProtectionRule) bool { return r.GetType() == "required_reviewers" }),
			Restrict:  e.DeploymentBranchPolicy != nil,
			Protected: e.GetDeploymentBranchPolicy().GetProtectedBranches(),
		}
		if one.Restrict && !one.Protected {
			if err := h.lets(ctx, &one); err != nil {
				return nil, err
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// lets adds the patterns of what an environment lets in.
func (h *hub) lets(ctx context.Context, e *Environment) error {
	for p, err := range h.api.Repositories.ListDeploymentBranchPoliciesIter(ctx, h.owner, h.name, e.Name, &github.ListOptions{PerPage: pageSize}) {
		switch {
		case err != nil:
			return h.fail("reading what environment "+e.Name+" lets in", nil, err)
		case p.GetType() == "tag":
			e.Tags = append(e.Tags, p.GetName())
		default:
			e.Branches = append(e.Branches, p.GetName())
		}
	}
	return nil
}

// Outsiders implements Setup.
func (h *hub) Outsiders(ctx context.Context) (string, error) {
	const doing = "reading who needs approval"
	r, err := h.Repository(ctx)
	if err != nil || r.Private {
		return "", err
	}
	req, err := h.api.NewRequest(ctx, http.MethodGet, "repos/"+h.owner+"/"+h.name+"/actions/permissions/fork-pr-contributor-approval", nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	var p github.ContributorApprovalPermissions
	resp, err := h.api.Do(req, &p)
	return p.ApprovalPolicy, h.fail(doing, resp, err)
}

// Runners implements Setup.
func (h *hub) Runners(ctx context.Context) ([]Runner, error) {
	var out []Runner
	for r, err := range h.api.Actions.ListRunnersIter(ctx, h.owner, h.name, &github.ListRunnersOptions{ListOptions: github.ListOptions{PerPage: pageSize}}) {
		if err != nil {
			return nil, h.fail("reading the runners", nil, err)
		}
		runner := Runner{Name: r.GetName(), Online: r.GetStatus() == "online"}
		for _, l := range r.Labels {
			runner.Labels = append(runner.Labels, l.GetName())
		}
		out = append(out, runner)
	}
	return out, nil
}

// Variables implements Setup.
func (h *hub) Variables(ctx context.Context) ([]Variable, error) {
	var out []Variable
	for v, err := range h.api.Actions.ListRepoVariablesIter(ctx, h.owner, h.name, &github.ListOptions{PerPage: maxVariables}) {
		if err != nil {
			return nil, h.fail("reading the variables", nil, err)
		}
		out = append(out, Variable{Name: v.Name, Value: v.Value})
	}
	for s, err := range h.api.Actions.ListRepoSecretsIter(ctx, h.owner, h.name, &github.ListOptions{PerPage: pageSize}) {
		if err != nil {
			return nil, h.fail("reading the names of the secrets", nil, err)
		}
		out = append(out, Variable{Name: s.Name, Secret: true})
	}
	return out, nil
}

// maxVariables is the largest page of variables that GitHub gives.
const maxVariables = 30

// Schedules implements Setup: GitHub switches workflows off in forks, and
// where nothing happened for 60 days.
func (h *hub) Schedules(ctx context.Context) ([]Schedule, error) {
	var out []Schedule
	for w, err := range h.api.Actions.ListWorkflowsIter(ctx, h.owner, h.name, &github.ListOptions{PerPage: pageSize}) {
		if err != nil {
			return nil, h.fail("reading the workflows", nil, err)
		}
		s := Schedule{Name: path.Base(w.GetPath()), Active: w.GetState() == "active"}
		if !s.Active {
			s.Why = w.GetState()
		}
		out = append(out, s)
	}
	return out, nil
}
