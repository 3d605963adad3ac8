package render_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// hostile are values that mean something to YAML, to a shell or to a forge.
var hostile = []string{
	"${{ secrets.X }}", "$(id)", "`id`", "$CI_JOB_TOKEN", "a: b", "a #b", "- a", "'", `"`, "\n", "a\nrun: id", "on", "true", "~", "null", "1.5", "0x1", "!x", "&x", "*x",
	"%x", "@x", "|", ">", "[a]", "{a}", "a,b", "é", "\x00", "\u2028", "a b", "--x", ".github", "..", "a/../b", "<% . %>", "{{ . }}",
}

// TestValuesNeverBecomeSyntax puts anything into every value that a user
// writes and that reaches a pipeline. It is refused, or it is read back as
// itself (Render compares), and nothing evaluates it.
func TestValuesNeverBecomeSyntax(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringMatching(`[a-zA-Z0-9._:/+*${} -]{1,12}`))
		fleet, edges := drawFleet(t)
		s := &fleet.Settings
		s.Layout = rapid.SampledFrom(model.Layouts()).Draw(t, "layout")
		for range rapid.IntRange(1, 3).Draw(t, "values") {
			v := value.Draw(t, "value")
			switch rapid.IntRange(0, 4).Draw(t, "place") {
			case 0:
				s.DefaultBranch = v
			case 1:
				s.ReleaseTags = v
			case 2:
				s.Runners[model.RunnerSpotAMD64] = model.Runner{GitHub: []string{"self-hosted", v}, GitLab: []string{v}}
			case 3:
				s.Runners[model.RunnerSmall] = model.Runner{GitHub: []string{v}, GitLab: []string{"x", v}}
			case 4:
				i := rapid.IntRange(0, len(fleet.Images)-1).Draw(t, "image")
				fleet.Images[i].Runner = v
			}
		}
		p, list, err := pipeline.Layout(fleet, edges, pipeline.Options{})
		if err != nil || list.HasErrors() {
			return
		}
		for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
			files, err := render.Render(p, forge, render.DefaultPins())
			if err != nil {
				t.Fatalf("passed the layout and not the renderer: %v", err)
			}
			for name, text := range files {
				checkInert(t, name, text, fleet)
			}
		}
	})
}

// checkInert fails where an expression or a script holds something of the
// user's but a checked name.
func checkInert(t fataler, name string, text []byte, fleet *model.Fleet) {
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, script := range scripts(doc) {
		s := &fleet.Settings
		for _, v := range append([]string{s.DefaultBranch, s.ReleaseTags}, s.Runners[model.RunnerSmall].GitHub...) {
			if len(v) > 6 && strings.Contains(script, v) {
				t.Fatalf("%s: %q is in a script:\n%s", name, v, script)
			}
		}
		if strings.Contains(script, "${{") {
			t.Fatalf("%s: an expression is in a script:\n%s", name, script)
		}
	}
}

// TestNamesAreCheckedAgain hands the renderer what no layout lets through.
func TestNamesAreCheckedAgain(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"${{ secrets.X }}", "x' || true || '"} {
		p := layout(t, fixtures()["one"])
		p.Images[0].ID = id
		if _, err := render.Render(p, pipeline.GitHub, render.DefaultPins()); err == nil {
			t.Errorf("an image called %q was written down", id)
		}
	}
}

func layout(t testing.TB, f fixture) *pipeline.Pipeline {
	t.Helper()
	p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	return p
}

func TestTwiceIsTheSame(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		first, second := f.files(t), f.files(t)
		for file := range first {
			if !bytes.Equal(first[file], second[file]) {
				t.Errorf("%s/%s: differs from itself", name, file)
			}
		}
	}
}

// TestAnImageTouchesOnlyTheFleet keeps merges of two new images from
// colliding in files that do not depend on them.
func TestAnImageTouchesOnlyTheFleet(t *testing.T) {
	t.Parallel()
	one, small := fixtures()["one"].files(t), fixtures()["small"].files(t)
	for file := range one {
		same := bytes.Equal(one[file], small[file])
		if same == strings.HasSuffix(file, "fleet.yml") {
			t.Errorf("%s: same %v", file, same)
		}
	}
}

func TestJobIDs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 31) + "a"
	seen := map[string]string{}
	for _, name := range []string{"a.b", "a-b", "a_b", "ab", long, long + "b", "b" + long} {
		id := render.JobID(pipeline.Merge, name)
		if other, twice := seen[id]; twice || len(id) > 99 || strings.Contains(id, ".") {
			t.Errorf("%s of %s is too long, has a dot, or is that of %q", id, name, other)
		}
		seen[id] = name
	}
}

// many is a fleet of n images in chains of ten.
func many(n int) fixture {
	f := fixture{fleet: model.Fleet{Settings: settings()}, edges: pipeline.Edges{}}
	for i := range n {
		img := image(fmt.Sprintf("image-%04d", i), both...)
		if i%10 > 0 {
			for _, id := range img.Targets() {
				parent := id
				parent.Image = fmt.Sprintf("image-%04d", i-1)
				f.edges[id] = []model.TargetID{parent}
			}
		}
		f.fleet.Images = append(f.fleet.Images, img)
	}
	return f
}

func BenchmarkRender1000(b *testing.B) {
	f := many(1000)
	for b.Loop() {
		f.files(b)
	}
}
