package render_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// withJobs is the small fleet with jobs of one's own.
func withJobs(jobs ...model.OwnJob) fixture {
	f := fixtures()["small"]
	f.fleet.Settings.Jobs = jobs
	return f
}

var ownJobs = []model.OwnJob{
	{Name: "licences", Before: model.StageBuild, Events: []string{"request", "push"}, GitHub: "./.github/workflows/licences.yml", GitLab: ".licences", Include: "ci/own.yml"},
	{Name: "count", After: model.StageBuild, GitHub: "./.github/workflows/count.yml", GitLab: ".count", Include: "ci/own.yml"},
	{Name: "notify", After: model.StageManifest, GitHub: "./.github/workflows/notify.yml", Secrets: []string{"CHAT_TOKEN"}, GitLab: ".notify"},
	{Name: "ask", Before: model.StagePromote, GitHub: "./.github/workflows/ask.yml", GitLab: ".ask"},
	{Name: "announce", After: model.StagePromote, GitHub: "./.github/workflows/announce.yml"},
}

// TestOwnJobBeforeTheChannel lets a job stand before the stage that runs
// whatever the images came to: the job does, too, and the stage waits for it
// alone.
func TestOwnJobBeforeTheChannel(t *testing.T) {
	t.Parallel()
	files := withJobs(
		model.OwnJob{Name: "look", Before: model.StageManifest, GitHub: "./.github/workflows/look.yml", GitLab: ".look"},
		model.OwnJob{Name: "ask", Before: model.StageManifest, GitHub: "./.github/workflows/ask.yml", GitLab: ".ask"},
	).files(t)
	var hub struct{ Jobs map[string]ghOwn }
	if err := yaml.Unmarshal(files[".github/workflows/rootfsgen-push.yml"], &hub); err != nil {
		t.Fatal(err)
	}
	const whatever = "${{ !cancelled() && needs.fleet.result != 'skipped'"
	for _, id := range []string{"own-look", "own-ask"} {
		if j := hub.Jobs[id]; !strings.HasPrefix(j.If, whatever) || !slices.Contains(j.Needs, "fleet") {
			t.Errorf("%s: %+v", id, j)
		}
		if m := hub.Jobs["manifest"]; !slices.Contains(m.Needs, id) || !strings.Contains(m.If, "needs."+id+".result == 'success'") {
			t.Errorf("GitHub's channel is written whatever %s says: %+v", id, m)
		}
	}
	var lab map[string]struct {
		Rules []struct{ When string }
		Needs []struct {
			Job      string
			Optional bool
		}
	}
	var all map[string]any
	if err := yaml.Unmarshal(files[render.GitLabPipeline], &all); err != nil {
		t.Fatal(err)
	}
	for id := range all {
		if !strings.HasPrefix(id, "rootfsgen-manifest") && !strings.HasPrefix(id, "own:") {
			delete(all, id)
		}
	}
	text, err := yaml.Marshal(all)
	if err == nil {
		err = yaml.Unmarshal(text, &lab)
	}
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]bool{}
	for _, n := range lab["rootfsgen-manifest"].Needs {
		needs[n.Job] = !n.Optional
	}
	if !needs["own:look"] || !needs["own:ask"] || needs["rootfsgen-images"] {
		t.Errorf("GitLab's channel waits for %v", needs)
	}
	for id, want := range map[string]string{"own:look": "always", "own:ask": "always", "rootfsgen-manifest": ""} {
		for _, r := range lab[id].Rules {
			if r.When != want {
				t.Errorf("%s runs %q, want %q", id, r.When, want)
			}
		}
		if len(lab[id].Rules) == 0 {
			t.Errorf("%s never runs", id)
		}
	}
}

// ghOwn is what counts of the jobs of a workflow.
type ghOwn struct {
	Needs       []string
	If          string
	Uses        string
	Permissions map[string]string
	Secrets     map[string]string
}

