package render_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// The tests in this file play the forge: they know nothing of how pipelines
// are made, read the files with a YAML parser, and complain like the forge
// does. The numbers are written down a second time on purpose.

// ran is what would run when a plan runs everything: for each build of an
// image on a platform, all builds that have ended before it.
type ran map[string]map[string]bool

// check makes sure that everything runs once, and after its parents.
func (r ran) check(t *testing.T, f fixture) {
	t.Helper()
	targets := 0
	names := model.NodeNames(nodesOf(f))
	for i := range f.fleet.Images {
		for _, id := range f.fleet.Images[i].Targets() {
			targets++
			before, runs := r[names[id.AllPlatforms()]+" "+id.Platform.String()]
			if !runs {
				t.Fatalf("%s never runs", id)
			}
			for _, parent := range f.edges[id] {
				if !before[names[parent.AllPlatforms()]+" "+parent.Platform.String()] {
					t.Fatalf("%s does not wait for %s", id, parent)
				}
			}
		}
	}
	if len(r) != targets {
		t.Fatalf("%d builds of %d targets", len(r), targets)
	}
}

func nodesOf(f fixture) []model.TargetID {
	var nodes []model.TargetID
	for i := range f.fleet.Images {
		nodes = append(nodes, f.fleet.Images[i].Node())
	}
	return nodes
}

type jobsOf map[string]map[string]any

// before are all jobs that one waits for, by way of others, too.
func before(name string, needs func(string) []string) map[string]bool {
	all := map[string]bool{}
	var collect func(string)
	collect = func(name string) {
		for _, n := range needs(name) {
			if !all[n] {
				all[n] = true
				collect(n)
			}
		}
	}
	collect(name)
	return all
}

var (
	expression = regexp.MustCompile(`(?s)\$\{\{.*?\}\}`)
	planOutput = regexp.MustCompile(`needs\.plan\.outputs\.([a-z0-9-]+)`)
)

// onGitHub complains like GitHub about files and the outputs of a planning job
// that runs everything, and returns what would run.
func onGitHub(t *testing.T, files render.Files, outputs []byte) ran {
	t.Helper()
	if n := 2 * len(outputs); n > 1_000_000 {
		t.Errorf("the planning job tells %d bytes", n)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(outputs)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		told[name] = value
	}
	workflows := map[string]jobsOf{}
	for name, text := range files {
		if !strings.HasPrefix(name, ".github/workflows/") {
			continue
		}
		if len(text) > 500_000 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		for _, e := range expression.FindAllString(string(text), -1) {
			if len(e) > 21_000 {
				t.Errorf("%s has an expression of %d characters", name, len(e))
			}
		}
		var doc struct{ Jobs jobsOf }
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		workflows[name] = doc.Jobs
	}
	for name := range workflows {
		called := map[string]bool{}
		if depth := nested(workflows, name, called); depth > 4 || len(called) > 20 {
			t.Errorf("%s calls %d workflows, %d deep", name, len(called), depth)
		}
	}
	for _, m := range planOutput.FindAllStringSubmatch(string(files[render.GitHubFleet]), -1) {
		if _, is := told[m[1]]; !is {
			t.Fatalf("the fleet reads the output %s, which nobody tells", m[1])
		}
	}
	return gitHubRuns(t, workflows[render.GitHubFleet], told)
}

func nested(workflows map[string]jobsOf, name string, called map[string]bool) int {
	depth := 0
	seen := map[string]bool{}
	for _, job := range workflows[name] {
		uses, _ := job["uses"].(string)
		if other, local := strings.CutPrefix(uses, "./"); local && !seen[other] {
			seen[other], called[other] = true, true
			depth = max(depth, nested(workflows, other, called))
		}
	}
	return depth + 1
}

// gitHubRuns plays the fleet's workflow.
func gitHubRuns(t *testing.T, jobs jobsOf, told map[string]string) ran {
	t.Helper()
	type leg struct{ Image, Set string }
	read := func(text string, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatalf("an output is no JSON: %v: %.100s", err, text)
		}
	}
	needs := func(name string) []string { return texts(jobs[name]["needs"]) }
	builds := map[string][]string{} // job -> "image platform"
	for name, job := range jobs {
		for _, n := range needs(name) {
			if jobs[n] == nil {
				t.Fatalf("%s needs %s, which is not there", name, n)
			}
		}
		if uses, _ := job["uses"].(string); !strings.HasSuffix(uses, "rootfsgen-build.yml") {
			continue
		}
		var platforms map[string][]struct{ Platform string }
		var legs []leg
		if strategy, matrix := job["strategy"]; matrix {
			m := planOutput.FindStringSubmatch(fmt.Sprint(strategy))
			read(told[m[1]], &legs)
			read(told["sets"], &platforms)
			if len(legs) > 256 {
				t.Errorf("%s has %d legs", name, len(legs))
			}
		} else {
			read(told["matrix"], &platforms)
			image := job["with"].(map[string]any)["image"].(string)
			if strings.Contains(told["build"], `"`+image+`"`) {
				legs = []leg{{Image: image, Set: image}}
			}
		}
		for _, l := range legs {
			if n := len(platforms[l.Set]); n == 0 || n > 256 {
				t.Errorf("%s has %d platforms", l.Image, n)
			}
			for _, p := range platforms[l.Set] {
				builds[name] = append(builds[name], l.Image+" "+p.Platform)
			}
		}
	}
	return played(t, builds, needs)
}

