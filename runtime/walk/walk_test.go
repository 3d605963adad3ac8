package walk_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/build"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// world is where fake steps happen.
type world struct {
	mu      sync.Mutex
	fail    map[string]error // by "build python linux/amd64" or "merge python"
	ended   map[string]bool
	begun   map[string]int
	running int
	most    int
	broken  []string // laws that a step saw broken
	judging bool     // there are steps between the tests and the merge
	onBegin func(what string)
}

func newWorld() *world {
	return &world{fail: map[string]error{}, ended: map[string]bool{}, begun: map[string]int{}}
}

func (w *world) begin(what string, needs []string, heavy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun[what]++
	for _, n := range needs {
		if !w.ended[n] {
			w.broken = append(w.broken, what+" began before the end of "+n)
		}
	}
	if heavy {
		w.running++
		w.most = max(w.most, w.running)
	}
	if w.onBegin != nil {
		w.onBegin(what)
	}
}

func (w *world) end(ctx context.Context, what string, heavy bool) error {
	runtime.Gosched()
	w.mu.Lock()
	defer w.mu.Unlock()
	if heavy {
		w.running--
	}
	if err := w.fail[what]; err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.ended[what] = true
	return nil
}

func (w *world) steps() walk.Steps {
	target := func(name string) step.Target {
		return func(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
			what := name + " " + e.Image + " " + e.Platform.String()
			var needs []string
			if before := map[string]string{"test": "build", "sbom": "test", "scan": "sbom", "gate": "scan"}[name]; before != "" {
				needs = append(needs, before+" "+e.Image+" "+e.Platform.String())
			} else {
				for _, parent := range e.Parents {
					needs = append(needs, "build "+parent.Image+" "+e.Platform.String())
				}
			}
			heavy := name == model.StepBuild || name == model.StepTest
			w.begin(what, needs, heavy)
			return model.Receipt{Digest: model.DigestOf([]byte(what))}, w.end(ctx, what, heavy)
		}
	}
	merge := func(ctx context.Context, p *model.Plan, i *model.Index) (model.Receipt, error) {
		var needs []string
		for _, platform := range i.Platforms {
			needs = append(needs, w.last()+" "+i.Image+" "+platform.String())
		}
		w.begin("merge "+i.Image, needs, false)
		return model.Receipt{Digest: model.DigestOf([]byte(i.Image)), VersionTag: i.Version}, w.end(ctx, "merge "+i.Image, false)
	}
	s := walk.Steps{Build: target(model.StepBuild), Test: target(model.StepTest), Merge: merge}
	if w.judging {
		s.SBOM, s.Scan, s.Gate = target(model.StepSBOM), target(model.StepScan), target(model.StepGate)
	}
	return s
}

// last is the last step of a target.
func (w *world) last() string {
	if w.judging {
		return model.StepGate
	}
	return model.StepTest
}

// refusal is what a gate says that something does not pass.
type refusal struct{}

func (refusal) Error() string { return "CVE-2026-1 in openssl" }
func (refusal) ExitCode() int { return 5 }

// fleet is a random fleet: each image may be built from earlier ones.
func fleet(t *rapid.T) *model.Plan {
	n := rapid.IntRange(1, 8).Draw(t, "images")
	var images []plantest.Image
	for i := range n {
		image := plantest.Image{ID: fmt.Sprintf("i%d", i)}
		for p := range i {
			if rapid.IntRange(0, 3).Draw(t, "parent") == 0 {
				image.Parents = append(image.Parents, fmt.Sprintf("i%d", p))
			}
		}
		images = append(images, image)
	}
	p := plantest.Plan("registry.example/testing", '1', images...)
	for n := range p.Entries {
		if rapid.IntRange(0, 3).Draw(t, "done") == 0 {
			p.Entries[n].Steps[model.StepBuild] = model.StepDone
		}
	}
	return p
}

