package render_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/simulate"
)

// TestSimulatedJobsWaitAsEmittedOnes holds the graph that is simulated against
// the files: each job of an image waits for the same builds in both.
func TestSimulatedJobsWaitAsEmittedOnes(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		if strings.Contains(name, "device") || f.fleet.Settings.Layout == model.LayoutWaves {
			continue // which have jobs that are not simulated, and jobs of many images
		}
		p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil || list.Err() != nil {
			t.Fatal(err, list.Err())
		}
		files := f.files(t)
		for forge, emitted := range map[string]map[string][]string{
			pipeline.GitHub: waitsOnGitHub(t, files[".github/workflows/rootfsgen-fleet.yml"]),
			pipeline.GitLab: waitsOnGitLab(t, files[render.GitLabFleet]),
		} {
			e := simulate.Emitted{
				All: p, Some: p, Forge: forge, Layout: model.LayoutGraph, Room: render.Room(p, forge), Times: &simulate.Times{},
				Target: func(image string, on model.Platform) model.TargetID {
					return model.TargetID{Image: image, Platform: on}
				},
			}
			if d := cmp.Diff(emitted, waits(e.Graph())); d != "" {
				t.Errorf("%s: %s: -emitted +simulated:\n%s", name, forge, d)
			}
		}
	}
}

// waits are, for each job of an image, the builds and merges that it waits for. On GitHub
// the platforms of an image are one.
func waits(g *simulate.Graph) map[string][]string {
	called := func(name string) string {
		if parts := strings.Split(name, "/"); g.Forge == pipeline.GitHub && len(parts) == 3 {
			return parts[0] + "/" + parts[1]
		}
		return name
	}
	all := map[string][]string{}
	for _, j := range g.Jobs {
		if !strings.Contains(j.Name, "/") || strings.HasPrefix(j.Name, "plan") {
			continue
		}
		before := all[called(j.Name)]
		if before == nil {
			before = []string{}
		}
		for _, n := range slices.Concat(j.After, j.Parents) {
			if strings.HasPrefix(g.Jobs[n].Name, "build/") || strings.HasPrefix(g.Jobs[n].Name, "merge/") {
				before = append(before, called(g.Jobs[n].Name))
			}
		}
		slices.Sort(before)
		all[called(j.Name)] = slices.Compact(before)
	}
	return all
}

func waitsOnGitHub(t *testing.T, text []byte) map[string][]string {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Needs []string
			With  map[string]any
		}
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	called := func(id string) string {
		kind, _, _ := strings.Cut(id, "-")
		image, _ := w.Jobs[id].With["image"].(string)
		return kind + "/" + image
	}
	all := map[string][]string{}
	for id, j := range w.Jobs {
		if id == "plan" {
			continue
		}
		before := []string{}
		for _, n := range j.Needs {
			if n != "plan" {
				before = append(before, called(n))
			}
		}
		slices.Sort(before)
		all[called(id)] = before
	}
	return all
}

func waitsOnGitLab(t *testing.T, text []byte) map[string][]string {
	t.Helper()
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for id, v := range file {
		j, is := v.(map[string]any)
		if !is || !strings.Contains(id, ":") {
			continue
		}
		before := []string{}
		needs, _ := j["needs"].([]any)
		for _, n := range needs {
			m, _ := n.(map[string]any)
			if job, _ := m["job"].(string); strings.HasPrefix(job, "build:") || strings.HasPrefix(job, "merge:") {
				before = append(before, strings.ReplaceAll(job, ":", "/"))
			}
		}
		slices.Sort(before)
		all[strings.ReplaceAll(id, ":", "/")] = before
	}
	return all
}
