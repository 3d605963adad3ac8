package pipeline_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	everywhere := model.Registry{PR: "r.example.com/pr", Testing: "r.example.com/testing", Prod: "r.example.com/prod"}
	for name, c := range map[string]struct {
		change func(*model.Settings)
		want   []string
	}{
		"nothing":     {func(*model.Settings) {}, nil},
		"no registry": {func(s *model.Settings) { s.Registry = model.Registry{} }, []string{"the pipelines will not publish: there is no registry"}},
		"one registry": {func(s *model.Settings) { s.Registry = model.Registry{Testing: "r.example.com"} },
			[]string{"the pipelines will not publish to pr and prod: there is no registry for it"}},
		"GitHub's machines": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall] = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"c"}}
			s.Runners[model.RunnerSpotAMD64] = model.Runner{GitHub: []string{"ubuntu-latest"}, GitLab: []string{"a"}}
			s.Runners["large"] = model.Runner{GitHub: []string{"macos-15"}, GitLab: []string{"a"}} // that nothing uses
		}, []string{
			`the job reports runs on GitHub's own ubuntu-24.04 (class "small"), which has no rootfsgen: runtime installed finds nothing there`,
			`image a runs on GitHub's own ubuntu-latest (class "spot-amd64"), which has no rootfsgen: runtime installed finds nothing there`,
		}},
		"GitLab's machines": {func(s *model.Settings) {
			s.Runners[model.RunnerHosted] = model.Runner{GitHub: []string{"c"}, GitLab: []string{"saas-linux-small-amd64"}}
			s.Runners[model.RunnerSpotARM64] = model.Runner{GitHub: []string{"b"}, GitLab: []string{"saas-linux-medium-arm64"}}
			s.Runners["large"] = model.Runner{GitHub: []string{"e"}, GitLab: []string{"saas-macos-medium-m1"}} // that nothing uses
		}, []string{
			`the job fork runs on GitLab's own saas-linux-small-amd64 (class "hosted"), which has no rootfsgen: runtime installed finds nothing there`,
			`image a runs on GitLab's own saas-linux-medium-arm64 (class "spot-arm64"), which has no rootfsgen: runtime installed finds nothing there`,
		}},
		"both forges' machines": {func(s *model.Settings) {
			s.Runners[model.RunnerHosted] = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"saas-linux-small-amd64"}}
		}, []string{
			`the job fork runs on GitHub's own ubuntu-24.04 (class "hosted"), which has no rootfsgen: runtime installed finds nothing there`,
			`the job fork runs on GitLab's own saas-linux-small-amd64 (class "hosted"), which has no rootfsgen: runtime installed finds nothing there`,
		}},
		"an image on the forges' machines": {func(s *model.Settings) { // which may have the programs
			s.Runners[model.RunnerHosted] = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"saas-linux-small-amd64"}, Image: "r.example.com/runner@sha256:" + strings.Repeat("a", 64)}
		}, nil},
		"one's own with such a label": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall] = model.Runner{GitHub: []string{"self-hosted", "ubuntu-24.04"}, GitLab: []string{"c"}}
		}, nil},
		"from source": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall], s.Runtime = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"c"}}, model.RuntimeSource
		}, nil},
		"accounts": {func(s *model.Settings) {
			s.Identity.Google = model.GoogleIdentity{Provider: "p", Accounts: map[string]string{model.ScopePR: "a", model.ScopeTesting: "b"}}
		}, []string{"jobs of the scope prod have no account to push with", "the planning job has no account to look into a private registry with"}},
		"logins": {func(s *model.Settings) {
			s.Network.Logins = []model.Login{{Registry: "r.example.com", Secret: "A", Scopes: []string{model.ScopePR}}, {Registry: "s.example.com", Secret: "A", Scopes: []string{model.ScopePR}}, {Registry: "s.example.com", Secret: "B", Scopes: []string{model.ScopeRead}}, {Registry: "t.example.com", Secret: "B"}}
		}, []string{"network.logins has no login for r.example.com that the planning job may use"}},
		"a release": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall] = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"c"}}
			s.Runtime, s.Programs = model.RuntimeRelease, model.Programs{Version: "v1", URL: model.ProgramsURL}
		}, nil},
		"GitLab alone": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall], s.Forges = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"c"}}, []string{"gitlab"}
		}, nil},
		"GitHub alone": {func(s *model.Settings) {
			s.Runners[model.RunnerSmall], s.Forges = model.Runner{GitHub: []string{"c"}, GitLab: []string{"saas-linux-small-amd64"}}, []string{"github"}
		}, nil},
	} {
		f := fleet(image("a", model.LinuxAMD64, model.LinuxARM64))
		f.Settings.Registry = everywhere
		c.change(&f.Settings)
		p, list, err := pipeline.Layout(f, nil, pipeline.Options{})
		if err := errors.Join(err, list.Err()); err != nil {
			t.Fatal(name, err)
		}
		var got []string
		for _, d := range p.Warnings(&f.Settings) {
			if d.Severity != diag.Warning || d.Hint == "" || d.Pos.File != "rootfsgen.yaml" {
				t.Errorf("%s: %+v", name, d)
			}
			got = append(got, d.Message)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

// What helps on one forge's machines does not on the other's: GitLab's run jobs
// in containers.
func TestHintsOfMachinesWithoutPrograms(t *testing.T) {
	t.Parallel()
	f := fleet(image("a", model.LinuxAMD64))
	f.Settings.Runners[model.RunnerSmall] = model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"saas-linux-small-amd64"}}
	p, list, err := pipeline.Layout(f, nil, pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`pin a release with "rootfsgen lock --programs VERSION", or name machines of your own under runners.small.github`,
		`pin a release with "rootfsgen lock --programs VERSION", name machines of your own under runners.small.gitlab, or an image that has the programs under runners.small.image`,
	}
	var got []string
	for _, d := range p.Warnings(&f.Settings) {
		if d.Rule == "no-programs" {
			got = append(got, d.Hint)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
