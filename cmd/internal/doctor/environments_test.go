package doctor_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// found is the finding of one check.
func found(t *testing.T, r doctor.Report, check string) doctor.Finding {
	t.Helper()
	i := slices.IndexFunc(r, func(x doctor.Finding) bool { return x.Check == check })
	if i < 0 {
		t.Fatalf("%s: not looked at, only %v", check, states(r))
	}
	return r[i]
}

// TestWhoMayEnter spoils the rules of one environment of GitHub after the
// other.
func TestWhoMayEnter(t *testing.T) {
	t.Parallel()
	const settings = "in the repository's settings, Environments, " // where a request would replace more
	for name, c := range map[string]struct {
		spoil func(*repository, *doctor.Forge)
		check string
		state doctor.State
		says  string
		mend  []string // what the commands have after the project's address
	}{
		"any branch": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Restrict, r.environments[0].Tags = false, nil },
			"environment prod", doctor.Warn, "a job of any branch may enter",
			[]string{settings + "prod: let selected branches and tags in", "prod/deployment-branch-policies -f type=tag -f name='v*'"},
		},
		"protected branches and no tag": {
			func(r *repository, _ *doctor.Forge) {
				r.environments[0].Protected, r.environments[0].Tags = true, nil
			},
			"environment prod", doctor.Fail, "v* may not enter: those jobs fail",
			[]string{settings + "prod: let selected branches and tags in", "prod/deployment-branch-policies -f type=tag -f name='v*'"},
		},
		"tags that do not release": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Tags = []string{"release-*"} },
			"environment prod", doctor.Fail, "v* may not enter: those jobs fail, and a job of tag release-* may enter",
			[]string{"prod/deployment-branch-policies -f type=tag -f name='v*'", "prod/deployment-branch-policies --jq"},
		},
		"fewer tags": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Tags = []string{"v[0-9]*"} },
			"environment prod", doctor.OK, "it is as it should be", nil,
		},
		"tags of whole versions": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Tags = []string{"v*.*.*"} },
			"environment prod", doctor.OK, "it is as it should be", nil,
		},
		"every tag": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Tags = []string{"*"} },
			"environment prod", doctor.Warn, "a job of tag * may enter", []string{"prod/deployment-branch-policies --jq"},
		},
		"a branch too many": {
			func(r *repository, _ *doctor.Forge) { r.environments[0].Branches = []string{"feature/*"} },
			"environment prod", doctor.Warn, "a job of branch feature/* may enter", []string{"prod/deployment-branch-policies --jq"},
		},
		"promotions by request": {
			func(_ *repository, f *doctor.Forge) {
				f.Settings.ChannelBranch = "ch"
				f.Pipeline.Fixed[pipeline.Finish] = pipeline.Job{Environment: "prod", Events: []pipeline.Event{pipeline.Merged}}
			},
			"environment prod", doctor.Fail, "ch may not enter: those jobs fail", []string{"prod/deployment-branch-policies -f type=branch -f name='ch'"},
		},
		"no lock": {
			func(r *repository, _ *doctor.Forge) { r.environments = slices.Delete(r.environments, 1, 2) },
			"environment lock", doctor.Warn, "it is not set up, and a job of any branch may enter",
			[]string{"lock --input -", "lock/deployment-branch-policies -f type=branch -f name='main'"},
		},
		"no prod": {
			func(r *repository, _ *doctor.Forge) { r.environments = r.environments[1:] },
			"environment prod", doctor.Warn, "it is not set up, and nobody must agree to a promotion, and a job of any branch may enter",
			[]string{"prod --input -", "prod/deployment-branch-policies -f type=tag -f name='v*'"},
		},
		"nobody agrees, and any branch": {
			func(r *repository, _ *doctor.Forge) { r.environments[0] = forge.Environment{Name: "prod"} },
			"environment prod", doctor.Warn, "nobody must agree to a promotion, and a job of any branch may enter",
			[]string{settings + "prod: name required reviewers, and let selected branches and tags in", "prod/deployment-branch-policies -f type=tag -f name='v*'"},
		},
		"no image": {
			func(r *repository, _ *doctor.Forge) { r.environments = r.environments[:2] },
			"environment image-private", doctor.Warn, "it is not set up, and a job of any branch may enter",
			[]string{"image-private --input - # or without a review: docs/guide/hardening.md"},
		},
		"an open image": {
			func(r *repository, _ *doctor.Forge) { r.environments[2] = forge.Environment{Name: "image-private"} },
			"environment image-private", doctor.Warn, "a job of any branch may enter",
			[]string{settings + "image-private: name required reviewers"},
		},
		"an image without releases": {
			func(r *repository, _ *doctor.Forge) { r.environments[2].Tags = nil },
			"environment image-private", doctor.Warn, "v* may not enter: jobs that must build the image there fail",
			[]string{"image-private/deployment-branch-policies -f type=tag -f name='v*'"},
		},
		"an image with a review": {
			func(r *repository, _ *doctor.Forge) {
				r.environments[2] = forge.Environment{Name: "image-private", Approvals: true}
			},
			"environment image-private", doctor.OK, "it is as it should be", nil,
		},
		"a key to sign with": {
			func(r *repository, f *doctor.Forge) {
				f.Pipeline.Fixed[pipeline.Manifest] = pipeline.Job{Environment: "signing", Events: []pipeline.Event{pipeline.Push, pipeline.Release}}
				r.environments = append(r.environments, forge.Environment{Name: "signing", Restrict: true, Protected: true})
			},
			"environment signing", doctor.Fail, "v* may not enter: those jobs fail",
			[]string{settings + "signing: let selected branches and tags in", "signing/deployment-branch-policies -f type=branch -f name='main'", "signing/deployment-branch-policies -f type=tag -f name='v*'"},
		},
	} {
		r, f := good(forge.GitHub)
		c.spoil(r, f)
		x := found(t, f.Look(t.Context()), c.check)
		var mend []string
		for n, m := range x.Mend {
			_, after, is := strings.Cut(m, "repos/acme/images/environments/")
			if !is {
				after = m
			}
			if n < len(c.mend) && strings.HasPrefix(after, c.mend[n]) {
				after = c.mend[n]
			}
			mend = append(mend, after)
		}
		if d := cmp.Diff(c.mend, mend); x.State != c.state || x.Says != c.says || x.Why == "" || d != "" {
			t.Errorf("%s: %+v\n%s", name, x, d)
		}
	}
}

