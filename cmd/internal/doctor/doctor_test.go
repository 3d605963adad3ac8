package doctor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// repository is one that is set up as it should be, until a test spoils it.
type repository struct {
	repository   forge.Repository
	branch       forge.Branch
	tags         []string
	environments []forge.Environment
	runners      []forge.Runner
	variables    []forge.Variable
	schedules    []forge.Schedule
	outsiders    string
	files        map[string]string // content by "branch:path"
	err          error             // of everything but the first
}

func (r *repository) Repository(context.Context) (*forge.Repository, error) {
	return &r.repository, nil
}
func (r *repository) Branch(context.Context, string) (*forge.Branch, error) { return &r.branch, r.err }
func (r *repository) File(_ context.Context, branch, path string) ([]byte, error) {
	if b, found := r.files[branch+":"+path]; found || r.err != nil {
		return []byte(b), r.err
	}
	return nil, forge.ErrAbsent
}
func (r *repository) ProtectedTags(context.Context) ([]string, error) { return r.tags, r.err }
func (r *repository) Environments(context.Context) ([]forge.Environment, error) {
	return r.environments, r.err
}
func (r *repository) Outsiders(context.Context) (string, error)           { return r.outsiders, r.err }
func (r *repository) Runners(context.Context) ([]forge.Runner, error)     { return r.runners, r.err }
func (r *repository) Variables(context.Context) ([]forge.Variable, error) { return r.variables, r.err }
func (r *repository) Schedules(context.Context) ([]forge.Schedule, error) { return r.schedules, r.err }

func good(name string) (*repository, *doctor.Forge) {
	r := &repository{
		repository: forge.Repository{DefaultBranch: "main"}, branch: forge.Branch{Name: "main", Protected: true, Required: []string{model.ResultCheck, "pipeline"}},
		tags: []string{"v*"}, environments: []forge.Environment{
			{Name: "prod", Approvals: true, Restrict: true, Tags: []string{"v*"}}, {Name: "lock", Restrict: true, Branches: []string{"main"}},
			{Name: "image-private", Restrict: true, Branches: []string{"main"}, Tags: []string{"v*"}},
		},
		outsiders: "all_external_contributors",
		runners:   []forge.Runner{{Name: "a", Labels: []string{"self-hosted", "Linux", "X64", "spot", "amd64"}, Online: true}},
		variables: []forge.Variable{{Name: "R_LOGIN", Secret: true}, {Name: "ROOTFSGEN_PUSH_TOKEN", Secret: true, Protected: true}, {Name: "NPM", Secret: true, Scope: "image-private"}},
		schedules: []forge.Schedule{{Name: ".github/workflows/rootfsgen-lock.yml", Active: true}, {Name: "rootfsgen-bases.yml", Active: true}, {Name: "other.yml"}},
	}
	set := &model.Settings{
		DefaultBranch: "main", ReleaseTags: "v*", Triggers: model.DefaultTriggers(), Registry: model.Registry{Testing: "r.example.com/testing"},
		Network: model.Network{Logins: []model.Login{{Registry: "r.example.com", Secret: "R_LOGIN"}}},
	}
	p := &pipeline.Pipeline{Runners: map[string]model.Runner{
		"spot":   {GitHub: []string{"self-hosted", "linux", "x64", "spot"}, GitLab: []string{"linux", "amd64", "spot"}},
		"hosted": {GitHub: []string{"ubuntu-24.04"}},
	}, Fixed: map[pipeline.Kind]pipeline.Job{
		pipeline.Promote: {Environment: "prod", Events: []pipeline.Event{pipeline.Release}},
		pipeline.Lock:    {Events: []pipeline.Event{pipeline.ScheduleLock}},
	}, Images: []pipeline.Image{{ID: "private", Secrets: []string{"NPM"}}, {ID: "public"}}}
	if name == forge.GitLab {
		r.schedules = []forge.Schedule{{ID: 7, Name: "nightly", Ref: "main", Starts: "lock", Active: true}, {ID: 8, Ref: "main", Starts: "bases", Active: true}, {ID: 9, Name: "other"}}
	}
	return r, &doctor.Forge{Name: name, Project: "acme/images", Setup: r, Settings: set, Pipeline: p}
}

func TestGoodRepositories(t *testing.T) {
	t.Parallel()
	for _, name := range []string{forge.GitHub, forge.GitLab} {
		_, f := good(name)
		for _, x := range f.Look(t.Context()) {
			if x.State != doctor.OK || len(x.Mend) > 0 || x.Why == "" {
				t.Errorf("%s: %+v", name, x)
			}
		}
	}
}

func TestWhatIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(*repository)
		check  string
		state  doctor.State
		github string // in the command that mends it
		gitlab string
	}{
		"another default branch": {func(r *repository) { r.repository.DefaultBranch = "trunk" }, "default branch", doctor.Fail, "default_branch: trunk", "default_branch: trunk"},
		"archived":               {func(r *repository) { r.repository.Archived = true }, "default branch", doctor.Fail, "gh repo unarchive acme/images", "projects/acme%2Fimages/unarchive"},
		"an open branch":         {func(r *repository) { r.branch.Protected = false }, "branch protection", doctor.Warn, `"include":["~DEFAULT_BRANCH"]`, "protected_branches?name=main"},
		"no required check":      {func(r *repository) { r.branch.Required = nil }, "required check", doctor.Warn, `"context":"rootfsgen / result"`, "only_allow_merge_if_pipeline_succeeds=true"},
		"no environment":         {func(r *repository) { r.environments = r.environments[1:] }, "environment prod", doctor.Warn, "environments/prod/deployment-branch-policies -f type=tag -f name='v*'", "protected_environments"},
		"nobody approves":        {func(r *repository) { r.environments[0].Approvals = false }, "environment prod", doctor.Warn, "Environments, prod: name required reviewers", `'{"approval_rules":[{"access_level":40}]}' | glab api -X PUT projects/acme%2Fimages/protected_environments/prod`},
		"no machine":             {func(r *repository) { r.runners = nil }, "runners of class spot", doctor.Warn, "runners.spot.github", "runners.spot.gitlab"},
		"a machine that is off":  {func(r *repository) { r.runners[0].Online = false }, "runners of class spot", doctor.Warn, "", ""},
		"no secret":              {func(r *repository) { r.variables = r.variables[1:] }, "secret R_LOGIN", doctor.Fail, "gh secret set R_LOGIN -R acme/images", "glab variable set R_LOGIN --masked"},
		"a secret in the open":   {func(r *repository) { r.variables[0].Secret = false }, "secret R_LOGIN", doctor.Fail, "gh variable delete R_LOGIN", "glab variable update R_LOGIN --masked"},
	} {
		for _, on := range []string{forge.GitHub, forge.GitLab} {
			r, f := good(on)
			c.spoil(r)
			report := f.Look(t.Context()).Sorted()
			x := report[0]
			mend := map[string]string{forge.GitHub: c.github, forge.GitLab: c.gitlab}[on]
			if x.Check != c.check || x.State != c.state || !strings.Contains(strings.Join(x.Mend, "\n"), mend) || strings.Contains(strings.Join(x.Mend, ""), "@") {
				t.Errorf("%s on %s: %+v, want %s %s %q", name, on, x, c.check, c.state, mend)
			}
			if len(report) > 1 && report[1].State != doctor.OK {
				t.Errorf("%s on %s: also %+v", name, on, report[1])
			}
			if report.Failed() != (c.state == doctor.Fail) {
				t.Errorf("%s on %s: failed %v", name, on, report.Failed())
			}
		}
	}
}

// TestSkippedPipelines: GitLab has a setting by which a commit that asks for no
// pipeline may be merged all the same.
func TestSkippedPipelines(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitLab)
	r.branch.Skips = true
	x := f.Look(t.Context()).Sorted()[0]
	if x.Check != "required check" || x.State != doctor.Warn || !strings.Contains(x.Says, "[skip ci]") || !strings.Contains(strings.Join(x.Mend, "\n"), "allow_merge_on_skipped_pipeline=false") {
		t.Errorf("%+v", x)
	}
}

