package render_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// triggered renders a fleet whose triggers are others.
func triggered(t *testing.T, change func(*model.Triggers)) render.Files {
	t.Helper()
	f := fixtures()["one"]
	change(&f.fleet.Settings.Triggers)
	return f.files(t)
}

// jobsOnGitHub are the jobs of each workflow that an event starts.
func jobsOnGitHub(t *testing.T, files render.Files) map[string]string {
	t.Helper()
	all := map[string]string{}
	for file, text := range files {
		if !strings.HasPrefix(file, ".github/workflows/") {
			continue
		}
		var w policyFile
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		if _, called := w.On["workflow_call"]; called {
			continue
		}
		all[strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "rootfsgen-"), ".yml")] = strings.Join(slices.Sorted(maps.Keys(w.Jobs)), " ")
	}
	return all
}

// rulesOnGitLab are how many events start each job, and "pipelines" how many
// make a pipeline at all.
func rulesOnGitLab(t *testing.T, files render.Files) map[string]int {
	t.Helper()
	all := map[string]int{}
	var root struct {
		Workflow struct{ Rules []map[string]any }
	}
	if err := yaml.Unmarshal(files[render.GitLabFile], &root); err != nil {
		t.Fatal(err)
	}
	for _, r := range root.Workflow.Rules {
		if r["when"] != "never" {
			all["pipelines"]++
		}
	}
	var jobs map[string]any
	if err := yaml.Unmarshal(files[render.GitLabPipeline], &jobs); err != nil {
		t.Fatal(err)
	}
	for name, v := range jobs {
		if j, is := v.(map[string]any); is {
			rules, _ := j["rules"].([]any)
			all[strings.TrimPrefix(name, "rootfsgen-")] = len(rules)
		}
	}
	return all
}

// TestTriggers says what each setting adds or takes away.
func TestTriggers(t *testing.T) {
	t.Parallel()
	hub := map[string]string{
		"push": "fleet manifest result", "request": "comment fleet fork result", "queue": "fleet result", "release": "fleet manifest promote result",
		"manual": "fleet manifest result", "lock": "lock", "bases": "fleet manifest result", "rescan": "rescan", "closed": "purge",
	}
	lab := map[string]int{"pipelines": 9, "rescan": 1, "purge": 1, "plan": 6, "images": 6, "reports": 6, "manifest": 4, "promote": 1, "fork": 1, "lock": 1, "comment": 1}
	with := func(m map[string]int, changes map[string]int) map[string]int {
		m = maps.Clone(m)
		for k, n := range changes {
			if m[k] += n; m[k] == 0 {
				delete(m, k)
			}
		}
		return m
	}
	plans := map[string]int{"images": -1, "reports": -1, "manifest": -1}
	for name, c := range map[string]struct {
		change func(*model.Triggers)
		file   string // of GitHub that changes
		jobs   string // empty: it is not there
		lab    map[string]int
	}{
		"push: plan":           {func(s *model.Triggers) { s.Push = model.TriggerPlan }, "push", "plan result", plans},
		"push: off":            {func(s *model.Triggers) { s.Push = model.TriggerOff }, "push", "", map[string]int{"pipelines": -1, "plan": -1, "images": -1, "reports": -1, "manifest": -1}},
		"request: plan":        {func(s *model.Triggers) { s.Request = model.TriggerPlan }, "request", "comment fork plan result", map[string]int{"purge": -1, "images": -1, "reports": -1}},
		"request: off":         {func(s *model.Triggers) { s.Request = model.TriggerOff }, "request", "", map[string]int{"purge": -1, "pipelines": -2, "plan": -1, "images": -1, "reports": -1, "fork": -1, "comment": -1}},
		"queue: plan":          {func(s *model.Triggers) { s.Queue = model.TriggerPlan }, "queue", "plan result", map[string]int{"images": -1, "reports": -1}},
		"queue: off":           {func(s *model.Triggers) { s.Queue = model.TriggerOff }, "queue", "", map[string]int{"pipelines": -1, "plan": -1, "images": -1, "reports": -1}},
		"tag: off":             {func(s *model.Triggers) { s.Tag = model.TriggerOff }, "release", "", map[string]int{"pipelines": -1, "plan": -1, "images": -1, "reports": -1, "manifest": -1, "promote": -1}},
		"manual: false":        {func(s *model.Triggers) { s.Manual = false }, "manual", "", map[string]int{"pipelines": -1, "plan": -1, "images": -1, "reports": -1, "manifest": -1}},
		"schedule: lock off":   {func(s *model.Triggers) { s.Schedule.Lock = model.TriggerOff }, "lock", "", map[string]int{"pipelines": -1, "lock": -1}},
		"schedule: rescan off": {func(s *model.Triggers) { s.Schedule.Rescan = model.TriggerOff }, "rescan", "", map[string]int{"pipelines": -1, "rescan": -1}},
		"schedule: bases off":  {func(s *model.Triggers) { s.Schedule.Bases = model.TriggerOff }, "bases", "", map[string]int{"pipelines": -1, "plan": -1, "images": -1, "reports": -1, "manifest": -1}},
	} {
		files := triggered(t, c.change)
		want := maps.Clone(hub)
		if want[c.file] = c.jobs; c.jobs == "" {
			delete(want, c.file)
		}
		if c.file == "request" { // what is not built leaves nothing behind
			delete(want, "closed")
		}
		if d := cmp.Diff(want, jobsOnGitHub(t, files)); d != "" {
			t.Errorf("%s: GitHub (-want +got):\n%s", name, d)
		}
		if d := cmp.Diff(with(lab, c.lab), rulesOnGitLab(t, files)); d != "" {
			t.Errorf("%s: GitLab (-want +got):\n%s", name, d)
		}
	}
	none := triggered(t, func(s *model.Triggers) { *s = model.Triggers{} })
	if hub, lab := jobsOnGitHub(t, none), rulesOnGitLab(t, none); len(hub)+len(lab) > 0 {
		t.Errorf("nothing is to start anything, and yet: %v %v", hub, lab)
	}
}