func everything(p *model.Plan) []string {
	var out []string
	for _, e := range p.Entries {
		out = append(out, "build "+e.Image+" "+e.Platform.String(), "test "+e.Image+" "+e.Platform.String())
	}
	for _, i := range p.Indexes {
		out = append(out, "merge "+i.Image)
	}
	return out
}

// above is an image and all that it is built from.
func above(p *model.Plan, image string) []string {
	out := []string{image}
	for _, e := range p.Entries {
		if e.Image == image && e.Platform == model.LinuxAMD64 {
			for _, parent := range e.Parents {
				out = append(out, above(p, parent.Image)...)
			}
		}
	}
	return out
}

func TestParentsComeFirstAndFailuresStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := fleet(t)
		w := newWorld()
		w.judging = rapid.Bool().Draw(t, "judging")
		all := everything(p)
		if w.judging {
			for _, e := range p.Entries {
				all = append(all, rapid.SampledFrom([]string{"sbom ", "scan ", "gate "}).Draw(t, "step")+e.Image+" "+e.Platform.String())
			}
		}
		for _, e := range p.Entries { // what is done needs no run
			if what := "build " + e.Image + " " + e.Platform.String(); e.Steps[model.StepBuild] == model.StepDone {
				w.ended[what] = true
				all = slices.DeleteFunc(all, func(s string) bool { return s == what })
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "failures") {
			w.fail[rapid.SampledFrom(all).Draw(t, "failure")] = errors.New("broken")
		}
		parallel := rapid.IntRange(1, 5).Draw(t, "parallel")
		r, err := walk.Walk(context.Background(), p, w.steps(), walk.Options{Parallel: parallel})
		if err != nil {
			t.Fatal(err)
		}
		if len(w.broken) > 0 || w.most > parallel || w.running != 0 {
			t.Fatalf("%v; %d at once of %d, %d left", w.broken, w.most, parallel, w.running)
		}
		for what, n := range w.begun {
			if n != 1 {
				t.Fatalf("%s ran %d times", what, n)
			}
		}
		checkIsolation(t, p, w, r)
	})
}

// checkIsolation demands that exactly what stands on a failure is missing.
func checkIsolation(t *rapid.T, p *model.Plan, w *world, r walk.Result) {
	t.Helper()
	for n, i := range p.Indexes {
		want := w.fail["merge "+i.Image] == nil
		for _, image := range above(p, i.Image) {
			for _, platform := range i.Platforms {
				where := image + " " + platform.String()
				for _, step := range []string{"build ", "test ", "sbom ", "scan ", "gate "} {
					want = want && w.fail[step+where] == nil
				}
			}
		}
		if got := r.Indexes[n].Action == walk.Merged; got != want {
			t.Fatalf("%s: merged %v, want %v: %+v", i.Image, got, want, r.Indexes[n])
		}
	}
	for n, e := range p.Entries {
		reachable := true
		for _, image := range above(p, e.Image)[1:] {
			reachable = reachable && w.fail["build "+image+" "+e.Platform.String()] == nil
		}
		if got := w.begun["build "+e.Image+" "+e.Platform.String()] == 1; got != (reachable && e.Steps[model.StepBuild] == model.StepRun) {
			t.Fatalf("%s: begun %v, reachable %v", e.ID(), got, reachable)
		}
		if o := r.Targets[n]; reachable == (o.Action == walk.Skipped) || o.Action == walk.Skipped && o.Why == "" {
			t.Fatalf("%+v although reachable is %v", o, reachable)
		}
	}
	if (r.Err() == nil) != (len(failures(w)) == 0) {
		t.Fatalf("the result's error is %v", r.Err())
	}
}

// failures are those that were reached.
func failures(w *world) []string {
	var out []string
	for what := range w.fail {
		if w.begun[what] > 0 {
			out = append(out, what)
		}
	}
	return out
}

func TestCancellingLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := fleet(t)
		w := newWorld()
		for _, e := range p.Entries {
			if what := "build " + e.Image + " " + e.Platform.String(); e.Steps[model.StepBuild] == model.StepDone {
				w.ended[what] = true
			}
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		why := errors.New("the user is gone")
		at := "test " + p.Entries[rapid.IntRange(0, len(p.Entries)-1).Draw(t, "at")].Image + " linux/amd64"
		var after []string
		stopped := false
		w.onBegin = func(what string) {
			if stopped {
				after = append(after, what)
			}
			if what == at {
				cancel(why)
				stopped = true
			}
		}
		// What begins together with the step that cancels may still begin.
		r, err := walk.Walk(ctx, p, w.steps(), walk.Options{Parallel: 1})
		if !errors.Is(err, why) || w.running != 0 || len(after) > 4 {
			t.Fatalf("%v, %d left, %v began afterwards", err, w.running, after)
		}
		for _, o := range append(r.Targets, r.Indexes...) {
			if o.Action == walk.None || o.Action == walk.Failed {
				t.Fatalf("%+v, cancelled at %s", o, at)
			}
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	p := plantest.Plan("registry.example/testing", '1',
		plantest.Image{ID: "base"}, plantest.Image{ID: "done"}, plantest.Image{ID: "child", Parents: []string{"base"}}, plantest.Image{ID: "tests"})
	for n := range p.Entries {
		switch e := &p.Entries[n]; e.Image {
		case "done":
			e.Steps[model.StepBuild], e.Steps[model.StepTest], e.Digest = model.StepDone, model.StepDone, model.DigestOf(nil)
		case "tests":
			e.Steps[model.StepBuild] = model.StepDone
		}
	}
	for n := range p.Indexes {
		if p.Indexes[n].Image == "done" {
			p.Indexes[n].Action = model.StepDone
		}
	}
	w := newWorld()
	w.fail["build base linux/amd64"] = step.Skip("the registry has it")
	w.fail["test base linux/arm64"] = errors.New("python is missing")
	w.ended["build base linux/amd64"] = true
	w.ended["build tests linux/amd64"], w.ended["build tests linux/arm64"] = true, true
	var events []string
	r, err := walk.Walk(t.Context(), p, w.steps(), walk.Options{Parallel: 2, Progress: func(e walk.Event) { events = append(events, e.Name) }})
	if err != nil || len(w.broken) > 0 {
		t.Fatal(err, w.broken)
	}
	got := map[string]string{}
	for _, o := range r.Targets {
		got[o.Target.Image+" "+o.Target.Platform.String()] = strings.TrimSpace(o.Action + " " + o.Why)
	}
	for _, o := range r.Indexes {
		got[o.Target.Image] = strings.TrimSpace(o.Action + " " + o.Version + o.Why)
	}
	if diff := cmp.Diff(map[string]string{
		"base linux/amd64": "reused", "base linux/arm64": "failed python is missing", "base": "skipped base linux/arm64 failed",
		"done linux/amd64": "none", "done linux/arm64": "none", "done": "none",
		"child linux/amd64": "built", "child linux/arm64": "built", "child": "skipped base linux/arm64 failed",
		"tests linux/amd64": "tested", "tests linux/arm64": "tested", "tests": "merged 1-2026.11.21",
	}, got); diff != "" {
		t.Error(diff)
	}
	if slices.Contains(events, "done linux/amd64") {
		t.Error("what is done was begun")
	}
	if err := r.Err(); err == nil || err.Error() != "python is missing" {
		t.Errorf("the error is %v", err)
	}
}

// TestARefusedImageStopsOnlyMerges builds what stands on an image that the
// policy refuses, and publishes neither.
func TestARefusedImageStopsOnlyMerges(t *testing.T) {
	t.Parallel()
	p := plantest.Plan("registry.example/testing", '1',
		plantest.Image{ID: "base", Platforms: []model.Platform{model.LinuxAMD64}}, plantest.Image{ID: "child", Parents: []string{"base"}, Platforms: []model.Platform{model.LinuxAMD64}},
		plantest.Image{ID: "again", Platforms: []model.Platform{model.LinuxAMD64}}, plantest.Image{ID: "done", Platforms: []model.Platform{model.LinuxAMD64}})
	for n := range p.Entries {
		if e := &p.Entries[n]; e.Image == "again" || e.Image == "done" {
			e.Steps[model.StepBuild], e.Steps[model.StepTest] = model.StepDone, model.StepDone
		}
	}
	p.Indexes[3].Action = model.StepDone
	w := newWorld()
	w.judging = true
	w.ended["test again linux/amd64"] = true
	w.fail["gate base linux/amd64"] = refusal{}
	r, err := walk.Walk(t.Context(), p, w.steps(), walk.Options{Parallel: 1})
	if err != nil || len(w.broken) > 0 {
		t.Fatal(err, w.broken)
	}
	got := map[string]string{}
	for _, o := range append(r.Targets, r.Indexes...) {
		got[strings.TrimSpace(o.Target.Image+" "+o.Target.Platform.String())] = strings.TrimSpace(o.Action + " " + o.Why)
	}
	if diff := cmp.Diff(map[string]string{
		"base linux/amd64": "refused CVE-2026-1 in openssl", "base": "skipped base linux/amd64 was refused",
		"child linux/amd64": "built", "child": "skipped base linux/amd64 was refused",
		"again linux/amd64": "judged", "again": "merged", "done linux/amd64": "none", "done": "none",
	}, got); diff != "" {
		t.Error(diff)
	}
	if f, is := errors.AsType[*walk.Failure](r.Err()); !is || f.ExitCode() != 5 {
		t.Errorf("the error is %v", r.Err())
	}
	if w.begun["gate child linux/amd64"] != 1 || w.begun["scan done linux/amd64"] != 0 {
		t.Errorf("begun: %v", w.begun)
	}
}

func TestTroubleIsToldFromFailure(t *testing.T) {
	t.Parallel()
	trouble := &registry.Unavailable{Doing: "reading", Err: errors.New("500")}
	unset := &build.MissingSecrets{Variables: []string{"A"}}
	for want, errs := range map[int][]error{75: {trouble, fmt.Errorf("again: %w", trouble)}, 1: {trouble, errors.New("broken")}, 2: {unset}} {
		if got := (&walk.Failure{Errs: errs}).ExitCode(); got != want {
			t.Errorf("%v: exit code %d, want %d", errs, got, want)
		}
	}
}

func TestNarrow(t *testing.T) {
	t.Parallel()
	p := plantest.Plan("registry.example/testing", '1',
		plantest.Image{ID: "base"}, plantest.Image{ID: "python", Parents: []string{"base"}},
		plantest.Image{ID: "hello"}, plantest.Image{ID: "app", Parents: []string{"python"}})
	named := func(names ...string) func(model.TargetID) bool {
		return func(id model.TargetID) bool { return slices.Contains(names, id.Image) }
	}
	for name, c := range map[string]struct {
		keep, drop func(model.TargetID) bool
		want, left []string
	}{
		"all":           {want: []string{"base", "python", "hello", "app"}},
		"with parents":  {keep: named("python"), want: []string{"base", "python"}, left: []string{"app:1", "hello:1"}},
		"with children": {drop: named("python"), want: []string{"base", "hello"}, left: []string{"app:1", "python:1"}},
		"both":          {keep: named("app"), drop: named("base"), left: []string{"app:1", "base:1", "hello:1", "python:1"}},
	} {
		got := walk.Narrow(p, c.keep, c.drop)
		var images []string
		for _, i := range got.Indexes {
			images = append(images, i.Image)
		}
		if diff := cmp.Diff(c.want, images); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(c.left, got.LeftOut); diff != "" || len(got.Entries) != 2*len(c.want) {
			t.Errorf("%s: %s, %d entries", name, diff, len(got.Entries))
		}
	}
	if len(p.Entries) != 8 || p.LeftOut != nil {
		t.Error("the plan itself was changed")
	}
}