// played says for each build what has ended before it.
func played(t *testing.T, builds map[string][]string, needs func(string) []string) ran {
	t.Helper()
	r := ran{}
	for _, name := range slices.Sorted(maps.Keys(builds)) {
		ended := map[string]bool{}
		for earlier := range before(name, needs) {
			for _, b := range builds[earlier] {
				ended[b] = true
			}
		}
		for _, b := range builds[name] {
			if r[b] != nil {
				t.Fatalf("%s runs twice", b)
			}
			r[b] = ended
		}
	}
	return r
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, is := e.(string); is {
			out = append(out, s)
		}
	}
	return out
}

// onGitLab complains like GitLab about a child pipeline, and returns what would
// run.
func onGitLab(t *testing.T, child []byte) ran {
	t.Helper()
	if len(child) > 2_000_000 {
		t.Errorf("the child pipeline has %d bytes", len(child))
	}
	var raw map[string]any
	if err := yaml.Unmarshal(child, &raw); err != nil {
		t.Fatal(err)
	}
	jobs := jobsOf{}
	for name, v := range raw {
		if job, is := v.(map[string]any); is && name != "workflow" && name != "variables" && !strings.HasPrefix(name, ".") {
			jobs[name] = job
		}
	}
	needs := func(name string) []string {
		var out []string
		for _, n := range sliceOf(jobs[name]["needs"]) {
			m := n.(map[string]any)
			if _, elsewhere := m["pipeline"]; !elsewhere {
				out = append(out, m["job"].(string))
			}
		}
		return out
	}
	builds := map[string][]string{}
	count := 0
	for name, job := range jobs {
		if n := len(sliceOf(job["needs"])); n > 50 {
			t.Errorf("%s needs %d jobs", name, n)
		}
		for _, n := range needs(name) {
			if jobs[n] == nil {
				t.Fatalf("%s needs %s, which is not there", name, n)
			}
		}
		if len(name) > 255 {
			t.Errorf("the job %s has a name of %d characters", name, len(name))
		}
		if text, err := yaml.Marshal(job); err != nil || len(text) > 1<<20 {
			t.Errorf("%s has %d bytes: %v", name, len(text), err)
		}
		legs := gitLabLegs(t, name, job)
		count += len(legs)
		if job["extends"] != ".rootfsgen-build" {
			continue
		}
		for _, leg := range legs {
			builds[name] = append(builds[name], leg["ROOTFSGEN_IMAGE"]+" "+leg["ROOTFSGEN_PLATFORM"])
		}
	}
	if count > 20_000 {
		t.Errorf("%d jobs", count)
	}
	return played(t, builds, needs)
}

func sliceOf(v any) []any {
	s, _ := v.([]any)
	return s
}

// gitLabLegs are the variables of each job that a job with a matrix stands for.
func gitLabLegs(t *testing.T, name string, job map[string]any) []map[string]string {
	t.Helper()
	own := map[string]string{}
	variables, _ := job["variables"].(map[string]any)
	for k, v := range variables {
		own[k] = fmt.Sprint(v)
	}
	parallel, _ := job["parallel"].(map[string]any)
	matrix := sliceOf(parallel["matrix"])
	if len(matrix) > 200 {
		t.Errorf("%s has %d legs", name, len(matrix))
	}
	if parallel == nil {
		return []map[string]string{own}
	}
	var legs []map[string]string
	for _, entry := range matrix {
		leg, length := maps.Clone(own), 0
		for k, v := range entry.(map[string]any) {
			leg[k] = v.(string)
			length += len(leg[k])
		}
		if length > 114 {
			t.Errorf("a leg of %s has %d characters of variables", name, length)
		}
		legs = append(legs, leg)
	}
	return legs
}

// everything is a plan that builds and merges all.
func everything(f fixture) *model.Plan {
	p := &model.Plan{Version: model.PlanVersion}
	for i := range f.fleet.Images {
		img := &f.fleet.Images[i]
		for _, id := range img.Targets() {
			class := img.Runner
			if class == "" {
				class = pipeline.DefaultClass(id.Platform)
			}
			p.Entries = append(p.Entries, model.Entry{
				Image: id.Image, Tag: id.Tag, Variant: id.Variant, Platform: id.Platform, Action: model.ActionBuild, Runner: class,
				Steps: map[string]string{model.StepBuild: model.StepRun, model.StepTest: model.StepRun},
			})
		}
		n := img.Node()
		p.Indexes = append(p.Indexes, model.Index{Image: n.Image, Tag: n.Tag, Variant: n.Variant, Action: model.StepRun})
	}
	return p
}

// written lays a fixture out for one forge in a layout.
func (f fixture) written(t testing.TB, forge, layout string) (*render.Written, error) {
	t.Helper()
	p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	p.Layout = layout
	return render.Write(p, forge, render.DefaultPins())
}

// told is what the planning job tells for a plan, given the committed files.
func (f fixture) told(t testing.TB, forge string, w *render.Written, plan *model.Plan, raw []byte) ([]byte, error) {
	t.Helper()
	all, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	all.Layout = w.Layout
	some, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Selected(plan))
	if err != nil {
		t.Fatal(err)
	}
	name := map[string]string{pipeline.GitHub: render.GitHubFleet, pipeline.GitLab: render.GitLabFleet}[forge]
	return render.Outputs(all, some, forge, plan, raw, w.Files[name])
}
