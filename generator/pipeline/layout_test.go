package pipeline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

func fleet(images ...model.Image) *model.Fleet {
	return &model.Fleet{
		Settings: model.Settings{
			DefaultBranch: "main", ReleaseTags: "v*", Forges: []string{"gitlab", "github"}, Triggers: model.DefaultTriggers(),
			Runners: map[string]model.Runner{
				model.RunnerSpotAMD64: {GitHub: []string{"a"}, GitLab: []string{"a"}},
				model.RunnerSpotARM64: {GitHub: []string{"b"}, GitLab: []string{"b"}},
				model.RunnerSmall:     {GitHub: []string{"c"}, GitLab: []string{"c"}},
				model.RunnerHosted:    {GitHub: []string{"d"}, GitLab: []string{"d"}},
				"large":               {GitHub: []string{"e"}},
			},
		},
		Images: images,
	}
}

func image(id string, platforms ...model.Platform) model.Image {
	return model.Image{ID: id, ComponentVersion: "1", Platforms: platforms}
}

func target(id string, p model.Platform) model.TargetID {
	return model.TargetID{Image: id, Tag: "1", Platform: p}
}

// shape is a pipeline's images as text: "id platform:runner<parents".
func shape(p *pipeline.Pipeline) []string {
	var out []string
	for _, i := range p.Images {
		s := i.ID
		for _, l := range i.Legs {
			s += " " + l.Platform.Arch + ":" + l.Runner
			if len(l.Parents) > 0 {
				s += "<" + strings.Join(l.Parents, ",")
			}
			for _, b := range l.Across {
				s += "<" + b.ID + "/" + b.Platform.Arch
			}
		}
		if i.Merge {
			s += " merge"
		}
		out = append(out, s)
	}
	return out
}

func TestLayout(t *testing.T) {
	t.Parallel()
	f := fleet(image("a", model.LinuxAMD64), image("b", model.LinuxAMD64, model.LinuxARM64), image("z", model.LinuxARM64, model.LinuxAMD64))
	f.Images[0].TimeoutSeconds = 61
	edges := pipeline.Edges{
		target("a", model.LinuxAMD64): {target("z", model.LinuxAMD64), target("b", model.LinuxAMD64), target("z", model.LinuxAMD64)},
		target("b", model.LinuxARM64): {target("z", model.LinuxARM64)},
	}
	for name, c := range map[string]struct {
		o    pipeline.Options
		want []string
	}{
		"all": {pipeline.Options{}, []string{
			"z amd64:spot-amd64 arm64:spot-arm64 merge", "b amd64:spot-amd64 arm64:spot-arm64<z merge", "a amd64:spot-amd64<b,z merge",
		}},
		"some": {pipeline.Options{
			Only:  map[model.TargetID]bool{target("a", model.LinuxAMD64): true, target("z", model.LinuxAMD64): true},
			Merge: map[model.TargetID]bool{{Image: "b", Tag: "1"}: true, {Image: "z", Tag: "1"}: true},
		}, []string{"z amd64:spot-amd64 merge", "b merge", "a amd64:spot-amd64<z"}},
		"nothing": {pipeline.Options{Only: map[model.TargetID]bool{}, Merge: map[model.TargetID]bool{}}, nil},
	} {
		p, list, err := pipeline.Layout(f, edges, c.o)
		if err != nil || len(list) > 0 {
			t.Fatal(name, err, list)
		}
		if d := cmp.Diff(c.want, shape(p)); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
		for _, i := range p.Images {
			if want := map[string]int{"a": 32}[i.ID]; want != 0 && i.Minutes != want {
				t.Errorf("%s: %s may take %d minutes, want %d", name, i.ID, i.Minutes, want)
			}
		}
	}
}

// What a stage of another platform is built from is waited for there, and
// nowhere else.
func TestLayoutAcrossPlatforms(t *testing.T) {
	t.Parallel()
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	f := fleet(image("a", both...), image("b", both...), image("z", both...))
	p, list, err := pipeline.Layout(f, pipeline.Edges{
		target("a", model.LinuxAMD64): {target("z", model.LinuxAMD64), target("b", model.LinuxAMD64)},
		target("a", model.LinuxARM64): {target("z", model.LinuxAMD64), target("b", model.LinuxARM64), target("z", model.LinuxAMD64)},
	}, pipeline.Options{})
	if err != nil || len(list) > 0 {
		t.Fatal(err, list)
	}
	want := []string{
		"b amd64:spot-amd64 arm64:spot-arm64 merge", "z amd64:spot-amd64 arm64:spot-arm64 merge",
		"a amd64:spot-amd64<b,z arm64:spot-arm64<b<z/amd64 merge",
	}
	if d := cmp.Diff(want, shape(p)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]string{"b", "z"}, p.Images[2].Parents()); d != "" {
		t.Errorf("parents, -want +got:\n%s", d)
	}
}

