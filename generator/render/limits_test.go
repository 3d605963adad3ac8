package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// layered is a fleet as fleets look that have grown: one image in fifty is a
// base, one in five a platform on a base, the others are built on platforms.
func layered(n int) fixture {
	f := many(n)
	f.edges = pipeline.Edges{}
	for i := range f.fleet.Images {
		parent := i / 5 * 5
		if i%5 == 0 {
			parent = i / 50 * 50
		}
		if i%50 == 0 {
			continue
		}
		f.on(i, parent)
	}
	return f
}

// on builds one image of a fixture on others.
func (f fixture) on(child int, parents ...int) {
	for _, id := range f.fleet.Images[child].Targets() {
		for _, p := range parents {
			for _, pid := range f.fleet.Images[p].Targets() {
				if pid.Platform == id.Platform {
					f.edges[id] = append(f.edges[id], pid)
				}
			}
		}
	}
}

// flat is a fleet of which no image is built on another.
func flat(n int) fixture {
	f := many(n)
	f.edges = pipeline.Edges{}
	return f
}

// crowd is a fleet whose last image is built on all others.
func crowd(parents int) fixture {
	f := flat(parents + 1)
	for i := range parents {
		f.on(parents, i)
	}
	return f
}

// TestTwoThousandImages lets the forges read fleets of two thousand images, in
// every layout, with a plan that runs everything.
func TestTwoThousandImages(t *testing.T) {
	t.Parallel()
	fleets := map[string]fixture{"chains": many(2000), "layered": layered(2000), "flat": flat(2000), "crowd": crowd(1999)}
	for name, f := range fleets {
		for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
			for _, layout := range model.Layouts() {
				t.Run(name+"/"+forge+"/"+layout, func(t *testing.T) {
					t.Parallel()
					w, err := f.written(t, forge, layout)
					fits := name == "flat" && forge == pipeline.GitLab // without a single need it is small enough
					if layout == model.LayoutGraph && !fits {
						over, is := errors.AsType[*render.LimitError](err)
						if !is || over.ExitCode() != 3 || !strings.Contains(err.Error(), "hint: set layout: auto") || !strings.Contains(err.Error(), "see https://") {
							t.Errorf("a graph of two thousand images: %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if chosen := layout == model.LayoutAuto && !fits; (w.Layout == model.LayoutGraph) != (fits && layout != model.LayoutWaves) || (w.Why() != "") != chosen {
						t.Errorf("layout %s, because %q", w.Layout, w.Why())
					}
					if layout != model.LayoutAuto {
						f.runs(t, forge, w)
						return
					}
					same, err := f.written(t, forge, w.Layout)
					if err != nil || !maps.EqualFunc(same.Files, w.Files, bytes.Equal) {
						t.Errorf("layout auto is not layout %s: %v", w.Layout, err)
					}
				})
			}
		}
	}
}

// runs lets a forge run everything.
func (f fixture) runs(t *testing.T, forge string, w *render.Written) {
	t.Helper()
	text, err := f.told(t, forge, w, everything(f), []byte(`{"version":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if forge == pipeline.GitHub {
		onGitHub(t, w.Files, text).check(t, f)
		return
	}
	onGitLab(t, text).check(t, f)
}

// TestLayoutChoice goes to the last fleet that a graph can hold and one
// further, for every limit that makes the difference.
func TestLayoutChoice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forge string
		fleet func(n int) fixture
		last  int // the largest fleet whose graph the forge takes; 0 looks for it below
		below int
		why   string
	}{
		"needs of a job":     {pipeline.GitLab, crowd, 47, 0, "needs of one job 51 of 50 (merge:image-0048)"},
		"expression":         {pipeline.GitHub, crowd, 0, 300, "characters in one expression"},
		"size of a workflow": {pipeline.GitHub, flat, 0, 700, "bytes in one workflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := c.last
			if last == 0 {
				low, high := 1, c.below
				for low+1 < high {
					n := (low + high) / 2
					if w, err := c.fleet(n).written(t, c.forge, model.LayoutAuto); err != nil {
						t.Fatal(err)
					} else if w.Layout == model.LayoutGraph {
						low = n
					} else {
						high = n
					}
				}
				last = low
			}
			for n, want := range map[int]string{last - 1: model.LayoutGraph, last: model.LayoutGraph, last + 1: model.LayoutWaves} {
				f := c.fleet(n)
				w, err := f.written(t, c.forge, model.LayoutAuto)
				if err != nil || w.Layout != want || want == model.LayoutWaves && !strings.Contains(w.Why(), c.why) {
					t.Fatalf("%d: layout %s, because %q, %v", n, w.Layout, w.Why(), err)
				}
				f.runs(t, c.forge, w)
			}
		})
	}
}

// TestFileSizes gives files of sizes around the limits.
func TestFileSizes(t *testing.T) {
	t.Parallel()
	p := layout(t, fixtures()["one"])
	for _, c := range []struct {
		forge, file string
		max         int
	}{
		{pipeline.GitHub, render.GitHubFleet, 500_000},
		{pipeline.GitLab, render.GitLabPipeline, 2_000_000},
		{pipeline.GitLab, render.GitLabFleet, 2_000_000 - 512<<10}, // the plan comes to it
	} {
		for n, want := range map[int]bool{c.max - 1: false, c.max: false, c.max + 1: true} {
			err := render.CheckLimits(render.Limits(p, c.forge, render.Files{c.file: make([]byte, n)}))
			if (err != nil) != want {
				t.Errorf("%s of %d bytes: %v", c.file, n, err)
			}
		}
	}
}

// TestPlansRoomIsNamed wants what is kept for a plan to be told apart from what
// a fleet uses, and to count when the forge would refuse it.
func TestPlansRoomIsNamed(t *testing.T) {
	t.Parallel()
	const most, kept = 2_000_000, 512 << 10
	p := layout(t, fixtures()["one"])
	file := func(fleet, other int) render.Limit {
		t.Helper()
		files := render.Files{render.GitLabFleet: make([]byte, fleet), render.GitLabPipeline: make([]byte, other)}
		for _, l := range render.Limits(p, pipeline.GitLab, files) {
			if l.What == "bytes in one file" {
				return l
			}
		}
		t.Fatal("the size of files is not counted")
		return render.Limit{}
	}
	l := file(5_000, 20_000)
	if got, want := l.String(), "gitlab: bytes in one file 5000 of 2000000, of which 524288 are kept for the plan (.gitlab/rootfsgen/fleet.yml)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if l := file(5_000, 1_000_000); l.Kept != 0 || l.Used != 1_000_000 {
		t.Errorf("the file that is nearest to the limit has no plan: %s", l)
	}
	if l := file(most-kept+1, 0); !l.Exceeded() {
		t.Errorf("a file without room for the plan: %s", l)
	}
	needs := render.Limit{Used: 4, Max: 50}
	if l.Nearer(needs) || !needs.Nearer(l) {
		t.Error("what is kept counts as if it were used")
	}
	if l := file(most-kept, 0); !l.Nearer(render.Limit{Used: 49, Max: 50}) {
		t.Errorf("a file that must not grow is nearer than anything else: %s", l)
	}
}

// TestMatricesAreSplit has waves of sizes around the limits of a matrix.
func TestMatricesAreSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		forge string
		n     int
		jobs  int
	}{
		{pipeline.GitHub, 255, 1},
		{pipeline.GitHub, 256, 1},
		{pipeline.GitHub, 257, 2},
		{pipeline.GitLab, 199, 1},
		{pipeline.GitLab, 200, 1},
		{pipeline.GitLab, 201, 2},
	} {
		f := flat(c.n)
		w, err := f.written(t, c.forge, model.LayoutWaves)
		if err != nil {
			t.Fatal(err)
		}
		f.runs(t, c.forge, w)
		file, job := render.GitHubFleet, "\n  build-1-"
		if c.forge == pipeline.GitLab {
			file, job = render.GitLabFleet, "\n\"merge:1."
		}
		if n := bytes.Count(w.Files[file], []byte(job)); n != c.jobs {
			t.Errorf("%s: %d images in %d matrices", c.forge, c.n, n)
		}
	}
}

// TestWavesThatAreNeededAreSplit has so many kinds of job in one wave that the
// next wave cannot need them all.
func TestWavesThatAreNeededAreSplit(t *testing.T) {
	t.Parallel()
	for n, waves := range map[int]int{23: 2, 24: 2, 25: 3} {
		f := crowd(n)
		f.fleet.Settings.Runtime = model.RuntimeSource // whose jobs need one more
		for i := range f.fleet.Images {
			f.fleet.Images[i].TimeoutSeconds = 60 * (i + 1)
			f.fleet.Images[i].Platforms = f.fleet.Images[i].Platforms[:1]
		}
		w, err := f.written(t, pipeline.GitLab, model.LayoutWaves)
		if err != nil {
			t.Fatal(err)
		}
		f.runs(t, pipeline.GitLab, w)
		if text := string(w.Files[render.GitLabFleet]); !strings.Contains(text, fmt.Sprintf("\n\"merge:%d.1\"", waves)) || strings.Contains(text, fmt.Sprintf("\n\"merge:%d.1\"", waves+1)) {
			t.Errorf("%d kinds of job are not in %d waves", n, waves)
		}
	}
}

// TestLongNames has tags whose names are around what GitLab takes in a matrix.
func TestLongNames(t *testing.T) {
	t.Parallel()
	for length, alone := range map[int]bool{54: false, 55: false, 56: true} { // a-TAG and a:TAG have 112, 114 and 116 characters
		f := flat(1)
		img := f.fleet.Images[0]
		img.ID, img.Tag = "a", strings.Repeat("t", length)
		other := img
		other.Tag = "1"
		f.fleet.Images = []model.Image{other, img}
		w, err := f.written(t, pipeline.GitLab, model.LayoutWaves)
		if err != nil {
			t.Fatal(err)
		}
		f.runs(t, pipeline.GitLab, w)
		if got := strings.Contains(string(w.Files[render.GitLabFleet]), "\"build:1.1:amd64:a-t"); got != alone {
			t.Errorf("a tag of %d characters: a job of its own: %v", length, got)
		}
	}
}

// TestPlansOfAnySizeAreHandedOn gives plans that a job can carry in its script,
// and larger ones.
func TestPlansOfAnySizeAreHandedOn(t *testing.T) {
	t.Parallel()
	f := fixtures()["waves"]
	w, err := f.written(t, pipeline.GitLab, model.LayoutWaves)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{})
	for size, carried := range map[int]bool{1 << 10: true, 380 << 10: true, 400 << 10: false, 30 << 20: false} {
		raw := make([]byte, size)
		_, _ = random.Read(raw) // which does not get smaller when it is packed
		child, err := f.told(t, pipeline.GitLab, w, everything(f), raw)
		if err != nil {
			t.Fatal(err)
		}
		onGitLab(t, child).check(t, f)
		if got := bytes.Contains(child, []byte("<< 'PLAN'")); got != carried {
			t.Errorf("a plan of %d bytes: carried in a script: %v", size, got)
		}
		if got := bytes.Contains(child, []byte("pipeline: $ROOTFSGEN_PARENT")); got == carried {
			t.Errorf("a plan of %d bytes: taken from the parent: %v", size, got)
		}
	}
}

// TestTooMuchToTell has so many images that GitHub takes no list of them.
func TestTooMuchToTell(t *testing.T) {
	t.Parallel()
	f := flat(9000)
	_, err := f.written(t, pipeline.GitHub, model.LayoutWaves)
	if over, is := errors.AsType[*render.LimitError](err); !is || over.ExitCode() != 3 || !strings.Contains(err.Error(), "that the planning job tells when everything runs") {
		t.Errorf("nine thousand images: %v", err)
	}
}

func TestLimitsSayHowNear(t *testing.T) {
	t.Parallel()
	f := layered(300)
	for forge, want := range map[string][]string{
		pipeline.GitHub: {"github: jobs in one matrix 216 of 256 (build-3-1)", "artifacts of one job 2 of 500", "workflows that call one another 3 of 4 on GitHub Enterprise Server"},
		pipeline.GitLab: {"gitlab: jobs in one matrix 200 of 200", "jobs when everything runs 9"},
	} {
		w, err := f.written(t, forge, model.LayoutWaves)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, l := range w.Limits {
			fmt.Fprintln(&all, l)
		}
		for _, s := range want {
			if !strings.Contains(all.String(), s) {
				t.Errorf("%s: no %q in:\n%s", forge, s, all.String())
			}
		}
	}
}

// TestLimitsOfInstallations counts by the limits of the installation that
// settings name.
func TestLimitsOfInstallations(t *testing.T) {
	t.Parallel()
	f := fixtures()["one"]
	said := func(github, gitlab string) string {
		f.fleet.Settings.GitHub.URL, f.fleet.Settings.GitLab.URL = github, gitlab
		var all strings.Builder
		for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
			w, err := f.written(t, forge, model.LayoutGraph)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range w.Limits {
				if l.On != "" {
					fmt.Fprintln(&all, l.On, l.Max)
				}
			}
		}
		return all.String()
	}
	everywhere := "github.com 50\nGitHub Enterprise Server 20\ngithub.com 10\nGitHub Enterprise Server 4\ngitlab.com, Free 500\ngitlab.com, Premium 20000\n"
	if d := cmp.Diff(everywhere, said("", "")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff("GitHub Enterprise Server 20\nGitHub Enterprise Server 4\n", said("https://github.example.com", "https://gitlab.example.com")); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestEveryLimitHasASource(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, b := range render.Bounds {
		if seen[b.ID] || b.Source == "" || b.Max <= 0 || b.What == "" || !strings.HasPrefix(b.ID, b.Forge+"-") {
			t.Errorf("%+v", b)
		}
		seen[b.ID] = true
		switch b.Does {
		case render.DoesSplit, render.DoesWaves, render.DoesRefuse, render.DoesTell, render.DoesNever, render.DoesRun:
		default:
			t.Errorf("%s does %q", b.ID, b.Does)
		}
	}
}
