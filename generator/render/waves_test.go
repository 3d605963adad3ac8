package render_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// forgeFleets are the files that hold the jobs of all images.
var forgeFleets = map[string]string{pipeline.GitHub: render.GitHubFleet, pipeline.GitLab: render.GitLabFleet}

// TestWaveRunsWhateverBecameOfTheOneBefore holds every condition of a wave
// against every result of what it waits for.
func TestWaveRunsWhateverBecameOfTheOneBefore(t *testing.T) {
	t.Parallel()
	jobs := ghJobs(t, fixtures()["waves"].files(t)[render.GitHubFleet])
	names := 0
	for id, job := range jobs {
		if id == "plan" {
			continue
		}
		names++
		for _, list := range []string{"[]", `[{"image":"a"}]`} {
			for _, plan := range []string{"success", "failure", "cancelled", "skipped"} {
				for _, earlier := range []string{"success", "failure", "skipped"} {
					for _, cancelled := range []bool{false, true} {
						r := &run{cancelled: cancelled, results: map[string]string{"plan": plan}, outputs: map[string]map[string]string{"plan": {id: list}}}
						for _, n := range job.Needs[1:] {
							r.results[n] = earlier
						}
						want := list != "[]" && plan == "success" && !cancelled
						if got := r.holds(t, job.If); got != want {
							t.Errorf("%s with %s after plan %s and %s, cancelled %v: runs %v", id, list, plan, earlier, cancelled, got)
						}
					}
				}
			}
		}
	}
	if names != 6 {
		t.Errorf("%d jobs in three waves", names)
	}
}

// On GitLab the same is said by rules. The first wave needs nothing but the
// plan, without which nothing can run.
func TestWaveOnGitLabRunsWhateverBecameOfTheOneBefore(t *testing.T) {
	t.Parallel()
	var jobs map[string]struct {
		Extends string
		Needs   []struct{ Job string }
		Rules   []struct{ When string }
	}
	var doc map[string]any
	if err := yaml.Unmarshal(fixtures()["waves"].files(t)[render.GitLabFleet], &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stages", "workflow", "variables"} {
		delete(doc, name)
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &jobs); err != nil {
		t.Fatal(err)
	}
	waves := map[string]int{}
	for name, job := range jobs {
		if job.Extends == "" {
			continue
		}
		after := len(job.Needs) > 1
		if got := len(job.Rules) == 1 && job.Rules[0].When == "always"; got != after {
			t.Errorf("%s: needs %v, rules %v", name, job.Needs, job.Rules)
		}
		waves[strings.Split(name, ":")[1]]++
	}
	if d := cmp.Diff(map[string]int{"1.1": 3, "2.1": 2, "3.1": 2}, waves); d != "" {
		t.Errorf("jobs of each batch, -want +got:\n%s", d)
	}
}

// TestAnyPartFits draws fleets, and plans of any part of them: what the
// planning job tells must fit the committed files, in both layouts, and what
// runs must wait for those parents that run.
func TestAnyPartFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		fleet, edges := drawFleet(rt)
		f := fixture{fleet: *fleet, edges: edges}
		plan := everything(f)
		for i := range plan.Entries {
			if rapid.Bool().Draw(rt, "done") {
				plan.Entries[i].Steps = map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
			}
		}
		for i := range plan.Indexes {
			plan.Indexes[i].Action = rapid.SampledFrom([]string{model.StepDone, model.StepRun}).Draw(rt, "index")
		}
		for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
			for _, layout := range []string{model.LayoutGraph, model.LayoutWaves} {
				w, err := f.written(t, forge, layout)
				if err != nil {
					rt.Fatalf("%s, %s: %v", forge, layout, err)
				}
				text, err := f.told(t, forge, w, plan, []byte(`{}`))
				if err != nil {
					rt.Fatalf("%s, %s: %v", forge, layout, err)
				}
				var runs ran
				if forge == pipeline.GitHub {
					runs = onGitHub(t, w.Files, text)
				} else {
					runs = onGitLab(t, text)
				}
				checkPart(rt, f, plan, runs, forge+", "+layout)
			}
		}
	})
}

