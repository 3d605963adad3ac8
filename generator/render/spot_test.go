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
)

const (
	watchdogName = "rootfsgen watchdog"
	watchdogFile = ".github/workflows/rootfsgen-watchdog.yml"
	buildFile    = ".github/workflows/rootfsgen-build.yml"
)

// spotted has machines that may be taken away, one class of them with another
// for the last attempt.
func spotted(f fixture) fixture {
	s := &f.fleet.Settings
	s.Spot.Attempts = 3
	s.Runners = maps.Clone(s.Runners)
	for _, class := range []string{model.RunnerSpotAMD64, model.RunnerSpotARM64} {
		r := s.Runners[class]
		r.Spot = true
		s.Runners[class] = r
	}
	arm := s.Runners[model.RunnerSpotARM64]
	arm.OnDemand = "steady-arm64"
	s.Runners[model.RunnerSpotARM64] = arm
	s.Runners["steady-arm64"] = model.Runner{GitHub: []string{"self-hosted", "linux", "arm64"}, GitLab: []string{"linux", "arm64"}}
	return f
}

// TestWatchdog holds the watchdog to what lets it run with the rights of the
// default branch: nothing of the run that it looks at reaches it but a number.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		text, has := f.files(t)[watchdogFile]
		if has != strings.HasPrefix(name, "spot") {
			t.Errorf("%s: has a watchdog: %v", name, has)
		}
		if !has {
			continue
		}
		var w policyFile
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"workflow_run": map[string]any{
			"workflows": []any{"rootfsgen bases", "rootfsgen manual", "rootfsgen push", "rootfsgen queue", "rootfsgen release", "rootfsgen request"}, "types": []any{"completed"},
		}}
		if d := cmp.Diff(want, w.On); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
		j := w.Jobs["watchdog"]
		if d := cmp.Diff(map[string]string{"actions": "write", "checks": "read", "contents": "read"}, j.Permissions); d != "" {
			t.Errorf("%s: permissions -want +got:\n%s", name, d)
		}
		checkTaken(t, name, string(text))
		last := j.Steps[len(j.Steps)-1]
		if d := cmp.Diff(map[string]string{"ROOTFSGEN_RUN": "${{ github.event.workflow_run.id }}", "ROOTFSGEN_FORGE_TOKEN": "${{ github.token }}", "ROOTFSGEN_ATTEMPTS": "3"}, last.Env); d != "" {
			t.Errorf("%s: environment -want +got:\n%s", name, d)
		}
		for _, s := range j.Steps {
			if strings.Contains(s.Uses, "checkout") || strings.Contains(s.Uses, "artifact") || strings.Contains(s.Run, "git ") {
				t.Errorf("%s: the step %q takes something of a run: %s%s", name, s.Name, s.Uses, s.Run)
			}
		}
	}
}

// checkTaken finds what of the event a watchdog reads.
func checkTaken(t *testing.T, name, text string) {
	t.Helper()
	allowed := []string{"id", "conclusion"}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "github.event.")
		if !found {
			return
		}
		member, is := strings.CutPrefix(after, "workflow_run.")
		if end := strings.IndexFunc(member, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }); is && end > 0 {
			member = member[:end]
		}
		if !slices.Contains(allowed, member) {
			t.Errorf("%s: reads %.60q of the event", name, after)
		}
		rest = after
	}
}

// TestNoWatchdog counts what must be there for a watchdog.
func TestNoWatchdog(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*model.Settings){
		"one attempt": func(s *model.Settings) { s.Spot.Attempts = 1 },
		"no machine is taken away": func(s *model.Settings) {
			for class, r := range s.Runners {
				r.Spot = false
				s.Runners[class] = r
			}
		},
		"nothing is built": func(s *model.Settings) {
			s.Triggers = model.Triggers{Push: model.TriggerPlan, Request: model.TriggerOff, Queue: model.TriggerOff, Tag: model.TriggerOff}
		},
	} {
		f := spotted(fixtures()["small"])
		change(&f.fleet.Settings)
		if _, has := f.files(t)[watchdogFile]; has {
			t.Errorf("%s: there is a watchdog", name)
		}
	}
}

