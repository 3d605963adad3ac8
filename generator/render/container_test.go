package render_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

const runnerImage = "registry.example.com/runner:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// surrounded is the small fleet on machines that give jobs more.
func surrounded() fixture {
	f := fixtures()["small"]
	f.fleet.Settings.Runners = maps.Clone(f.fleet.Settings.Runners)
	amd := f.fleet.Settings.Runners[model.RunnerSpotAMD64]
	amd.Image, amd.Services, amd.Variables = runnerImage, []model.Service{{Name: "cache", Image: "registry:2"}}, map[string]string{"GREETING": "it's on"}
	f.fleet.Settings.Runners[model.RunnerSpotAMD64] = amd
	small := f.fleet.Settings.Runners[model.RunnerSmall]
	small.Image, small.Variables = runnerImage, map[string]string{"YES": "yes"}
	f.fleet.Settings.Runners[model.RunnerSmall] = small
	return f
}

func TestSurroundedOnGitHub(t *testing.T) {
	t.Parallel()
	files := surrounded().files(t)
	type job struct {
		Container any
		Services  map[string]map[string]string
		Env       map[string]string
	}
	byClass := func(class, value string) string {
		return `${{ fromJSON('{"` + class + `":"` + value + `"}')[matrix.class] || '' }}`
	}
	for at, want := range map[string]job{
		"build build": {
			Container: byClass("spot-amd64", runnerImage), Services: map[string]map[string]string{"cache": {"image": byClass("spot-amd64", "registry:2")}},
			Env: map[string]string{"GREETING": byClass("spot-amd64", "it''s on")},
		},
		"merge merge":    {Container: runnerImage, Env: map[string]string{"YES": "yes"}},
		"push result":    {Container: runnerImage, Env: map[string]string{"YES": "yes"}},
		"request fork":   {},
		"request result": {}, // which runs for forks
	} {
		file, id, _ := strings.Cut(at, " ")
		var w struct{ Jobs map[string]job }
		if err := yaml.Unmarshal(files[".github/workflows/rootfsgen-"+file+".yml"], &w); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, w.Jobs[id]); d != "" {
			t.Errorf("%s: -want +got:\n%s", at, d)
		}
	}
	root := t.TempDir()
	rewriteIn(t, root, files)
	lintAll(t, root)
}

func TestSurroundedOnGitLab(t *testing.T) {
	t.Parallel()
	files := surrounded().files(t)
	var doc map[string]any
	if err := yaml.Unmarshal(files[render.GitLabFleet], &doc); err != nil {
		t.Fatal(err)
	}
	if err := gitlabSchema(t).Validate(any(doc)); err != nil {
		t.Error(err)
	}
	leg, _ := doc["build:base:amd64"].(map[string]any)
	variables, _ := leg["variables"].(map[string]any)
	if leg["image"] != runnerImage || variables["GREETING"] != "it's on" ||
		!cmp.Equal(leg["services"], any([]any{map[string]any{"name": "registry:2", "alias": "cache"}})) {
		t.Errorf("got %v", leg)
	}
	if arm, _ := doc["build:base:arm64"].(map[string]any); arm["image"] != nil || arm["services"] != nil {
		t.Errorf("got %v", arm)
	}
	if plan, _ := doc["plan"].(map[string]any); plan["image"] != runnerImage {
		t.Errorf("got %v", plan)
	}
}

// TestLegsNameTheirClass follows a plan to the matrix.
func TestLegsNameTheirClass(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fixture{"surrounded": surrounded(), "small": fixtures()["small"]} {
		p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil {
			t.Fatal(err)
		}
		plan := &model.Plan{Entries: []model.Entry{{
			Image: "base", Tag: "1", Platform: model.LinuxAMD64, Runner: model.RunnerSpotAMD64, Action: model.ActionBuild,
			Steps: map[string]string{model.StepBuild: model.StepRun},
		}}}
		text, err := render.Outputs(p, p, pipeline.GitHub, plan, nil, f.files(t)[render.GitHubFleet])
		if err != nil {
			t.Fatal(err)
		}
		if named := strings.Contains(string(text), `"class":"spot-amd64"`); named != (name == "surrounded") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestClassesAreChecked renders what settings would have refused.
func TestClassesAreChecked(t *testing.T) {
	t.Parallel()
	for _, r := range []model.Runner{
		{Image: "${{ x }}"}, {Services: []model.Service{{Name: "a", Image: "a}}b"}}}, {Variables: map[string]string{"A": "$(id)"}}, {Variables: map[string]string{"a b": "x"}},
	} {
		f := fixtures()["one"]
		r.GitHub, r.GitLab = []string{"x"}, []string{"x"}
		f.fleet.Settings.Runners = maps.Clone(f.fleet.Settings.Runners)
		f.fleet.Settings.Runners[model.RunnerSmall] = r
		p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := render.Render(p, pipeline.GitHub, render.DefaultPins()); err == nil {
			t.Errorf("rendered: %v", r)
		}
	}
}

// TestPinsOfAServer keeps what a GitHub Enterprise Server can run.
func TestPinsOfAServer(t *testing.T) {
	t.Parallel()
	pins := render.DefaultPins()
	if back := pins.On(model.GitHubSite{}); back != nil || pins["actions/upload-artifact"].Version == "v3.2.2" {
		t.Errorf("github.com: %v", back)
	}
	want := []string{"actions/download-artifact", "actions/upload-artifact"}
	if d := cmp.Diff(want, pins.On(model.GitHubSite{URL: "https://github.example.com"})); d != "" {
		t.Error(d)
	}
	if pins.On(model.GitHubSite{URL: "https://github.example.com"}) != nil {
		t.Error("taken back twice")
	}
	f := fixtures()["small"]
	p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := render.Render(p, pipeline.GitHub, pins)
	if err != nil {
		t.Fatal(err)
	}
	text := string(files[".github/workflows/rootfsgen-build.yml"])
	if !strings.Contains(text, "actions/upload-artifact@c6a366c94c3e0affe28c06c8df20a878f24da3cf # v3.2.2\n") || strings.Contains(text, "overwrite:") {
		t.Errorf("got:\n%s", text)
	}
}
