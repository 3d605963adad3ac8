package simulate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/simulate"
)

const class = "c"

// fleet draws a pipeline of images on two platforms, each built from some of
// those before it.
func fleet(t *rapid.T) *pipeline.Pipeline {
	p := &pipeline.Pipeline{}
	level := map[string]int{}
	for n := range rapid.IntRange(1, 12).Draw(t, "images") {
		i := pipeline.Image{ID: fmt.Sprintf("i%02d", n), Merge: true, Minutes: 120}
		for _, on := range []model.Platform{model.LinuxAMD64, model.LinuxARM64}[:rapid.IntRange(1, 2).Draw(t, "platforms")] {
			l := pipeline.Leg{Platform: on, Runner: class}
			for before := range n {
				if rapid.IntRange(0, 3).Draw(t, "parent") == 0 {
					parent := fmt.Sprintf("i%02d", before)
					l.Parents = append(l.Parents, parent)
					i.Level = max(i.Level, level[parent]+1)
				}
			}
			i.Legs = append(i.Legs, l)
		}
		level[i.ID] = i.Level
		p.Images = append(p.Images, i)
	}
	slices.SortStableFunc(p.Images, func(a, b pipeline.Image) int { return a.Level - b.Level })
	return p
}

// graph draws one of the graphs that a pipeline is emitted as.
func graph(t *rapid.T) *simulate.Graph {
	e := emitted(t)
	return e.Graph()
}

// emitted draws a pipeline, its times, and a forge and layout for it.
func emitted(t *rapid.T) simulate.Emitted {
	p := fleet(t)
	times := &simulate.Times{Targets: map[string]float64{}}
	target := func(image string, on model.Platform) model.TargetID {
		return model.TargetID{Image: image, Tag: "1", Platform: on}
	}
	for _, i := range p.Images {
		for _, l := range i.Legs {
			times.Targets[target(i.ID, l.Platform).String()] = float64(rapid.IntRange(1, 600).Draw(t, "seconds"))
		}
	}
	return simulate.Emitted{
		All: p, Some: p, Times: times, Target: target, Room: pipeline.Room{Legs: rapid.IntRange(1, 20).Draw(t, "legs")},
		Forge:  rapid.SampledFrom([]string{pipeline.GitHub, pipeline.GitLab}).Draw(t, "forge"),
		Layout: rapid.SampledFrom([]string{model.LayoutGraph, model.LayoutWaves}).Draw(t, "layout"),
	}
}

func classes(boot int, spot bool) map[string]model.Runner {
	return map[string]model.Runner{
		class: {BootSeconds: boot, Price: 1, Spot: spot, OnDemand: "d"}, "d": {BootSeconds: boot, Price: 3}, model.RunnerSmall: {BootSeconds: boot, Price: 1},
	}
}

// TestEnoughMachinesTakeTheCriticalPath: nothing waits for a machine, so only
// jobs wait for one another. The target is 1.05 times; it is 1.
func TestEnoughMachinesTakeTheCriticalPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := simulate.World{Classes: classes(rapid.IntRange(0, 90).Draw(t, "boot"), true), Attempts: 3}
		r := w.Run(graph(t))
		if !near(r.Makespan, r.CriticalPath) || r.Repeated != 0 || r.Lost != 0 || r.Unfinished != 0 || r.Starts != r.Jobs {
			t.Fatalf("%+v", r)
		}
		if len(r.Unpriced) > 0 || !near(r.Cost, r.Machines/3600) {
			t.Fatalf("cost %g for %g seconds, %v", r.Cost, r.Machines, r.Unpriced)
		}
	})
}

// TestWavesBesideTheGraph: with enough machines the graph takes at most 1.05
// times its critical path, and waves of the same fleet, which wait for more and
// never for less, are told as a multiple of that path.
func TestWavesBesideTheGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := emitted(t)
		w := simulate.World{Classes: classes(rapid.IntRange(0, 90).Draw(t, "boot"), true), Attempts: 3}
		var results []*simulate.Result
		for _, layout := range []string{model.LayoutWaves, model.LayoutGraph} {
			e.Layout = layout
			results = append(results, w.Run(e.Graph()))
		}
		other := *results[1]
		other.Forge = "another"
		simulate.Beside(append(results, &other))
		waves, graph := results[0], results[1]
		if graph.Ratio() > 1.05 || !near(graph.BesideGraph, graph.Ratio()) {
			t.Fatalf("the graph: %+v", graph)
		}
		if !near(waves.BesideGraph*graph.CriticalPath, waves.Makespan) || waves.BesideGraph < graph.BesideGraph-1e-9 {
			t.Fatalf("waves: %+v, graph: %+v", waves, graph)
		}
		simulate.Beside(results[:1])
		if waves.BesideGraph != 0 {
			t.Fatalf("beside no graph: %g", waves.BesideGraph)
		}
	})
}