// TestOpenTags tells a tag that anybody may push, on GitHub, from one that
// starts nothing, on GitLab.
func TestOpenTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		on    string
		tags  []string
		state doctor.State
		says  string
		mend  string
	}{
		"on GitHub":        {forge.GitHub, []string{"refs/tags/release-*"}, doctor.Warn, "everybody who can push may push v*", `"include":["refs/tags/v*"]`},
		"on GitLab":        {forge.GitLab, []string{"release-*"}, doctor.Fail, "a release tag of v* that is not protected starts nothing", "protected_tags?name=v*"},
		"none on GitLab":   {forge.GitLab, nil, doctor.Fail, "a release tag of v* that is not protected starts nothing", "protected_tags?name=v*"},
		"some on GitLab":   {forge.GitLab, []string{"v1*"}, doctor.Warn, "a release tag of v* that is not protected starts nothing", "protected_tags?name=v*"},
		"all tags, GitLab": {forge.GitLab, []string{"*"}, doctor.OK, "v* is protected", ""},
	} {
		r, f := good(c.on)
		r.tags = c.tags
		if x := found(t, f.Look(t.Context()), "release tags"); x.State != c.state || x.Says != c.says || !strings.Contains(strings.Join(x.Mend, ""), c.mend) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// TestTokenToPush is of GitLab alone: GitHub's jobs have one of their own.
func TestTokenToPush(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*repository)
		mend  string
	}{
		"not there":     {func(r *repository) { r.variables = r.variables[:1] }, "glab variable set ROOTFSGEN_PUSH_TOKEN --masked --protected --raw -R "},
		"for everybody": {func(r *repository) { r.variables[1].Protected = false }, "glab variable update ROOTFSGEN_PUSH_TOKEN --masked --protected --raw -R "},
	} {
		r, f := good(forge.GitLab)
		c.spoil(r)
		if x := f.Look(t.Context()).Sorted()[0]; x.Check != "secret ROOTFSGEN_PUSH_TOKEN" || x.State != doctor.Fail || !strings.HasPrefix(strings.Join(x.Mend, "\n"), c.mend) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// What a token may not see is not known, and is no failure.
func TestWhatMayNotBeSeen(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitHub)
	r.err = &forge.Denied{Doing: "reading", Err: errors.New("403")}
	report := f.Look(t.Context())
	if report.Failed() {
		t.Errorf("failed: %+v", report)
	}
	for _, x := range report[1:] {
		if x.State != doctor.Unknown || len(x.Mend) != 1 || !strings.Contains(x.Mend[0], forge.TokenVariable) {
			t.Errorf("%+v", x)
		}
	}
}

func states(r doctor.Report) map[string]doctor.State {
	all := map[string]doctor.State{}
	for _, x := range r {
		all[x.Check] = x.State
	}
	return all
}

func TestMachineAndRepository(t *testing.T) {
	t.Parallel()
	m := doctor.Machine{Tools: []tools.Tool{{Name: "git", Get: "get git"}, {Name: "runc", Get: "get runc"}, {Name: "buildkitd", Path: "/x/buildkitd"}}}
	want := map[string]doctor.State{"git": doctor.Fail, "runc": doctor.Warn, "buildkitd": doctor.OK, "BuildKit": doctor.Warn}
	if d := cmp.Diff(want, states(m.Look())); d != "" {
		t.Errorf("machine (-want +got):\n%s", d)
	}
	m = doctor.Machine{Builder: "tcp://b:1234"}
	if d := cmp.Diff(map[string]doctor.State{"BuildKit": doctor.OK}, states(m.Look())); d != "" {
		t.Errorf("with a builder (-want +got):\n%s", d)
	}
	want = map[string]doctor.State{"history": doctor.Fail, "origin": doctor.Warn}
	if d := cmp.Diff(want, states(doctor.Repository{Shallow: true}.Look())); d != "" {
		t.Errorf("a shallow clone (-want +got):\n%s", d)
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	s := &model.Settings{Runtime: model.RuntimeInstalled}
	want := map[string]doctor.State{"programs": doctor.Warn, "registry": doctor.Warn}
	if d := cmp.Diff(want, states(doctor.Fleet(s))); d != "" {
		t.Errorf("new (-want +got):\n%s", d)
	}
	s.Runtime, s.Registry = model.RuntimeRelease, model.Registry{PR: "r/pr", Testing: "r/testing", Prod: "r/prod"}
	s.Identity.Google = model.GoogleIdentity{Provider: "p", Accounts: map[string]string{"testing": "t@x"}}
	want = map[string]doctor.State{"programs": doctor.OK, "registry": doctor.OK, "identity": doctor.Fail}
	if d := cmp.Diff(want, states(doctor.Fleet(s))); d != "" {
		t.Errorf("without accounts (-want +got):\n%s", d)
	}
}

func TestRegistries(t *testing.T) {
	t.Parallel()
	f := &model.Fleet{Images: []model.Image{{ID: "python", ImageName: "python"}}, Settings: model.Settings{Registry: model.Registry{PR: "r.example.com/pr", Testing: "r.example.com/testing", Prod: "r.example.com/prod"}}}
	r := doctor.Registries(t.Context(), f, func(_ context.Context, repo string) ([]string, error) {
		switch repo {
		case "r.example.com/pr/python":
			return nil, &registry.Denied{Doing: "reading tags", Err: errors.New("403")}
		case "r.example.com/testing/python":
			return []string{"1"}, nil
		}
		return nil, errors.New("no network")
	})
	want := map[string]doctor.State{"pr": doctor.Warn, "testing": doctor.OK, "prod": doctor.Unknown}
	if d := cmp.Diff(want, states(r)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