// TestLastAttempt looks at what chooses the machine of each attempt.
func TestLastAttempt(t *testing.T) {
	t.Parallel()
	f := spotted(fixtures()["small"])
	var w struct {
		Jobs map[string]struct {
			RunsOn string `yaml:"runs-on"`
		}
	}
	if err := yaml.Unmarshal(f.files(t)[buildFile], &w); err != nil {
		t.Fatal(err)
	}
	const want = "${{ fromJSON(github.run_attempt) >= 3 && matrix.on_demand || matrix.runner }}"
	if got := w.Jobs["build"].RunsOn; got != want { // which test/ci evaluates
		t.Errorf("the build runs on %s", got)
	}
	out, err := outputs(t, f, pipeline.GitHub, planOf(f, "base/amd64", "base/arm64"), f.files(t)[render.GitHubFleet])
	if err != nil {
		t.Fatal(err)
	}
	const legs = `{"base":[{"platform":"linux/amd64","arch":"amd64","runner":["self-hosted","linux","x64","spot"],"on_demand":["self-hosted","linux","x64","spot"]},` +
		`{"platform":"linux/arm64","arch":"arm64","runner":["self-hosted","linux","arm64","spot"],"on_demand":["self-hosted","linux","arm64"]}]}`
	if !strings.Contains(string(out), "matrix="+legs+"\n") {
		t.Errorf("outputs:\n%s", out)
	}
}

// TestClassTimeout bounds the time of jobs by that of their machines.
func TestClassTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		image, class, small int // seconds
		want                int // minutes of the build
		mistakes            int
	}{
		{0, 0, 0, 120, 0},
		{0, 3 * 3600, 0, 180, 0},
		{0, 1801, 0, 31, 0},
		{3600, 3 * 3600, 0, 90, 0},
		{3600, 3600, 0, 60, 0},
		{3601, 3600, 0, 0, 1},
		{0, 0, 120, 120, 0},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			f := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{image("base", model.LinuxAMD64)}}}
			f.fleet.Images[0].TimeoutSeconds = c.image
			set := func(class string, seconds int) {
				r := f.fleet.Settings.Runners[class]
				r.TimeoutSeconds = seconds
				f.fleet.Settings.Runners[class] = r
			}
			set(model.RunnerSpotAMD64, c.class)
			set(model.RunnerSmall, c.small)
			p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
			if err != nil || len(list) != c.mistakes {
				t.Fatal(err, list)
			}
			if c.mistakes == 0 && p.Images[0].Minutes != c.want {
				t.Errorf("the build has %d minutes, want %d", p.Images[0].Minutes, c.want)
			}
			if got, want := p.Fixed[pipeline.Plan].Minutes, 15; c.small == 0 && got != want || c.small > 0 && got != c.small/60 {
				t.Errorf("the plan has %d minutes", got)
			}
		})
	}
}

// TestRetry gives each version of GitLab the reasons that it knows, and repeats
// as often as the settings say and GitLab can.
func TestRetry(t *testing.T) {
	t.Parallel()
	always := []any{"runner_system_failure", "scheduler_failure", "api_failure", "data_integrity_failure"}
	codes := []any{75, 137, 143}
	since := append(slices.Clone(always), "runner_interrupted", "runner_external_dependency_failure", "stuck_pending_with_matching_runners", "no_updates_running")
	for _, c := range []struct {
		version  string
		attempts int
		want     map[string]any
	}{
		{"", 3, map[string]any{"max": 2, "when": since, "exit_codes": codes}},
		{"not known", 3, map[string]any{"max": 2, "when": always}},
		{"17.4", 2, map[string]any{"max": 1, "when": append(slices.Clone(always), "stuck_or_timeout_failure")}},
		{"18.2", 10, map[string]any{"max": 2, "when": append(slices.Clone(always), "stuck_or_timeout_failure"), "exit_codes": codes}},
		{"19.1", 3, map[string]any{"max": 2, "when": since, "exit_codes": codes}},
		{"19.1", 1, nil},
	} {
		f := fixtures()["small"]
		f.fleet.Settings.GitLab.Version, f.fleet.Settings.Spot.Attempts = c.version, c.attempts
		if c.version == "not known" {
			f.fleet.Settings.GitLab = model.GitLabSite{URL: "https://gitlab.example.com"}
		}
		repeated := 0
		for file, text := range f.files(t) {
			if !strings.HasPrefix(file, ".gitlab/") {
				continue
			}
			var jobs map[string]any
			if err := yaml.Unmarshal(text, &jobs); err != nil {
				t.Fatal(err)
			}
			for name, v := range jobs {
				j, _ := v.(map[string]any)
				if j["retry"] == nil {
					continue
				}
				repeated++
				if d := cmp.Diff(any(c.want), j["retry"]); d != "" || strings.Contains(name, "promote") {
					t.Errorf("%s %q: %s is repeated; -want +got:\n%s", file, c.version, name, d)
				}
			}
		}
		if (repeated > 0) != (c.want != nil) {
			t.Errorf("%q, %d attempts: %d jobs are repeated", c.version, c.attempts, repeated)
		}
	}
}