// TestPlanOnlyBuildsNothing looks at what a workflow that only plans hands to
// its script: words that were settled when it was written.
func TestPlanOnlyBuildsNothing(t *testing.T) {
	t.Parallel()
	files := triggered(t, func(s *model.Triggers) {
		s.Push, s.Request, s.Queue = model.TriggerPlan, model.TriggerPlan, model.TriggerPlan
	})
	for file, want := range map[string]map[string]string{
		"push":    {"SCOPE": "testing", "SNAPSHOT": "", "FROM": ""},
		"request": {"SCOPE": "pr", "SNAPSHOT": "${{ format('pr-{0}', github.event.pull_request.number) }}", "FROM": ""},
		"queue":   {"SCOPE": "pr", "SNAPSHOT": "${{ format('queue-{0}', github.run_id) }}", "FROM": "${{ github.event.merge_group.base_sha }}"},
	} {
		text := files[".github/workflows/rootfsgen-"+file+".yml"]
		if strings.Contains(string(text), "inputs.") || strings.Contains(string(text), "rootfsrun build") {
			t.Errorf("%s: reads inputs that it does not have, or builds", file)
		}
		var w policyFile
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		for _, s := range w.Jobs["plan"].Steps {
			for name, value := range want {
				if s.Name == "Plan" && s.Env["ROOTFSGEN_"+name] != value {
					t.Errorf("%s: ROOTFSGEN_%s is %q, want %q", file, name, s.Env["ROOTFSGEN_"+name], value)
				}
			}
		}
	}
	if fork := string(files[".github/workflows/rootfsgen-request.yml"]); !strings.Contains(fork, " --max-targets 0\n") {
		t.Error("a request from a fork is built where requests are only planned")
	}
}

// TestForkTargets hands the limit on.
func TestForkTargets(t *testing.T) {
	t.Parallel()
	f := fixtures()["one"]
	f.fleet.Settings.Fork.MaxTargets = 7
	files := f.files(t)
	for _, file := range []string{".github/workflows/rootfsgen-request.yml", render.GitLabPipeline} {
		if n := strings.Count(string(files[file]), " --max-targets 7\n"); n != 1 {
			t.Errorf("%s has the limit %d times", file, n)
		}
	}
}

// TestEveryEventOnce makes sure that no two conditions of GitLab speak of the
// same event, and that each event has a mode.
func TestEveryEventOnce(t *testing.T) {
	t.Parallel()
	f := fixtures()["one"]
	f.fleet.Settings.Channels.Promotion = model.PromotionRequest
	p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range pipeline.Events() {
		if m := p.Mode(e); m == "" || m == model.TriggerOff {
			t.Errorf("%s leads to %q by default", e, m)
		}
	}
	if m := p.Mode("no such event"); m != model.TriggerOff {
		t.Errorf("an unknown event leads to %q", m)
	}
	var root struct {
		Workflow struct{ Rules []struct{ If string } }
	}
	if err := yaml.Unmarshal(f.files(t)[render.GitLabFile], &root); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range root.Workflow.Rules {
		if seen[r.If] {
			t.Errorf("twice: %s", r.If)
		}
		seen[r.If] = true
	}
	// A request that is closed starts no pipeline: its own has the job.
	if want := len(pipeline.Events()) - 1; len(seen) != want {
		t.Errorf("%d rules for %d events", len(seen), want)
	}
}
