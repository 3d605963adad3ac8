package ci

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownJobs are two jobs of people's own, before and after all images. Each writes
// down which tags an image has in testing, and fails where it is told to.
func ownJobs(t *testing.T) map[string]string {
	t.Helper()
	settings, jobs := filesBelow(t, "testdata/diamond")["rootfsgen.yaml"]+"jobs:\n", ""
	files := map[string]string{}
	for _, j := range []struct{ name, stands string }{{"ready", "before"}, {"built", "after"}} {
		settings += fmt.Sprintf("  - {name: %s, %s: build, events: [push], github: ./.github/workflows/%[1]s.yml, gitlab: .%[1]s, include: .gitlab/own/jobs.yml}\n", j.name, j.stands)
		look := []string{
			`repo=@REGISTRY@/testing/app`,
			`curl -sS "http://${repo%%/*}/v2/${repo#*/}/tags/list" > "$OWN_SEEN/` + j.name + `"`,
			`test ! -e "$OWN_SEEN/refuse-` + j.name + `"`,
		}
		workflow := "name: " + j.name + `
on: workflow_call
permissions: {}
jobs:
  look:
    name: look
    runs-on: [self-hosted]
    timeout-minutes: 5
    steps:
      - shell: bash
        run: |
          set -euo pipefail
`
		jobs += "." + j.name + ":\n  tags: [small]\n  script:\n"
		for _, line := range look {
			workflow += "          " + line + "\n"
			jobs += "    - " + line + "\n"
		}
		files[".github/workflows/"+j.name+".yml"] = workflow
	}
	files["rootfsgen.yaml"], files[".gitlab/own/jobs.yml"] = settings, jobs
	return files
}

// watchOwn gives the own jobs a place to write to.
func (f *fleet) watchOwn() (dir string) {
	f.t.Helper()
	dir = filepath.Join(f.scratch, "own")
	if err := os.Mkdir(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.env = append(f.env, "OWN_SEEN="+dir)
	return dir
}

// ownInTurn looks at what the own jobs have seen of the first push: the one before
// the images saw none of them, the one after saw all that they left.
func (f *fleet) ownInTurn(dir string) {
	f.t.Helper()
	if tags := f.ownSaw(dir, "ready"); len(tags) > 0 {
		f.t.Errorf("before the images were built, app had %v", tags)
	}
	app := f.read("testing/app")
	for tag := range app.versions {
		app.contents = append(app.contents, tag)
	}
	tags := f.ownSaw(dir, "built")
	for _, tag := range app.contents {
		if !slices.Contains(tags, tag) {
			f.t.Errorf("after the images were built, app had no tag %s: %v", tag, tags)
		}
	}
	if len(app.contents) < 3 {
		f.t.Errorf("app has %v", app.contents)
	}
}

// ownSaw are the tags that an own job has seen.
func (f *fleet) ownSaw(dir, job string) []string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, job))
	if err != nil {
		f.t.Fatalf("the job %s has not run: %v", job, err)
	}
	var list struct{ Tags []string }
	if err := json.Unmarshal(text, &list); err != nil {
		f.t.Fatalf("%s: %v\n%s", job, err, text)
	}
	return list.Tags
}

// ownRefuses pushes what the job before the images refuses: none is built, no
// job after them runs, and nothing is published. What runs later builds it.
func (f *fleet) ownRefuses(on diamondForge, dir string) {
	f.t.Helper()
	before, refuse := f.diamondState("before"), filepath.Join(dir, "refuse-ready")
	if err := os.WriteFile(refuse, nil, 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "built")); err != nil {
		f.t.Fatal(err)
	}
	got := on.push()
	want := map[string]string{"own ready": "failure"}
	if _, is := on.(labDiamond); is {
		want["plan"] = "success"
	} else {
		f.ownStops()
	}
	if d := cmp.Diff(want, diamondRan(got)); d != "" {
		f.t.Errorf("a push that an own job refuses: jobs (-want +got):\n%s\n%s", d, got.tail())
	}
	if _, err := os.Stat(filepath.Join(dir, "built")); err == nil {
		f.t.Error("the job after the images ran, though none of them did")
	}
	if d := cmp.Diff(before, f.diamondState("before"), cmp.AllowUnexported(diamondEvent{})); d != "" {
		f.t.Errorf("a push that an own job refuses changed what is published (-before +after):\n%s", d)
	}
	if err := os.Remove(refuse); err != nil {
		f.t.Fatal(err)
	}
}

// ownStops asks GitHub's own evaluator what comes of a push that an own job
// refuses: act ends a run with the first called workflow that fails.
func (f *fleet) ownStops() {
	f.t.Helper()
	got := judge(f.t, []question{{
		Jobs: entries(f.t, f.Dir)["push"].Jobs, Fails: map[string]string{"own-ready": "failure"},
		Contexts: map[string]any{"github": map[string]any{"ref": "refs/heads/main", "event": map[string]any{}, "event_name": "push"}, "vars": map[string]any{}},
	}})[0]
	want := map[string]string{"own-ready": "failure", "fleet": "skipped", "manifest": "skipped", "own-built": "skipped", "result": "success"}
	if d := cmp.Diff(want, got); d != "" {
		f.t.Errorf("what GitHub makes of a push that an own job refuses (-want +got):\n%s", d)
	}
}
