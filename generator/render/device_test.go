package render_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// withDevice has an image whose tests need a gpu, and machines that have one.
func withDevice(f fixture) fixture {
	s := &f.fleet.Settings
	s.Runners = maps.Clone(s.Runners)
	s.Runners["gpu-l4"] = model.Runner{GitHub: []string{"self-hosted", "gpu"}, GitLab: []string{"gpu"}, Devices: []string{"gpu"}}
	f.fleet.Images = slices.Clone(f.fleet.Images)
	base := &f.fleet.Images[slices.IndexFunc(f.fleet.Images, func(i model.Image) bool { return i.ID == "base" })]
	base.NeedsDevice, base.Tests = "gpu", []model.Test{{Name: "card", Cmd: "nvidia-smi"}}
	return f
}

// TestDevicesAddTestJobsAlone compares the pipelines of a fleet with and
// without a class for its tests: what is not about tests stays as it is.
func TestDevicesAddTestJobsAlone(t *testing.T) {
	t.Parallel()
	f := withDevice(fixtures()["small"])
	with := f.files(t)
	f.fleet.Settings.Runners = settings().Runners
	without := f.files(t)
	for name, plain := range fixtures()["small"].files(t) {
		if body(without[name]) != body(plain) {
			t.Errorf("%s is another one without machines to test on", name)
		}
		tests := strings.Contains(string(with[name]), "rootfsrun test") && strings.Contains(string(with[name]), "--device")
		if want := name == buildFile || name == render.GitLabFleet; tests != want {
			t.Errorf("%s tests on a device: %v", name, tests)
		}
	}
	var same []string
	const fleet = ".github/workflows/rootfsgen-fleet.yml"
	for line := range strings.Lines(body(with[fleet])) {
		if !strings.HasPrefix(line, "      tests: ") {
			same = append(same, line)
		}
	}
	if strings.Join(same, "") != body(without[fleet]) {
		t.Errorf("%s has more than without machines to test on", fleet)
	}
}

// TestOnlyWhatHasAMachineIsTestedApart plans an image for two platforms, of which
// one has machines with the device: the other gets no job that could only say
// so.
func TestOnlyWhatHasAMachineIsTestedApart(t *testing.T) {
	t.Parallel()
	f := withDevice(fixtures()["small"])
	p := planOf(f, "base/amd64", "base/arm64", "base", "hello/amd64")
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Image == "base" && e.Platform == model.LinuxAMD64 {
			e.Device, e.TestRunner = "gpu", "gpu-l4"
			e.Steps[model.StepTest] = model.StepRun
		}
	}
	got, err := outputs(t, f, pipeline.GitHub, p, f.files(t)[render.GitHubFleet])
	if err != nil {
		t.Fatal(err)
	}
	_, tests, found := strings.Cut(string(got), `"base tests":[`)
	tests, _, _ = strings.Cut(tests, "}]")
	if !found || !strings.Contains(tests, `"device":"gpu","test":["self-hosted","gpu"]`) || strings.Contains(tests, "arm64") || strings.Contains(string(got), "hello tests") {
		t.Errorf("%s", got)
	}
	build := string(f.files(t)[buildFile])
	if !strings.Contains(build, "if: ${{ inputs.tests != '[]' }}") || !strings.Contains(build, "include: ${{ fromJSON(inputs.tests) }}") {
		t.Errorf("%s", build)
	}
}

// body is a generated file without its first lines, which say what it was
// made from.
func body(text []byte) string {
	_, rest, _ := strings.Cut(string(text), "\n\n")
	return rest
}

// TestWhatIsBuiltFromItWaitsForTheTests looks at GitLab, where jobs wait for
// jobs; on GitHub they wait for the workflow that has both.
func TestWhatIsBuiltFromItWaitsForTheTests(t *testing.T) {
	t.Parallel()
	text := string(withDevice(fixtures()["small"]).files(t)[render.GitLabFleet])
	for job, waits := range map[string]string{"test:base:amd64": "build:base:amd64", "build:python3.13:amd64": "test:base:amd64", "merge:base": "test:base:amd64", "build:python3.13:arm64": "build:base:arm64"} {
		_, after, found := strings.Cut(text, "\n\""+job+"\":\n")
		if !found {
			_, after, found = strings.Cut(text, "\n"+job+":\n")
		}
		body, _, _ := strings.Cut(after, "\n\n")
		if !found || !strings.Contains(body, waits) {
			t.Errorf("%s does not wait for %s:\n%s", job, waits, body)
		}
	}
}

// TestTestGroupsFitIntoAWave counts test groups as what the next
// wave waits for.
func TestTestGroupsFitIntoAWave(t *testing.T) {
	t.Parallel()
	p := &pipeline.Pipeline{}
	for i := range 40 {
		p.Images = append(p.Images, pipeline.Image{
			ID: "image-" + string(rune('a'+i/10)) + string(rune('0'+i%10)), Minutes: 100 + i, Merge: true,
			Legs: []pipeline.Leg{{Platform: model.LinuxAMD64, Runner: model.RunnerSpotAMD64, Device: "gpu", Test: "gpu-l4"}},
		})
	}
	room := pipeline.Room{Legs: 200, Needs: 48}
	for _, wave := range pipeline.Waves(p.Batches(room)) {
		groups := 0
		for i := range wave {
			groups += len(wave[i].Groups(room))
		}
		if groups == 0 || groups > room.Needs {
			t.Errorf("wave %d has %d groups", wave[0].Wave, groups)
		}
	}
}
