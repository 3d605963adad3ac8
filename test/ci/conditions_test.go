package ci

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// happening is something that GitHub tells workflows about.
type happening struct {
	name    string // of the event
	ref     string
	event   map[string]any
	vars    map[string]any
	file    string // the one workflow that it starts; empty for none
	jobs    string // that run when nothing fails, sorted
	stopped string // that run when the first of them fails
}

// onRepository is what every event of a repository says.
func onRepository(fork bool, more map[string]any) map[string]any {
	event := map[string]any{"repository": map[string]any{"full_name": "acme/images", "default_branch": "main", "fork": fork}}
	maps.Copy(event, more)
	return event
}

func requestFrom(head any) map[string]any {
	return map[string]any{"pull_request": map[string]any{"number": 7, "head": map[string]any{"repo": head}}}
}

func closed(head any) map[string]any {
	event := requestFrom(head)
	event["action"] = "closed"
	return event
}

// happenings are all events that the generated workflows may meet.
func happenings() map[string]happening {
	const main, lock, bases, rescan = "refs/heads/main", "17 5 * * 1-5", "17 6 * * 0", "47 4 * * *"
	own, fork := map[string]any{"full_name": "acme/images"}, map[string]any{"full_name": "mallory/images"}
	schedule := func(cron string) map[string]any { return map[string]any{"schedule": cron} }
	wanted := map[string]any{"ROOTFSGEN_SCHEDULE": "true"}
	return map[string]happening{
		"push": {name: "push", ref: main, event: onRepository(false, nil), file: "push",
			jobs: "fleet manifest result", stopped: "fleet manifest result"},
		"push to another branch": {name: "push", ref: "refs/heads/feature", event: onRepository(false, nil)},
		"release": {name: "push", ref: "refs/tags/v1.2.3", event: onRepository(false, nil), file: "release",
			jobs: "fleet manifest promote result", stopped: "fleet manifest result"},
		"another tag": {name: "push", ref: "refs/tags/nightly", event: onRepository(false, nil)},
		"request": {name: "pull_request", ref: "refs/pull/7/merge", event: onRepository(false, requestFrom(own)), file: "request",
			jobs: "comment fleet result", stopped: "comment fleet result"},
		"request from a fork": {name: "pull_request", ref: "refs/pull/7/merge", event: onRepository(false, requestFrom(fork)), file: "request",
			jobs: "fork result", stopped: "fork result"},
		"request from a fork that is gone": {name: "pull_request", ref: "refs/pull/7/merge", event: onRepository(false, requestFrom(nil)), file: "request",
			jobs: "fork result", stopped: "fork result"},
		"a request closes":             {name: "pull_request", ref: "refs/pull/7/merge", event: onRepository(false, closed(own)), file: "closed", jobs: "purge", stopped: "purge"},
		"a request of a fork closes":   {name: "pull_request", ref: "refs/pull/7/merge", event: onRepository(false, closed(fork)), file: "closed"},
		"time to judge prod":           {name: "schedule", ref: main, event: onRepository(false, schedule(rescan)), file: "rescan", jobs: "rescan", stopped: "rescan"},
		"time to judge prod in a fork": {name: "schedule", ref: main, event: onRepository(true, schedule(rescan)), file: "rescan"},
		"queue": {name: "merge_group", ref: "refs/heads/gh-readonly-queue/main/pr-7-abc", event: onRepository(false, nil), file: "queue",
			jobs: "fleet result", stopped: "fleet result"},
		"by hand": {name: "workflow_dispatch", ref: main, event: onRepository(false, nil), file: "manual",
			jobs: "fleet manifest result", stopped: "fleet manifest result"},
		"by hand on another branch": {name: "workflow_dispatch", ref: "refs/heads/feature", event: onRepository(false, nil), file: "manual",
			jobs: "result", stopped: "result"},
		"time for the lock":                          {name: "schedule", ref: main, event: onRepository(false, schedule(lock)), file: "lock", jobs: "lock", stopped: "lock"},
		"time for the lock in a fork":                {name: "schedule", ref: main, event: onRepository(true, schedule(lock)), file: "lock"},
		"time for the lock in a fork that wants it":  {name: "schedule", ref: main, event: onRepository(true, schedule(lock)), vars: wanted, file: "lock", jobs: "lock", stopped: "lock"},
		"time for the lock on another branch":        {name: "schedule", ref: "refs/heads/old", event: onRepository(false, schedule(lock)), file: "lock"},
		"time for the bases":                         {name: "schedule", ref: main, event: onRepository(false, schedule(bases)), file: "bases", jobs: "fleet manifest result", stopped: "fleet manifest result"},
		"time for the bases in a fork":               {name: "schedule", ref: main, event: onRepository(true, schedule(bases)), file: "bases"},
		"time for the bases in a fork that wants it": {name: "schedule", ref: main, event: onRepository(true, schedule(bases)), vars: wanted, file: "bases", jobs: "fleet manifest result", stopped: "fleet manifest result"},
	}
}

// conditions is as much of a workflow as says when its jobs run.
type conditions struct {
	On   map[string]any
	Jobs map[string]struct {
		If    string   `yaml:"if" json:"if,omitempty"`
		Needs []string `yaml:"needs" json:"needs,omitempty"`
	}
}

// entries reads the workflows that an event may start, by their short names.
func entries(t *testing.T, tree string) map[string]conditions {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tree, ".github/workflows/rootfsgen-*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	all := map[string]conditions{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var w conditions
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		if _, called := w.On["workflow_call"]; !called {
			all[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "rootfsgen-"), ".yml")] = w
		}
	}
	return all
}

