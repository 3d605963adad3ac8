package render_test

import (
	"fmt"
	"maps"
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

// TestSimulatedWavesWaitAsEmittedOnes does the same for waves: a job of an image
// comes after the same others in both, directly or not. On GitHub the images
// of a matrix are those of its batch, and both platforms of one are one.
func TestSimulatedWavesWaitAsEmittedOnes(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, f := range fixtures() {
		if strings.Contains(name, "device") {
			continue // which has jobs that are not simulated
		}
		f.fleet.Settings.Layout = model.LayoutWaves
		p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil || list.Err() != nil {
			t.Fatal(err, list.Err())
		}
		files := f.files(t)
		for forge, emitted := range map[string]map[string][]string{
			pipeline.GitHub: behindOnGitHub(t, files[".github/workflows/rootfsgen-fleet.yml"], p),
			pipeline.GitLab: behindOnGitLab(t, files[render.GitLabFleet]),
		} {
			e := simulate.Emitted{
				All: p, Some: p, Forge: forge, Layout: model.LayoutWaves, Room: render.Room(p, forge), Times: &simulate.Times{},
				Target: func(image string, on model.Platform) model.TargetID {
					return model.TargetID{Image: image, Platform: on}
				},
			}
			if d := cmp.Diff(emitted, behind(e.Graph())); d != "" {
				t.Errorf("%s: %s: -emitted +simulated:\n%s", name, forge, d)
			}
			seen += len(emitted)
		}
	}
	if seen == 0 {
		t.Error("nothing was compared")
	}
}

// called is what a job of an image is called in a comparison.
func called(forge, name string) string {
	if parts := strings.Split(name, "/"); forge == pipeline.GitHub && len(parts) == 3 {
		return parts[0] + "/" + parts[1]
	}
	return name
}

// behind are, for each job of an image, all those of images that it comes
// after.
func behind(g *simulate.Graph) map[string][]string {
	upstream := make([]map[string]bool, len(g.Jobs)) // a job stands behind those that it waits for
	all := map[string][]string{}
	for n, j := range g.Jobs {
		upstream[n] = map[string]bool{}
		for _, before := range slices.Concat(j.After, j.Parents) {
			maps.Copy(upstream[n], upstream[before])
			if name := g.Jobs[before].Name; strings.HasPrefix(name, "build/") || strings.HasPrefix(name, "merge/") {
				upstream[n][called(g.Forge, name)] = true
			}
		}
		if strings.HasPrefix(j.Name, "build/") || strings.HasPrefix(j.Name, "merge/") {
			name := called(g.Forge, j.Name)
			all[name] = slices.Compact(slices.Sorted(slices.Values(append(all[name], slices.Collect(maps.Keys(upstream[n]))...))))
		}
	}
	return all
}

// batched are jobs that stand for many: what each waits for, and the jobs of
// images that it stands for.
type batched struct{ needs, images map[string][]string }

// behind is behind of the jobs that these stand for.
func (b batched) behind() map[string][]string {
	var of func(job string) []string
	of = func(job string) []string {
		var out []string
		for _, before := range b.needs[job] {
			out = append(append(out, b.images[before]...), of(before)...)
		}
		return out
	}
	all := map[string][]string{}
	for job, images := range b.images {
		before := slices.Compact(slices.Sorted(slices.Values(of(job))))
		for _, image := range images {
			all[image] = slices.Compact(slices.Sorted(slices.Values(append(all[image], before...))))
		}
	}
	return all
}

func behindOnGitHub(t *testing.T, text []byte, p *pipeline.Pipeline) map[string][]string {
	t.Helper()
	var w struct {
		Jobs map[string]struct{ Needs []string }
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	b := batched{map[string][]string{}, map[string][]string{}}
	for id, j := range w.Jobs {
		b.needs[id] = j.Needs
	}
	for _, batch := range p.Batches(render.Room(p, pipeline.GitHub)) {
		for i := range batch.Images {
			img := &batch.Images[i]
			if id := fmt.Sprintf("build-%d-%d", batch.Wave, batch.Number); len(img.Legs) > 0 {
				b.images[id] = append(b.images[id], "build/"+img.ID)
			}
			if id := fmt.Sprintf("merge-%d-%d", batch.Wave, batch.Number); img.Merge {
				b.images[id] = append(b.images[id], "merge/"+img.ID)
			}
		}
	}
	return b.behind()
}

func behindOnGitLab(t *testing.T, text []byte) map[string][]string {
	t.Helper()
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	b := batched{map[string][]string{}, map[string][]string{}}
	for id, v := range file {
		j, is := v.(map[string]any)
		kind, rest, named := strings.Cut(id, ":")
		if !is || !named {
			continue
		}
		needs, _ := j["needs"].([]any)
		for _, n := range needs {
			m, _ := n.(map[string]any)
			job, _ := m["job"].(string)
			b.needs[id] = append(b.needs[id], job)
		}
		sets := []any{j["variables"]}
		if parallel, is := j["parallel"].(map[string]any); is {
			sets, _ = parallel["matrix"].([]any)
		}
		for _, set := range sets {
			variables, _ := set.(map[string]any)
			name := kind + "/" + fmt.Sprint(variables["ROOTFSGEN_IMAGE"])
			if kind == "build" {
				name += "/" + strings.Split(rest, ":")[1]
			}
			b.images[id] = append(b.images[id], name)
		}
	}
	return b.behind()
}

// waits are, for each job of an image, the builds and merges that it waits for. On GitHub
// the platforms of an image are one.
func waits(g *simulate.Graph) map[string][]string {
	called := func(name string) string { return called(g.Forge, name) }
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