// TestWhoMayEnterOnGitLab looks at the key to sign with, and at variables of
// images, which have their environment as their scope.
func TestWhoMayEnterOnGitLab(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitLab)
	f.Pipeline.Fixed[pipeline.Manifest] = pipeline.Job{Environment: "signing", Events: []pipeline.Event{pipeline.Push}}
	if x := found(t, f.Look(t.Context()), "environment signing"); x.State != doctor.Warn || !strings.Contains(x.Mend[0], `"name":"signing"`) {
		t.Errorf("%+v", x)
	}
	r.environments = append(r.environments, forge.Environment{Name: "signing", Restrict: true})
	if x := found(t, f.Look(t.Context()), "environment signing"); x.State != doctor.OK {
		t.Errorf("%+v", x)
	}
	r.variables[2].Scope = "*"
	x := found(t, f.Look(t.Context()), "environment image-private")
	if x.State != doctor.Warn || x.Says != "every job reads NPM, whatever its environment" || len(x.Mend) != 2 || !strings.Contains(x.Mend[0], "--scope image-private -R acme/images") {
		t.Errorf("%+v", x)
	}
	if got := states(f.Look(t.Context())); got["environment lock"] != "" || got["environment image-public"] != "" {
		t.Errorf("looks at what no job names: %v", got)
	}
}

// TestSecretsOfTwoImages moves a variable of GitLab that two images read to
// where each has its own: protected as it was, and gone only at the end.
func TestSecretsOfTwoImages(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitLab)
	f.Pipeline.Images = append(f.Pipeline.Images, pipeline.Image{ID: "other", Secrets: []string{"NPM", "PIP"}})
	all := forge.Variable{Name: "NPM", Secret: true, Protected: true, Scope: "*"}
	r.variables[2] = all
	set := func(scope string) string {
		return "glab variable set NPM --masked --protected --raw --scope " + scope + " -R acme/images"
	}
	const gone = "glab variable delete NPM --scope '*' -R acme/images"
	for name, c := range map[string]struct {
		more []forge.Variable
		want []string
	}{
		"none has its own":  {nil, []string{set("image-private"), set("image-other"), gone}},
		"one has its own":   {[]forge.Variable{{Name: "NPM", Scope: "image-private"}}, []string{set("image-other"), gone}},
		"both have by glob": {[]forge.Variable{{Name: "NPM", Scope: "image-*"}}, []string{gone}},
	} {
		r, f := *r, *f
		r.variables, f.Setup = slices.Concat(r.variables, c.more), &r
		report := f.Look(t.Context())
		if x := found(t, report, "environment image-private"); x.State != doctor.Warn || !slices.Equal(x.Mend, c.want) {
			t.Errorf("%s: %+v", name, x)
		}
		if x := found(t, report, "environment image-other"); x.State != doctor.Warn || !slices.Equal(x.Mend, []string{"see environment image-private, for NPM"}) {
			t.Errorf("%s: %+v", name, x)
		}
	}
	f.Settings.Network.Logins[0].Secret = "NPM"
	if x := found(t, f.Look(t.Context()), "environment image-private"); slices.Contains(x.Mend, gone) {
		t.Errorf("takes a login away: %+v", x)
	}
}

