package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// needing is a fleet in which the tests of base need a gpu.
func needing(ref string, runners map[string]model.Runner) *plan.Snapshot {
	s := snapshot(ref, map[string]spec{"base": {tests: "card"}, "child": {parents: []string{"base"}}, "other": {}})
	for i := range s.Fleet.Images {
		if s.Fleet.Images[i].ID == "base" {
			s.Fleet.Images[i].NeedsDevice = "gpu"
		}
	}
	s.Fleet.Settings.Runners = runners
	return s
}

func TestWhatNoMachineTestsIsUntested(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for _, known := range []bool{true, false} {
		world := w
		if !known {
			world = nil
		}
		p := makePlan(t, nil, needing("a", nil), world, plan.Request{})
		tests, merges := map[string]string{}, map[string]string{}
		for _, e := range p.Entries {
			tests[e.Image] = e.Steps[model.StepTest]
		}
		for _, x := range p.Indexes {
			merges[x.Image] = x.Action
		}
		if tests["base"] != model.StepUntested || tests["child"] != model.StepRun || tests["other"] != model.StepRun {
			t.Errorf("tests: %v", tests)
		}
		if merges["base"] != model.StepUntested || merges["child"] != model.StepUntested || merges["other"] != model.StepRun {
			t.Errorf("merges: %v", merges)
		}
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasPrefix(n, "Untested") && strings.Contains(n, "base:1") }) {
			t.Errorf("nobody says so: %q", p.Notes)
		}
	}
}

func TestTestsRunOnTheClassThatHasTheDevice(t *testing.T) {
	t.Parallel()
	gpu := model.Runner{Devices: []string{"gpu"}}
	for name, c := range map[string]struct {
		runners      map[string]model.Runner
		amd64, arm64 string
	}{
		"none":  {runners: map[string]model.Runner{"small": {}}},
		"amd64": {runners: map[string]model.Runner{"gpu-l4": gpu, "gpu-t4": gpu}, amd64: "gpu-l4"},
		"arm64": {runners: map[string]model.Runner{"gpu-arm64": gpu}, arm64: "gpu-arm64"},
		"both":  {runners: map[string]model.Runner{"gpu-arm64": gpu, "gpu-l4": gpu, "tpu": {Devices: []string{"tpu"}}}, amd64: "gpu-l4", arm64: "gpu-arm64"},
	} {
		p := makePlan(t, nil, needing("a", c.runners), newWorld(), plan.Request{})
		for _, e := range p.Entries {
			want := map[model.Platform]string{model.LinuxAMD64: c.amd64, model.LinuxARM64: c.arm64}[e.Platform]
			if e.Image != "base" {
				want = ""
			}
			step := model.StepRun
			if e.Image == "base" && want == "" {
				step = model.StepUntested
			}
			if e.TestRunner != want || e.Steps[model.StepTest] != step {
				t.Errorf("%s: %s: class %q, test %s", name, e.ID(), e.TestRunner, e.Steps[model.StepTest])
			}
		}
	}
}

// TestWhatPassedElsewhereStaysPassed lets another machine have run the tests.
func TestWhatPassedElsewhereStaysPassed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	req := plan.Request{}
	w.run(t, makePlan(t, nil, needing("a", map[string]model.Runner{"gpu": {Devices: []string{"gpu"}}, "gpu-arm64": {Devices: []string{"gpu"}}}), w, req), always)
	p := makePlan(t, nil, needing("a", nil), w, req)
	for _, e := range p.Entries {
		if e.Steps[model.StepTest] != model.StepDone {
			t.Errorf("%s: test %s", e.ID(), e.Steps[model.StepTest])
		}
	}
}

func TestDecodeKnowsUntested(t *testing.T) {
	t.Parallel()
	p := makePlan(t, nil, needing("a", nil), newWorld(), plan.Request{})
	b, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Decode(b); err != nil {
		t.Fatal(err)
	}
	for old, hostile := range map[string]string{`"device": "gpu"`: `"device": ""`, `"device": "gpu",`: `"device": "$(id)",`} {
		if text := strings.Replace(string(b), old, hostile, 1); text == string(b) {
			t.Fatalf("%s is not in the plan", old)
		} else if _, err := plan.Decode([]byte(text)); err == nil {
			t.Errorf("%s is taken", hostile)
		}
	}
}