func TestOwnJobsOnGitHub(t *testing.T) {
	t.Parallel()
	files := withJobs(ownJobs...).files(t)
	read := map[string]string{"contents": "read"}
	for file, want := range map[string]map[string]ghOwn{
		"push": {
			"own-licences": {Uses: "./.github/workflows/licences.yml", Permissions: read},
			"own-count":    {Needs: []string{"fleet"}, If: "${{ !cancelled() && needs.fleet.result == 'success' }}", Uses: "./.github/workflows/count.yml", Permissions: read},
			"own-notify": {
				Needs: []string{"manifest"}, If: "${{ !cancelled() && needs.manifest.result == 'success' }}", Uses: "./.github/workflows/notify.yml", Permissions: read,
				Secrets: map[string]string{"CHAT_TOKEN": "${{ secrets.CHAT_TOKEN }}"},
			},
		},
		"request": {
			"own-licences": {If: "${{ github.event.pull_request.head.repo.full_name == github.event.repository.full_name }}", Uses: "./.github/workflows/licences.yml", Permissions: read},
			"own-count":    {Needs: []string{"fleet"}, If: "${{ !cancelled() && needs.fleet.result == 'success' }}", Uses: "./.github/workflows/count.yml", Permissions: read},
		},
		"release": {
			"own-count": {Needs: []string{"fleet"}, If: "${{ !cancelled() && needs.fleet.result == 'success' }}", Uses: "./.github/workflows/count.yml", Permissions: read},
			"own-notify": {
				Needs: []string{"manifest"}, If: "${{ !cancelled() && needs.manifest.result == 'success' }}", Uses: "./.github/workflows/notify.yml", Permissions: read,
				Secrets: map[string]string{"CHAT_TOKEN": "${{ secrets.CHAT_TOKEN }}"},
			},
			"own-ask": {
				Needs: []string{"fleet", "manifest"}, If: "${{ !cancelled() && needs.fleet.result == 'success' && needs.manifest.result == 'success' }}",
				Uses: "./.github/workflows/ask.yml", Permissions: read,
			},
			"own-announce": {Needs: []string{"promote"}, If: "${{ !cancelled() && needs.promote.result == 'success' }}", Uses: "./.github/workflows/announce.yml", Permissions: read},
		},
		"lock": {},
	} {
		var w struct{ Jobs map[string]ghOwn }
		if err := yaml.Unmarshal(files[".github/workflows/rootfsgen-"+file+".yml"], &w); err != nil {
			t.Fatal(err)
		}
		got := map[string]ghOwn{}
		for id, j := range w.Jobs {
			if strings.HasPrefix(id, "own-") {
				got[id] = j
				if !slices.Contains(w.Jobs["result"].Needs, id) {
					t.Errorf("%s: the check does not count %s", file, id)
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", file, d)
		}
		for stage, before := range map[string]string{"fleet": "own-licences", "promote": "own-ask"} {
			_, there := want[before]
			if j, found := w.Jobs[stage]; found && slices.Contains(j.Needs, before) != there {
				t.Errorf("%s: %s needs %v", file, stage, j.Needs)
			}
		}
		if j, found := w.Jobs["promote"]; found && !strings.HasSuffix(j.If, " && needs.own-ask.result == 'success' }}") {
			t.Errorf("prod is written whatever is asked: %s", j.If)
		}
	}
}

func TestOwnJobsOnGitLab(t *testing.T) {
	t.Parallel()
	files := withJobs(ownJobs...).files(t)
	var doc map[string]any
	if err := yaml.Unmarshal(files[render.GitLabPipeline], &doc); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{map[string]any{"local": "ci/own.yml"}}, doc["include"]); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]struct {
		extends, stage string
		needs          []string
		rules          int
	}{
		"own:licences": {".licences", "rootfsgen-images", []string{"rootfsgen-plan"}, 2},
		"own:count":    {".count", "rootfsgen-images", []string{"rootfsgen-images"}, 6},
		"own:notify":   {".notify", "rootfsgen-channels", []string{"rootfsgen-manifest"}, 4},
		"own:ask":      {".ask", "rootfsgen-channels", []string{"rootfsgen-manifest"}, 1},
	} {
		job, _ := doc[name].(map[string]any)
		rules, _ := job["rules"].([]any)
		if job["extends"] != want.extends || job["stage"] != want.stage || !slices.Equal(needsOf(job), want.needs) || len(rules) != want.rules {
			t.Errorf("%s: %v", name, job)
		}
		for _, r := range rules {
			if strings.Contains(r.(map[string]any)["if"].(string), "SOURCE_PROJECT_ID != ") {
				t.Errorf("%s runs for forks", name)
			}
		}
	}
	images, _ := doc["rootfsgen-images"].(map[string]any)
	if got := needsOf(images); !slices.Equal(got, []string{"rootfsgen-plan", "own:licences?"}) {
		t.Errorf("the images need %v", got)
	}
	promote, _ := doc["rootfsgen-promote"].(map[string]any)
	if got := needsOf(promote); !slices.Contains(got, "own:ask") {
		t.Errorf("the promotion needs %v", got)
	}
	if err := gitlabSchema(t).Validate(any(doc)); err != nil {
		t.Error(err)
	}
}

// needsOf are the names of the jobs that a job needs, with a ? where they may
// not be there.
func needsOf(job map[string]any) []string {
	needs, _ := job["needs"].([]any)
	var out []string
	for _, n := range needs {
		m, _ := n.(map[string]any)
		name, _ := m["job"].(string)
		if m["optional"] == true {
			name += "?"
		}
		out = append(out, name)
	}
	return out
}