// checkPart makes sure that what a plan runs is what runs.
func checkPart(t *rapid.T, f fixture, plan *model.Plan, runs ran, where string) {
	want := 0
	for i := range plan.Entries {
		e := &plan.Entries[i]
		if !pipeline.Runs(e) {
			continue
		}
		want++
		earlier, is := runs[e.Image+" "+e.Platform.String()]
		if !is {
			t.Fatalf("%s: %s does not run", where, e.ID())
		}
		for _, parent := range f.edges[e.ID()] {
			name := parent.Image + " " + parent.Platform.String()
			if _, too := runs[name]; too && !earlier[name] {
				t.Fatalf("%s: %s does not wait for %s", where, e.ID(), parent)
			}
		}
	}
	if len(runs) != want {
		t.Fatalf("%s: %d builds run, %d are planned", where, len(runs), want)
	}
}

// TestWavesMustFit tells outputs to committed files that are not those of the
// fleet.
func TestWavesMustFit(t *testing.T) {
	t.Parallel()
	f := fixtures()["waves"]
	fewer := f
	fewer.fleet.Images = slices.Delete(slices.Clone(f.fleet.Images), 3, 4) // one of python's tags
	deeper := f
	deeper.edges = merged(f.edges, builtFrom(&f.fleet, "base", "app"))
	for _, c := range []struct {
		name, forge string
		committed   fixture
		change      func(string) string
		why         string
	}{
		{"an image less", pipeline.GitLab, fewer, nil, "without all of its legs"},
		{"a wave more", pipeline.GitHub, deeper, nil, "waits to be told build-4-1, of which there is none"},
		{"a wave more", pipeline.GitLab, deeper, nil, "has "},
		{"a need less", pipeline.GitLab, f, func(s string) string {
			return strings.Replace(s, "    - job: build:1.1:arm64\n      artifacts: false\n  rules:\n    - when: always\n\n\"merge:2", "  rules:\n    - when: always\n\n\"merge:2", 1)
		}, "waits for others than it must"},
		{"another machine", pipeline.GitLab, f, func(s string) string {
			return strings.Replace(s, "\"build:2.1:amd64\":\n  extends: .rootfsgen-build\n  tags: [linux, amd64, spot]", "\"build:2.1:amd64\":\n  extends: .rootfsgen-build\n  tags: [anybody]", 1)
		}, "has a different job"},
		{"a job less", pipeline.GitHub, f, func(s string) string { return strings.Replace(s, "\n  merge-2-1:\n", "\n  other:\n", 1) }, "has no job merge-2-1"},
	} {
		w, err := c.committed.written(t, c.forge, model.LayoutWaves)
		if err != nil {
			t.Fatal(err)
		}
		if c.change != nil {
			text := string(w.Files[forgeFleets[c.forge]])
			if c.change(text) == text {
				t.Errorf("%s: nothing was changed in:\n%s", c.name, text)
			}
			w.Files[forgeFleets[c.forge]] = []byte(c.change(text))
		}
		_, err = f.told(t, c.forge, w, everything(f), []byte(`{}`))
		if drift, is := errors.AsType[*render.DriftError](err); !is || drift.ExitCode() != 4 || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s, %s: %v", c.name, c.forge, err)
		}
	}
}

// TestJobsOfOneChangedLeaf counts what runs when one image changed that nothing
// is built from: beside the jobs that every pipeline has (plan, manifest,
// result), a build for each platform and the merge, and on GitLab the job that
// carries the plan.
func TestJobsOfOneChangedLeaf(t *testing.T) {
	t.Parallel()
	f := layered(300)
	plan := everything(f)
	leaf := f.fleet.Images[299].ID
	for i := range plan.Entries {
		if plan.Entries[i].Image != leaf {
			plan.Entries[i].Steps = map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
		}
	}
	for i := range plan.Indexes {
		if plan.Indexes[i].Image != leaf {
			plan.Indexes[i].Action = model.StepDone
		}
	}
	for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
		for _, layout := range []string{model.LayoutGraph, model.LayoutWaves} {
			w, err := f.written(t, forge, layout)
			if err != nil {
				t.Fatal(err)
			}
			text, err := f.told(t, forge, w, plan, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			var jobs int
			if forge == pipeline.GitHub {
				jobs = len(onGitHub(t, w.Files, text)) + strings.Count(string(text), "merge=[\""+leaf+"\"]") + strings.Count(string(text), `-1=[{"image":"`+leaf+`"}]`)
			} else {
				jobs = len(onGitLab(t, text)) + strings.Count(string(text), "\n\"merge:") + strings.Count(string(text), "\nplan:")
			}
			if limit := len(both) + 2; jobs > limit || jobs < len(both)+1 {
				t.Errorf("%s, %s: %d jobs for one changed leaf, expected at most %d\n%s", forge, layout, jobs, limit, fmt.Sprintf("%.2000s", text))
			}
		}
	}
}
