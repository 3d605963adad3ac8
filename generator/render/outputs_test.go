package render_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// planOf plans some targets of a fixture: "image/arch" builds and tests,
// "image" merges.
func planOf(f fixture, running ...string) *model.Plan {
	is := func(name string) string {
		if slices.Contains(running, name) {
			return model.StepRun
		}
		return model.StepDone
	}
	p := &model.Plan{Version: model.PlanVersion}
	for i := range f.fleet.Images {
		img := &f.fleet.Images[i]
		for _, id := range img.Targets() {
			class := model.RunnerSpotAMD64
			if id.Platform == model.LinuxARM64 {
				class = model.RunnerSpotARM64
			}
			p.Entries = append(p.Entries, model.Entry{
				Image: id.Image, Tag: id.Tag, Platform: id.Platform, Action: model.ActionBuild, Runner: class,
				Steps: map[string]string{model.StepBuild: model.StepDone, model.StepTest: is(id.Image + "/" + id.Platform.Arch)},
			})
		}
		p.Indexes = append(p.Indexes, model.Index{Image: img.ID, Tag: img.ComponentVersion, Action: is(img.ID)})
	}
	return p
}

func outputs(t *testing.T, f fixture, forge string, plan *model.Plan, committed []byte) ([]byte, error) {
	t.Helper()
	full := layout(t, f)
	some, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Selected(plan))
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	return render.Outputs(full, some, forge, plan, []byte(`{"version":1}`), committed)
}

