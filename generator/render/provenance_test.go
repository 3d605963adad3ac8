package render_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

var spotClass = model.Runner{GitHub: []string{"spot"}, GitLab: []string{"spot"}, Spot: true, OnDemand: "small"}

// TestInputsAreNamed changes what people say, one thing at a time. A file
// whose text changes says that it is made from something else; else it would
// be taken for the work of another version of the program.
func TestInputsAreNamed(t *testing.T) {
	t.Parallel()
	before := fixtures()["small"].files(t)
	for name, change := range map[string]func(f *model.Fleet){
		"an image":      func(f *model.Fleet) { f.Images = append(slices.Clone(f.Images), image("zlib", both...)) },
		"a platform":    func(f *model.Fleet) { f.Images[2].Platforms = []model.Platform{model.LinuxARM64} },
		"a time limit":  func(f *model.Fleet) { f.Images[2].TimeoutSeconds = 60 },
		"a class":       func(f *model.Fleet) { f.Images[2].Runner = "big" },
		"labels":        func(f *model.Fleet) { f.Settings.Runners["small"] = f.Settings.Runners["big"] },
		"the branch":    func(f *model.Fleet) { f.Settings.DefaultBranch = "trunk" },
		"release tags":  func(f *model.Fleet) { f.Settings.ReleaseTags = "r*" },
		"a folder":      func(f *model.Fleet) { f.Settings.Dir = "infra" },
		"the runtime":   func(f *model.Fleet) { f.Settings.Runtime = model.RuntimeSource },
		"a trigger":     func(f *model.Fleet) { f.Settings.Triggers.Queue = model.TriggerPlan },
		"a schedule":    func(f *model.Fleet) { f.Settings.Triggers.Schedule.Bases = "1 2 3 4 5" },
		"the layout":    func(f *model.Fleet) { f.Settings.Layout = model.LayoutWaves },
		"spot machines": func(f *model.Fleet) { f.Settings.Spot.Attempts = 5; f.Settings.Runners["spot-amd64"] = spotClass },
		"forks":         func(f *model.Fleet) { f.Settings.Fork.MaxTargets = 3 },
		"a proxy":       func(f *model.Fleet) { f.Settings.Network.Proxy.HTTP = "http://proxy.example.com" },
		"a login": func(f *model.Fleet) {
			f.Settings.Network.Logins = []model.Login{{Registry: "r.example.com", Secret: "LOGIN"}}
		},
		"a job": func(f *model.Fleet) { f.Settings.Jobs = ownJobs },
	} {
		f := fixtures()["small"]
		f.fleet.Images = slices.Clone(f.fleet.Images)
		f.fleet.Settings.Runners = maps.Clone(f.fleet.Settings.Runners)
		f.fleet.Settings.Runners["big"] = model.Runner{GitHub: []string{"self-hosted", "big"}, GitLab: []string{"big"}}
		if name == "a platform" || name == "an image" {
			f.edges = nil
		}
		change(&f.fleet)
		changed := 0
		for file, text := range f.files(t) {
			was, is := render.ProvenanceOf(before[file]), render.ProvenanceOf(text)
			if before[file] == nil || file == render.PinsFile || bytes.Equal(was.Body, is.Body) {
				continue
			}
			changed++
			if was.Input == is.Input {
				t.Errorf("%s: %s changes, and says that it is made from the same", name, file)
			}
		}
		if changed == 0 && name != "forks" {
			t.Errorf("%s: nothing changes", name)
		}
	}
}

// TestImagesChangeTheirFilesAlone adds an image: only the files that name
// images say so.
func TestImagesChangeTheirFilesAlone(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	before := f.files(t)
	f.fleet.Images = append(slices.Clone(f.fleet.Images), image("zlib", both...))
	for file, text := range f.files(t) {
		if changed := !bytes.Equal(before[file], text); changed != strings.Contains(file, "fleet.yml") {
			t.Errorf("%s: changed %v", file, changed)
		}
	}
}

// TestDefaultsSayNothing lays out settings with and without their defaults.
func TestDefaultsSayNothing(t *testing.T) {
	t.Parallel()
	digest := func(change func(*model.Settings)) model.Digest {
		f := fixtures()["one"]
		change(&f.fleet.Settings)
		p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return p.Said.Settings
	}
	defaults := func(s *model.Settings) { *s = source.Defaults() }
	if digest(defaults) != digest(func(s *model.Settings) { defaults(s); s.Args = map[string]string{"A": "b"} }) {
		t.Error("what reaches no pipeline counts")
	}
	if digest(defaults) == digest(func(s *model.Settings) { defaults(s); s.Triggers.Manual = false }) {
		t.Error("false instead of true does not count")
	}
	if digest(defaults) != digest(func(s *model.Settings) { defaults(s); s.Runners["other"] = model.Runner{} }) {
		t.Error("a class that says nothing counts")
	}
}

func TestProvenance(t *testing.T) {
	t.Parallel()
	text := render.Generated("sha256:0123456789abcdef0123456789abcdef", []byte("# What it is.\na: b\n"))
	p := render.ProvenanceOf(text)
	if !p.Ours || p.Edited || p.Kept || p.Line != 1 || p.LineInFile(2) != 5 || string(p.Body) != "# What it is.\na: b\n" {
		t.Errorf("got %+v", p)
	}
	edited := render.Edited(text, []byte("a: c\n"))
	if p := render.ProvenanceOf(edited); !p.Edited || !p.Kept || p.Output != render.ProvenanceOf(text).Output {
		t.Errorf("an edit: %+v", p)
	}
	if p := render.ProvenanceOf(append(edited, '#')); !p.Edited || p.Kept {
		t.Errorf("a later edit: %+v", p)
	}
	if p := render.ProvenanceOf(append([]byte("# Licence\n\n---\n"), text...)); !p.Ours || !p.Edited || p.Line != 4 || p.LineInFile(1) != 1 || p.LineInFile(4) != 7 {
		t.Errorf("below a licence: %+v", p)
	}
	if p := render.ProvenanceOf(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))); p.Edited {
		t.Errorf("other line ends: %+v", p)
	}
	for _, other := range []string{"", "a: b\n", "a: b\n" + string(text), " " + string(text), "# Code generated by other; DO NOT EDIT.\n"} {
		if render.ProvenanceOf([]byte(other)).Ours {
			t.Errorf("ours: %q", other)
		}
	}
	for _, broken := range []string{"", "# input x, output y\n#\n", "# input sha256:0123456789abcdef0123456789abcdef\n"} {
		if p := render.ProvenanceOf([]byte("# Code generated by rootfsgen; DO NOT EDIT.\n" + broken)); !p.Ours || !p.Edited || p.Output != "" {
			t.Errorf("%q: %+v", broken, p)
		}
	}
}