// starts tells whether the event starts the workflow.
func (w conditions) starts(h happening) bool {
	filters, listed := w.On[h.name]
	if !listed {
		return false
	}
	matches := func(key, prefix string) bool {
		m, _ := filters.(map[string]any)
		patterns, _ := m[key].([]any)
		return slices.ContainsFunc(patterns, func(p any) bool {
			text, _ := p.(string)
			fits, _ := filepath.Match(prefix+text, h.ref)
			return fits
		})
	}
	switch h.name {
	case "push":
		return matches("branches", "refs/heads/") || matches("tags", "refs/tags/")
	case "pull_request":
		m, _ := filters.(map[string]any)
		types, listed := m["types"].([]any)
		if !listed {
			types = []any{"opened", "synchronize", "reopened"}
		}
		action := h.event["action"]
		if action == nil {
			action = "opened"
		}
		return slices.Contains(types, action)
	case "schedule":
		list, _ := filters.([]any)
		return slices.ContainsFunc(list, func(v any) bool {
			m, _ := v.(map[string]any)
			return m["cron"] == h.event["schedule"]
		})
	}
	return true
}

// question is what ghjobs.mjs is asked.
type question struct {
	Jobs      any               `json:"jobs"`
	Contexts  map[string]any    `json:"contexts"`
	Fails     map[string]string `json:"fails"`
	Cancelled bool              `json:"cancelled"`
}

// judge has GitHub's own evaluator say how jobs end.
func judge(t *testing.T, questions []question) []map[string]string {
	t.Helper()
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(enginetest.Root(t), ".cache", "node")
	cmd := exec.CommandContext(t.Context(), filepath.Join(node, "node"), filepath.Join(node, "ghjobs.mjs"))
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ghjobs.mjs: %v\n%s", err, errs.String())
	}
	var answers []map[string]string
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

// ran are the jobs that were not skipped, but for those that people added.
func ran(results map[string]string) string {
	var ids []string
	for id, r := range results {
		if r != "skipped" && !strings.HasPrefix(id, "own-") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestConditions goes through every event and, for each workflow that it
// starts, through success, a first job that fails, and a run that is cancelled.
func TestConditions(t *testing.T) {
	t.Parallel()
	for name, tree := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := entries(t, tree)
			var names []string
			var questions []question
			for _, what := range slices.Sorted(maps.Keys(happenings())) {
				h := happenings()[what]
				var started []string
				for file, w := range all {
					if w.starts(h) {
						started = append(started, file)
					}
				}
				if _, has := all[h.file]; !has && h.file == "rescan" { // whose policy is off
					h.file = ""
				}
				if got := strings.Join(started, " "); got != h.file {
					t.Errorf("%s starts %q, want %q", what, got, h.file)
				}
				if h.file == "" {
					continue
				}
				vars := h.vars
				if vars == nil {
					vars = map[string]any{}
				}
				q := question{Jobs: all[h.file].Jobs, Fails: map[string]string{}, Contexts: map[string]any{
					"github": map[string]any{"ref": h.ref, "event": h.event, "event_name": h.name}, "vars": vars,
				}}
				failing, cancelled := q, q
				failing.Fails = map[string]string{"fleet": "failure", "fork": "failure", "lock": "failure", "rescan": "failure", "purge": "failure"}
				cancelled.Cancelled, cancelled.Fails = true, map[string]string{"fleet": "cancelled", "fork": "cancelled", "lock": "cancelled", "rescan": "cancelled", "purge": "cancelled"}
				names = append(names, what)
				questions = append(questions, q, failing, cancelled)
			}
			answers := judge(t, questions)
			for i, what := range names {
				h := happenings()[what]
				if d := cmp.Diff(h.jobs, ran(answers[3*i])); d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
				if d := cmp.Diff(h.stopped, ran(answers[3*i+1])); d != "" {
					t.Errorf("%s, when the first job fails (-want +got):\n%s", what, d)
				}
				for id, r := range answers[3*i+2] {
					if r != "skipped" && r != "cancelled" && id != "result" {
						t.Errorf("%s: %s runs though the run was cancelled", what, id)
					}
				}
			}
		})
	}
}

// TestPromotionFollowsEverything goes through every way in which the jobs
// before a promotion may end.
func TestPromotionFollowsEverything(t *testing.T) {
	t.Parallel()
	release := entries(t, filepath.Join(enginetest.Root(t), "generator/render/testdata/small"))["release"]
	ends := []string{"success", "failure", "cancelled", "skipped"}
	var questions []question
	var want []bool
	for _, fleet := range ends {
		for _, manifest := range ends {
			for _, cancelled := range []bool{false, true} {
				questions = append(questions, question{Jobs: release.Jobs, Contexts: map[string]any{"github": map[string]any{}}, Cancelled: cancelled, Fails: map[string]string{"fleet": fleet, "manifest": manifest}})
				want = append(want, fleet == "success" && manifest == "success" && !cancelled)
			}
		}
	}
	for i, results := range judge(t, questions) {
		if got := results["promote"] == "success"; got != want[i] {
			t.Errorf("promote runs: %v, after %v, cancelled %v", got, questions[i].Fails, questions[i].Cancelled)
		}
		if results["result"] != "success" {
			t.Errorf("result does not run after %v", questions[i].Fails)
		}
	}
}