func TestGitHubOutputs(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	got, err := outputs(t, f, pipeline.GitHub, planOf(f, "base/arm64", "base", "hello/amd64", "hello/arm64", "gpu"), f.files(t)[render.GitHubFleet])
	if err != nil {
		t.Fatal(err)
	}
	want := `build=["base","hello"]
merge=["base","gpu"]
matrix={"base":[{"platform":"linux/arm64","arch":"arm64","runner":["self-hosted","linux","arm64","spot"]}],` +
		`"hello":[{"platform":"linux/amd64","arch":"amd64","runner":["self-hosted","linux","x64","spot"]},{"platform":"linux/arm64","arch":"arm64","runner":["self-hosted","linux","arm64","spot"]}]}
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	got, err = outputs(t, f, pipeline.GitHub, planOf(f), f.files(t)[render.GitHubFleet])
	if err != nil || string(got) != "build=[]\nmerge=[]\nmatrix={}\n" {
		t.Errorf("an empty plan gave %q, %v", got, err)
	}
}

func TestOutputsRefuse(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	bad := func(change func(*model.Plan)) *model.Plan {
		p := planOf(f, "base/amd64")
		change(p)
		return p
	}
	for name, plan := range map[string]*model.Plan{
		"name":  bad(func(p *model.Plan) { p.Entries[0].Image = "x\nmatrix={}" }),
		"index": bad(func(p *model.Plan) { p.Indexes[0].Image = "X" }),
		"class": bad(func(p *model.Plan) { p.Entries[0].Runner = "huge" }),
	} {
		if got, err := outputs(t, f, pipeline.GitHub, plan, f.files(t)[render.GitHubFleet]); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestCommittedPipelineMustFit plans an image whose jobs were not generated.
func TestCommittedPipelineMustFit(t *testing.T) {
	t.Parallel()
	old, f := fixtures()["one"].files(t), fixtures()["small"]
	files := f.files(t)
	moved := f
	moved.edges = merged(builtFrom(&f.fleet, "python3.13", "hello"))
	plan := planOf(f, "base/amd64", "base", "python3.13/amd64", "python3.13")
	for name, c := range map[string]struct {
		f         fixture
		committed render.Files
	}{
		"missing": {f, nil}, "without the image": {f, old}, "other needs": {moved, files},
	} {
		for forge, file := range map[string]string{pipeline.GitHub: render.GitHubFleet, pipeline.GitLab: render.GitLabFleet} {
			_, err := outputs(t, c.f, forge, plan, c.committed[file])
			drift, is := errors.AsType[*render.DriftError](err)
			if name == "other needs" && forge == pipeline.GitLab {
				plan := planOf(f, "hello/amd64", "python3.13/amd64")
				_, err = outputs(t, c.f, forge, plan, c.committed[file])
				drift, is = errors.AsType[*render.DriftError](err)
			}
			if !is || drift.ExitCode() != 4 || !strings.Contains(err.Error(), "rootfsgen generate") {
				t.Errorf("%s, %s: %v", forge, name, err)
			}
		}
	}
}

func TestChildIsAPartOfTheFleet(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	child, err := outputs(t, f, pipeline.GitLab, planOf(f, "base/arm64", "base", "python3.13/arm64", "python3.13"), f.files(t)[render.GitLabFleet])
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]struct {
		Needs  []struct{ Job string }
		Script []string
	}
	dec := yaml.NewDecoder(bytes.NewReader(child))
	var raw map[string]any
	if err := dec.Decode(&raw); err != nil {
		t.Fatal(err)
	}
	delete(raw, "stages")
	delete(raw, "workflow")
	again, err := yaml.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(again, &doc); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for name, job := range doc {
		got[name] = nil
		for _, n := range job.Needs {
			got[name] = append(got[name], n.Job)
		}
	}
	want := map[string][]string{
		"plan": nil, ".rootfsgen-build": nil, ".rootfsgen-merge": nil,
		"build:base:arm64": {"plan"}, "merge:base": {"plan", "build:base:arm64"},
		"build:python3.13:arm64": {"plan", "build:base:arm64"}, "merge:python3.13": {"plan", "build:python3.13:arm64", "merge:base"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := carried(t, doc["plan"].Script[0]); got != `{"version":1}` {
		t.Errorf("it carries the plan %q", got)
	}
	if err := gitlabSchema(t).Validate(raw); err != nil {
		t.Error(err)
	}
}

// carried is the plan that the first job of a child writes.
func carried(t *testing.T, script string) string {
	t.Helper()
	_, rest, _ := strings.Cut(script, "'PLAN'")
	_, rest, _ = strings.Cut(rest, "\n")
	text, _, _ := strings.Cut(rest, "PLAN")
	packed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plan)
}

func TestEmptyPlanHasOneJob(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	child, err := outputs(t, f, pipeline.GitLab, planOf(f), f.files(t)[render.GitLabFleet])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(child), "\nplan:\n") || strings.Contains(string(child), "\n\"build:") || strings.Contains(string(child), "\n\"merge:") {
		t.Errorf("got:\n%s", child)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	p, files := layout(t, f), f.files(t)
	limits := append(render.Limits(p, pipeline.GitHub, files), render.Limits(p, pipeline.GitLab, files)...)
	if err := render.CheckLimits(limits); err != nil {
		t.Error(err)
	}
	var all []string
	for _, l := range limits {
		all = append(all, l.String())
	}
	if text := strings.Join(all, "\n"); !strings.Contains(text, "github: jobs in one matrix 2 of 256 (base)") || !strings.Contains(text, "gitlab: needs of one job 4 of 50") {
		t.Errorf("got:\n%s", text)
	}

	crowd := many(60)
	last := crowd.fleet.Images[59].Targets()[0]
	for _, img := range crowd.fleet.Images[:59] {
		crowd.edges[last] = append(crowd.edges[last], img.Targets()[0])
	}
	err := render.CheckLimits(render.Limits(layout(t, crowd), pipeline.GitLab, crowd.files(t)))
	if over, is := errors.AsType[*render.LimitError](err); !is || over.ExitCode() != 3 || !strings.Contains(err.Error(), "merge:image-0059") {
		t.Errorf("60 needs: %v", err)
	}
	large := many(600)
	if err := render.CheckLimits(render.Limits(layout(t, large), pipeline.GitHub, large.files(t))); err == nil {
		t.Error("600 images fit into one GitHub workflow")
	}
}