// TestApprovalsOnGitLab protects prod where it is not, and adds to what is
// there: GitLab refuses to protect an environment twice.
func TestApprovalsOnGitLab(t *testing.T) {
	t.Parallel()
	const in, people, rule = " -H 'Content-Type: application/json' --input -", `"deploy_access_levels":[{"access_level":40}]`, `"approval_rules":[{"access_level":40}]`
	for name, c := range map[string]struct {
		have []forge.Environment
		want string
	}{
		"not protected": {nil, `echo '{"name":"prod",` + people + "," + rule + "}' | glab api -X POST projects/acme%2Fimages/protected_environments" + in},
		"no approvals":  {[]forge.Environment{{Name: "prod", Restrict: true}}, "echo '{" + rule + "}' | glab api -X PUT projects/acme%2Fimages/protected_environments/prod" + in},
		"nobody named":  {[]forge.Environment{{Name: "prod", Approvals: true}}, "echo '{" + people + "}' | glab api -X PUT projects/acme%2Fimages/protected_environments/prod" + in},
	} {
		r, f := good(forge.GitLab)
		r.environments = c.have
		if x := found(t, f.Look(t.Context()), "environment prod"); x.State != doctor.Warn || !slices.Equal(x.Mend, []string{c.want}) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// TestOutsideContributors is of public repositories on GitHub.
func TestOutsideContributors(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitHub)
	r.outsiders = "first_time_contributors"
	x := found(t, f.Look(t.Context()), "outside contributors")
	if x.State != doctor.Warn || !strings.Contains(x.Says, "first_time_contributors") || x.Mend[0] != "gh api -X PUT repos/acme/images/actions/permissions/fork-pr-contributor-approval -f approval_policy=all_external_contributors" {
		t.Errorf("%+v", x)
	}
	r.repository.Private, r.outsiders = true, ""
	if got := states(f.Look(t.Context())); got["outside contributors"] != "" {
		t.Errorf("in a private repository: %v", got)
	}
}

// TestEveryEnvironmentOfTheFiles holds what is looked at against what the
// generated workflows name.
func TestEveryEnvironmentOfTheFiles(t *testing.T) {
	t.Parallel()
	r, f := good(forge.GitHub)
	r.environments = nil
	small := model.Runner{GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"small"}}
	f.Settings.Runners = map[string]model.Runner{model.RunnerSmall: small, model.RunnerHosted: small, model.RunnerSpotAMD64: small, model.RunnerSpotARM64: small}
	f.Settings.Forges, f.Settings.ChannelBranch, f.Settings.Signing = []string{forge.GitHub}, "ch", model.Signing{Key: "env:COSIGN_KEY"}
	f.Settings.Channels.Promotion, f.Settings.Judging, f.Settings.Runtime = model.PromotionRequest, model.Judging{On: true}, model.RuntimeInstalled
	img := func(id string, secrets map[string]string) model.Image {
		return model.Image{ID: id, Dir: "images/" + id, ImageName: id, Platforms: []model.Platform{model.LinuxAMD64}, Secrets: secrets}
	}
	p, list, err := pipeline.Layout(&model.Fleet{Settings: *f.Settings, Images: []model.Image{img("open", nil), img("private", map[string]string{"npm": "NPM"})}}, nil, pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		t.Fatal(err)
	}
	files, err := render.Render(p, forge.GitHub, render.DefaultPins())
	if err != nil {
		t.Fatal(err)
	}
	f.Pipeline = p
	got, named := states(f.Look(t.Context())), map[string]bool{}
	for _, text := range files {
		for _, m := range regexp.MustCompile(`(?m)^    environment: (\S+)$`).FindAllSubmatch(text, -1) {
			named[string(m[1])] = true
			if got["environment "+string(m[1])] != doctor.Warn {
				t.Errorf("a job names %s, which is not looked at", m[1])
			}
		}
	}
	if d := cmp.Diff(map[string]bool{"prod": true, "lock": true, "signing": true, "image-private": true}, named); d != "" {
		t.Errorf("-want +named:\n%s", d)
	}
}