// TestBoundsOfFewMachines: on m machines of one kind, work that never waits
// for nothing takes at least the path and the work by m, and at most both
// together (Graham); and more machines take at most 1 + (m-1)/n times as long,
// as anomalies of such schedules go.
func TestBoundsOfFewMachines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := graph(t)
		for i := range g.Jobs {
			if g.Jobs[i].Class != "" {
				g.Jobs[i].Class = class
			}
		}
		m := rapid.IntRange(1, 6).Draw(t, "machines")
		n := m + rapid.IntRange(0, 6).Draw(t, "more")
		few, more := (&simulate.World{Classes: classes(20, false), Runners: map[string]int{class: m}}).Run(g), (&simulate.World{Classes: classes(20, false), Runners: map[string]int{class: n}}).Run(g)
		least := max(few.CriticalPath, few.Machines/float64(m))
		most := few.CriticalPath + few.Machines/float64(m)
		if few.Makespan < least-1e-6 || few.Makespan > most+1e-6 {
			t.Fatalf("%g is not between %g and %g", few.Makespan, least, most)
		}
		if m == 1 && !near(few.Makespan, few.Machines) {
			t.Fatalf("one machine is idle: %g of %g", few.Machines, few.Makespan)
		}
		if more.Makespan > few.Makespan*(1+float64(m-1)/float64(n))+1e-6 {
			t.Fatalf("%d machines: %g, %d: %g", m, few.Makespan, n, more.Makespan)
		}
	})
}

// TestLostMachines: the last attempt stays, so everything ends; what is lost
// is counted; the same seed loses the same.
func TestLostMachines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := graph(t)
		w := simulate.World{Classes: classes(20, true), Preemption: 20, Attempts: 3, Seed: rapid.Uint64().Draw(t, "seed")}
		r := w.Run(g)
		if r.Unfinished != 0 || r.Makespan < r.CriticalPath-1e-6 || (r.Lost > 0) != (r.Repeated > 0) || r.Starts < r.Jobs+r.Lost {
			t.Fatalf("%+v", r)
		}
		if g.Layout == model.LayoutGraph && g.Forge == pipeline.GitLab && r.Starts != r.Jobs+r.Lost {
			t.Fatalf("something ran twice without being lost: %+v", r)
		}
		if d := cmp.Diff(r, w.Run(g)); d != "" {
			t.Fatalf("another run of the same seed:\n%s", d)
		}
		w.Classes[class] = model.Runner{Spot: true, Price: 1}
		w.Attempts = 1
		if hopeless := w.Run(g); hopeless.Lost > 0 && hopeless.Unfinished == 0 {
			t.Fatalf("one attempt, lost, and all is done: %+v", hopeless)
		}
	})
}

// TestWaits tells the layouts and forges apart: c is built from a on one
// platform only.
func TestWaits(t *testing.T) {
	t.Parallel()
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	image := func(id string, level int, parents ...string) pipeline.Image {
		i := pipeline.Image{ID: id, Merge: true, Level: level}
		for _, on := range both {
			i.Legs = append(i.Legs, pipeline.Leg{Platform: on, Runner: class, Parents: parents})
		}
		return i
	}
	p := &pipeline.Pipeline{Images: []pipeline.Image{image("a", 0), image("slow", 0), image("c", 1, "a")}}
	times := &simulate.Times{Targets: map[string]float64{"a:1 linux/amd64": 10, "a:1 linux/arm64": 60, "slow:1 linux/amd64": 500, "slow:1 linux/arm64": 500, "c:1 linux/amd64": 700, "c:1 linux/arm64": 10}, Plan: 1, Merge: 1, Manifest: 1, Again: 1}
	for name, want := range map[string]float64{
		"github graph": 1 + 60 + 700 + 1 + 1, // c waits for both platforms of a
		"gitlab graph": 2 + 10 + 700 + 1 + 1, // and here for its own; the child pipeline has a job that hands the plan on
		"github waves": 1 + 500 + 700 + 1 + 1,
		"gitlab waves": 2 + 500 + 700 + 1 + 1,
	} {
		forge, layout, _ := strings.Cut(name, " ")
		e := simulate.Emitted{All: p, Some: p, Forge: forge, Layout: layout, Room: pipeline.Room{Legs: 10}, Times: times, Target: func(image string, on model.Platform) model.TargetID {
			return model.TargetID{Image: image, Tag: "1", Platform: on}
		}}
		if r := (&simulate.World{}).Run(e.Graph()); r.Makespan != want || r.Jobs != 11 && r.Jobs != 12 {
			t.Errorf("%s: %g, want %g (%+v)", name, r.Makespan, want, r)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	id := model.TargetID{Image: "a", Tag: "1", Platform: model.LinuxAMD64}
	text, err := simulate.TimesOf(map[model.TargetID]float64{id: 12.5}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	times, err := simulate.DecodeTimes(text)
	if err != nil {
		t.Fatal(err)
	}
	if seconds, named := times.Of(id); seconds != 12.5 || !named {
		t.Errorf("%g, %v", seconds, named)
	}
	for _, bad := range []string{
		``, `{}`, `{"version":2}`, `{"version":1,"target":{}}`, `{"version":1,"targets":{"a":-1}}`, `{"version":1,"default":-1}`, `{"version":1,"plan":1e99}`,
	} {
		if _, err := simulate.DecodeTimes([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*max(1, math.Abs(a)) }