// TestOwnJobsAreLinted gives actionlint the workflows that are called, too.
func TestOwnJobsAreLinted(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := withJobs(ownJobs...).files(t)
	for _, j := range ownJobs {
		text := "on:\n  workflow_call:\n"
		if len(j.Secrets) > 0 {
			text += "    secrets:\n      CHAT_TOKEN: {required: true}\n"
		}
		text += "jobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps: [{run: ls}]\n"
		files[strings.TrimPrefix(j.GitHub, "./")] = []byte(text)
		if err := render.CheckOwnWorkflow(&j, []byte(text)); err != nil {
			t.Errorf("%s: %v", j.Name, err)
		}
	}
	rewriteIn(t, root, files)
	lintAll(t, root)
}

func TestCheckOwnWorkflow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"on: {workflow_call: {}}\njobs: {x: {permissions: {contents: read}}}": "",
		"on: {workflow_call: {}}\npermissions: {}\njobs: {x: {}}":             "",
		"on: push": `it has no "on: workflow_call"`,
		"on: {workflow_call: {inputs: {x: {required: true}}}}":                                   "it requires an input x, and is called without inputs",
		"on: {workflow_call: {secrets: {B: {required: true}}}}":                                  "it does not name the secret A under workflow_call",
		"on: {workflow_call: {secrets: {A: {}, B: {required: true}}}}":                           "it requires the secret B, which is not listed under secrets",
		"on: {workflow_call: {secrets: {A: {}}}}\njobs: {x: {permissions: write-all}}":           "its job x wants write-all: it is called with contents: read alone",
		"on: {workflow_call: {secrets: {A: {}}}}\npermissions: {packages: write}\njobs: {x: {}}": "its job x wants packages: write: it is called with contents: read alone",
		"on: [push, workflow_call]":                                                              "",
		"on: workflow_call":                                                                      "",
		"on: [":                                                                                  "it cannot be read: yaml: line 1: did not find expected node content",
	} {
		job := model.OwnJob{Name: "x"}
		if strings.Contains(want, "secret") || strings.Contains(text, "secrets") {
			job.Secrets = []string{"A"}
		}
		got := ""
		if err := render.CheckOwnWorkflow(&job, []byte(text)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	both := model.OwnJob{Name: "x", Rights: []string{model.RightIdentity, model.RightRelease}}
	releases := "on: workflow_call\njobs: {x: {permissions: {contents: write, id-token: write}}}"
	if err := render.CheckOwnWorkflow(&both, []byte(releases)); err != nil {
		t.Error(err)
	}
	one := model.OwnJob{Name: "x", Rights: []string{model.RightRelease}}
	if err := render.CheckOwnWorkflow(&one, []byte(releases)); err == nil || err.Error() != "its job x wants id-token: write: it is called with contents: read and the rights release" {
		t.Errorf("a right too much: %v", err)
	}
	job := model.OwnJob{Name: "x", GitLab: ".x"}
	if err := render.CheckOwnHidden(&job, []byte(".x: {script: [ls]}\n.y: !reference [.x, script]\n")); err != nil {
		t.Error(err)
	}
	if err := render.CheckOwnHidden(&job, []byte("x: {script: [ls]}\n")); err == nil {
		t.Error("a job that is not there")
	}
}

// TestOwnJobsAreChecked renders what settings would have refused.
func TestOwnJobsAreChecked(t *testing.T) {
	t.Parallel()
	for _, j := range []model.OwnJob{
		{Name: "${{ x }}"}, {Name: "a", GitHub: "./../x.yml"}, {Name: "a", GitLab: "x"}, {Name: "a", Secrets: []string{"a b"}},
	} {
		j.After = model.StageBuild
		f := withJobs(j)
		p, _, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := render.Render(p, pipeline.GitHub, render.DefaultPins()); err == nil {
			t.Errorf("rendered: %v", j)
		}
	}
}

// TestRightsOfOwnJobs gives a job what it asks for, and nothing to its
// neighbours.
func TestRightsOfOwnJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rights []string
		want   map[string]string
	}{
		{nil, map[string]string{"contents": "read"}},
		{[]string{model.RightIdentity}, map[string]string{"contents": "read", "id-token": "write"}},
		{[]string{model.RightRelease}, map[string]string{"contents": "write"}},
		{[]string{model.RightIdentity, model.RightRelease}, map[string]string{"contents": "write", "id-token": "write"}},
	} {
		files := withJobs(
			model.OwnJob{Name: "other", After: model.StagePromote, GitHub: "./.github/workflows/other.yml"},
			model.OwnJob{Name: "publish", After: model.StagePromote, GitHub: "./.github/workflows/publish.yml", Rights: c.rights},
		).files(t)
		var w struct{ Jobs map[string]ghOwn }
		if err := yaml.Unmarshal(files[".github/workflows/rootfsgen-release.yml"], &w); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, w.Jobs["own-publish"].Permissions); diff != "" {
			t.Errorf("%v: %s", c.rights, diff)
		}
		if diff := cmp.Diff(map[string]string{"contents": "read"}, w.Jobs["own-other"].Permissions); diff != "" {
			t.Errorf("beside %v: %s", c.rights, diff)
		}
	}
}
