package render_test

import (
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

var update = flag.Bool("update", false, "write the golden trees anew")

var both = []model.Platform{model.LinuxAMD64, model.LinuxARM64}

func image(id string, platforms ...model.Platform) model.Image {
	return model.Image{ID: id, Dir: "images/" + id, ImageName: id, ComponentVersion: "1", Platforms: platforms}
}

func settings() model.Settings {
	return model.Settings{
		DefaultBranch: "main", ReleaseTags: "v*", ChannelBranch: "rootfsgen/channels",
		Triggers: model.DefaultTriggers(), Fork: model.Fork{MaxTargets: model.DefaultMaxForkTargets},
		Forges: []string{pipeline.GitHub, pipeline.GitLab}, Runtime: model.RuntimeInstalled, Judging: model.Judging{On: true},
		Runners: map[string]model.Runner{
			model.RunnerSpotAMD64: {GitHub: []string{"self-hosted", "linux", "x64", "spot"}, GitLab: []string{"linux", "amd64", "spot"}},
			model.RunnerSpotARM64: {GitHub: []string{"self-hosted", "linux", "arm64", "spot"}, GitLab: []string{"linux", "arm64", "spot"}},
			model.RunnerSmall:     {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"small"}},
			model.RunnerHosted:    {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"hosted"}},
		},
	}
}

// builtFrom adds edges on every platform that both images have.
func builtFrom(fleet *model.Fleet, child string, parents ...string) pipeline.Edges {
	edges := pipeline.Edges{}
	c := &fleet.Tags(child)[0]
	for _, id := range c.Targets() {
		for _, name := range parents {
			p := &fleet.Tags(name)[0]
			for _, pid := range p.Targets() {
				if pid.Platform == id.Platform {
					edges[id] = append(edges[id], pid)
				}
			}
		}
	}
	return edges
}

func merged(all ...pipeline.Edges) pipeline.Edges {
	out := pipeline.Edges{}
	for _, e := range all {
		for k, v := range e {
			out[k] = append(out[k], v...)
		}
	}
	return out
}

type fixture struct {
	fleet model.Fleet
	edges pipeline.Edges
}

func fixtures() map[string]fixture {
	one := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{image("base", both...)}}}

	small := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{
		image("base", both...), image("gpu", model.LinuxAMD64), image("hello", both...), image("python3.13", both...),
	}}}
	small.fleet.Images[1].GPU, small.fleet.Images[1].TimeoutSeconds = true, 3*3600
	small.edges = merged(builtFrom(&small.fleet, "python3.13", "base"), builtFrom(&small.fleet, "gpu", "base", "python3.13"))

	tags := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{
		image("app", model.LinuxAMD64), image("python", both...), image("python", both...), image("python", both...),
	}}}
	for i, tag := range []string{"3.12", "3.13", "3.13"} {
		tags.fleet.Images[i+1].Tag = tag
	}
	tags.fleet.Images[3].Variant = "slim"
	tags.edges = pipeline.Edges{tags.fleet.Images[0].Targets()[0]: {tags.fleet.Images[3].Targets()[0]}}

	below := fixture{fleet: one.fleet}
	below.fleet.Settings.Dir = "infra/fleet"

	waves := fixture{fleet: model.Fleet{Settings: settings(), Images: slices.Insert(slices.Clone(tags.fleet.Images), 1, image("base", both...), image("gpu", model.LinuxAMD64))}}
	waves.fleet.Settings.Layout = model.LayoutWaves
	waves.fleet.Images[2].GPU, waves.fleet.Images[2].TimeoutSeconds = true, 3*3600
	waves.edges = merged(tags.edges, builtFrom(&waves.fleet, "gpu", "base", "app"))

	source := small
	source.fleet.Settings.Runtime = model.RuntimeSource
	return map[string]fixture{"one": one, "tags": tags, "below": below, "small": small, "source": source, "waves": waves, "release": released(small), "forked": forked(source), "spot": spotted(small), "spotsource": spotted(source), "spotdevices": withDevice(spotted(small)), "devicewaves": withDevice(waves), "none": {fleet: model.Fleet{Settings: settings()}}}
}

func (f fixture) files(t testing.TB) render.Files {
	t.Helper()
	p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		t.Fatal(err)
	}
	all := render.Files{}
	for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
		files, err := render.Render(p, forge, render.DefaultPins())
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(all, files)
	}
	return all
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, f := range linted() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", name)
			got := f.files(t)
			if *update {
				rewrite(t, dir, got)
			}
			if d := cmp.Diff(readTree(t, dir), got); d != "" {
				t.Errorf("-golden +got:\n%s", d)
			}
		})
	}
}

func rewrite(t *testing.T, dir string, files render.Files) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	rewriteIn(t, dir, files)
}

func rewriteIn(t *testing.T, dir string, files render.Files) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t *testing.T, dir string) render.Files {
	t.Helper()
	files := render.Files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