// Each tag of an image has jobs of its own, and may wait for another.
func TestLayoutOfSeveralTags(t *testing.T) {
	t.Parallel()
	f := fleet(image("a", model.LinuxAMD64), image("p", model.LinuxAMD64), image("p", model.LinuxAMD64), image("p", model.LinuxAMD64))
	f.Images[2].Tag, f.Images[3].Tag, f.Images[3].Variant = "3.13", "3.13", "slim"
	at := func(tag, variant string) model.TargetID {
		return model.TargetID{Image: "p", Tag: tag, Variant: variant, Platform: model.LinuxAMD64}
	}
	p, list, err := pipeline.Layout(f, pipeline.Edges{
		target("a", model.LinuxAMD64): {at("3.13", "slim")},
		at("3.13", ""):                {at("1", "")},
	}, pipeline.Options{})
	if err != nil || len(list) > 0 {
		t.Fatal(err, list)
	}
	want := []string{
		"p-1 amd64:spot-amd64 merge", "p-3.13-slim amd64:spot-amd64 merge",
		"a amd64:spot-amd64<p-3.13-slim merge", "p-3.13 amd64:spot-amd64<p-1 merge",
	}
	if d := cmp.Diff(want, shape(p)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	targets := map[string]string{}
	for _, i := range p.Images {
		targets[i.ID] = i.Target
	}
	if d := cmp.Diff(map[string]string{"a": "", "p-1": "p:1", "p-3.13": "p:3.13:", "p-3.13-slim": "p:3.13:slim"}, targets); d != "" {
		t.Errorf("targets: -want +got:\n%s", d)
	}
}

func TestLayoutRefusesCycles(t *testing.T) {
	t.Parallel()
	f := fleet(image("a", model.LinuxAMD64), image("b", model.LinuxAMD64))
	_, _, err := pipeline.Layout(f, pipeline.Edges{
		target("a", model.LinuxAMD64): {target("b", model.LinuxAMD64)}, target("b", model.LinuxAMD64): {target("a", model.LinuxAMD64)},
	}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), "a -> b -> a") {
		t.Errorf("got %v", err)
	}
	_, _, err = pipeline.Layout(f, pipeline.Edges{target("a", model.LinuxAMD64): {target("x", model.LinuxAMD64)}}, pipeline.Options{})
	if err == nil || !strings.Contains(err.Error(), "not in the fleet") {
		t.Errorf("got %v", err)
	}
}

func TestLayoutTellsMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*model.Fleet)
		want   string
	}{
		"class":     {func(f *model.Fleet) { f.Images[0].Runner = "huge" }, `image a wants a machine of class "huge", which is not set up`},
		"no labels": {func(f *model.Fleet) { f.Images[0].Runner = "large" }, `class "large", which has no labels for gitlab`},
		"folder":    {func(f *model.Fleet) { f.Settings.Dir = "a b/$(id)" }, `the fleet's folder "a b/$(id)" cannot be written`},
		"label": {func(f *model.Fleet) {
			f.Settings.Runners["small"] = model.Runner{GitHub: []string{"${{x}}"}, GitLab: []string{"c"}}
		}, `has the label "${{x}}"`},
		"variable": {func(f *model.Fleet) {
			f.Settings.Runners["small"] = model.Runner{GitHub: []string{"c"}, GitLab: []string{"$TAG"}}
		}, `has the label "$TAG"`},
		"branch":     {func(f *model.Fleet) { f.Settings.DefaultBranch = "a*" }, `default_branch "a*"`},
		"tags":       {func(f *model.Fleet) { f.Settings.ReleaseTags = "v?" }, `release.tags "v?"`},
		"tags again": {func(f *model.Fleet) { f.Settings.ReleaseTags = "**" }, `release.tags "**"`},
		"runtime":    {func(f *model.Fleet) { f.Settings.Runtime = "x" }, `unknown runtime "x"`},
		"forge":      {func(f *model.Fleet) { f.Settings.Forges = []string{"sourcehut"} }, `unknown forge "sourcehut"`},
	} {
		f := fleet(image("a", model.LinuxAMD64))
		c.change(f)
		_, list, err := pipeline.Layout(f, nil, pipeline.Options{})
		if err != nil || !list.HasErrors() || !strings.Contains(list.Error(), c.want) || list[0].Hint == "" || list[0].Pos.File != "rootfsgen.yaml" {
			t.Errorf("%s: %v %+v", name, err, list)
		}
	}
}
