package ci

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// goldens are the trees of pipelines that are kept beside the renderer, and
// what this repository has committed for itself.
func goldens(t *testing.T) map[string]string {
	t.Helper()
	root := enginetest.Root(t)
	found, err := filepath.Glob(filepath.Join(root, "generator/render/testdata/*/.github"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no golden trees: %v", err)
	}
	trees := map[string]string{}
	for _, dir := range found {
		tree := filepath.Dir(dir)
		trees[filepath.Base(tree)] = tree
	}
	trees["this repository"] = root
	return trees
}

// TestGitHubParser has every workflow read by GitHub's own parser. Its
// warnings are errors here: a misspelt output is only a warning.
func TestGitHubParser(t *testing.T) {
	t.Parallel()
	node := filepath.Join(enginetest.Root(t), ".cache", "node")
	for name, tree := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := filepath.Glob(filepath.Join(tree, ".github/workflows/*.yml"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no workflows: %v", err)
			}
			args := []string{filepath.Join(node, "ghlint.mjs")}
			for _, f := range files {
				args = append(args, filepath.ToSlash(filepath.Join(".github/workflows", filepath.Base(f))))
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(node, "node"), args...)
			cmd.Dir = tree
			out, err := cmd.CombinedOutput()
			if said := mergeGroup.ReplaceAllString(string(out), ""); err != nil && (said != "" || len(out) == 0) {
				t.Errorf("GitHub's parser: %v\n%s", err, said)
			}
		})
	}
}

// mergeGroup is what the parser says of the one event whose payload is not in
// its tables.
var mergeGroup = regexp.MustCompile(`(?m)^\S*rootfsgen-queue\.yml:\d+:\d+:( \w+:)? Context access might be invalid: merge_group\n`)

// TestGitHubParserFinds shows that the parser is really asked: a job output
// that does not exist must be found.
func TestGitHubParserFinds(t *testing.T) {
	t.Parallel()
	node := filepath.Join(enginetest.Root(t), ".cache", "node")
	dir := t.TempDir()
	r := gittest.At(t, dir)
	r.Write(map[string]string{"w.yml": `on: push
jobs:
  one: {runs-on: ubuntu-24.04, outputs: {a: b}, steps: [{run: "true"}]}
  two: {runs-on: ubuntu-24.04, needs: [one], if: "${{ needs.one.outputs.typo == 'b' }}", steps: [{run: "true"}]}
`})
	cmd := exec.CommandContext(t.Context(), filepath.Join(node, "node"), filepath.Join(node, "ghlint.mjs"), "w.yml")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "typo") {
		t.Errorf("GitHub's parser did not find needs.one.outputs.typo: %v\n%s", err, out)
	}
}

// TestGitLabList asks gitlab-ci-local which jobs of the parent pipeline each
// event starts, and whether the event makes a pipeline at all: neither rules may
// know of one that the others do not. It refuses what does not fit GitLab's
// schema.
func TestGitLabList(t *testing.T) {
	t.Parallel()
	opened := map[string]string{"CI_MERGE_REQUEST_IID": "7", "CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": "-"}
	request := func(source, target string, more ...string) map[string]string {
		v := maps.Clone(opened)
		v["CI_MERGE_REQUEST_SOURCE_PROJECT_ID"], v["CI_MERGE_REQUEST_PROJECT_ID"] = source, target
		for i := 0; i < len(more); i += 2 {
			v[more[i]] = more[i+1]
		}
		return v
	}
	from := func(source string, more ...string) map[string]string {
		v := map[string]string{"CI_PIPELINE_SOURCE": source}
		for i := 0; i < len(more); i += 2 {
			v[more[i]] = more[i+1]
		}
		return v
	}
	elsewhere := []string{"CI_COMMIT_BRANCH", "feature", "CI_COMMIT_REF_NAME", "feature"}
	built := []string{"rootfsgen-images", "rootfsgen-plan", "rootfsgen-reports"}
	requested := []string{"rootfsgen-comment", "rootfsgen-images", "rootfsgen-plan", "rootfsgen-reports"}
	published := []string{"rootfsgen-images", "rootfsgen-manifest", "rootfsgen-plan", "rootfsgen-reports"}
	type event struct {
		name      string
		variables map[string]string
		jobs      []string
	}
	events := []event{
		{"push to main", nil, published},
		{"push to another branch", from("push", elsewhere...), nil},
		{"merge request", request("1", "1", "CI_MERGE_REQUEST_EVENT_TYPE", "detached"), requested},
		{"merge request, merged", request("1", "1", "CI_MERGE_REQUEST_EVENT_TYPE", "merged_result"), requested},
		{"merge request of an older GitLab", request("1", "1"), requested},
		{"merge request from a fork", request("2", "1", "CI_PROJECT_ID", "1"), []string{"rootfsgen-fork"}},
		{"merge request from a fork, in the fork", request("2", "1", "CI_PROJECT_ID", "2"), []string{"rootfsgen-fork"}},
		{"merge train", request("1", "1", "CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), built},
		{"merge train, with a request from a fork", request("2", "1", "CI_MERGE_REQUEST_EVENT_TYPE", "merge_train"), built},
		{"release tag", map[string]string{"CI_COMMIT_TAG": "v1.2.3", "CI_COMMIT_REF_NAME": "v1.2.3", "CI_COMMIT_BRANCH": "-", "CI_COMMIT_REF_PROTECTED": "true"}, []string{"rootfsgen-images", "rootfsgen-manifest", "rootfsgen-plan", "rootfsgen-promote", "rootfsgen-reports"}},
		{"unprotected tag", map[string]string{"CI_COMMIT_TAG": "v1.2.3", "CI_COMMIT_REF_NAME": "v1.2.3", "CI_COMMIT_BRANCH": "-"}, nil},
		{"other tag", map[string]string{"CI_COMMIT_TAG": "nightly", "CI_COMMIT_REF_NAME": "nightly", "CI_COMMIT_BRANCH": "-"}, nil},
		{"by hand", from("web", "ROOTFSGEN_IMAGES", "base"), published},
		{"by hand, on another branch", from("web", elsewhere...), nil},
		{"by the API", from("api"), published},
		{"by a trigger", from("trigger"), published},
		{"by another project's pipeline", from("pipeline"), nil},
		{"time to judge prod", from("schedule", "ROOTFSGEN_SCHEDULE", "rescan"), []string{"rootfsgen-rescan"}},
		{"time for the lock", from("schedule", "ROOTFSGEN_SCHEDULE", "lock"), []string{"rootfsgen-lock"}},
		{"time for the bases", from("schedule", "ROOTFSGEN_SCHEDULE", "bases"), published},
		{"a schedule that does not say what it is", from("schedule"), nil},
		{"a schedule of the lock, on another branch", from("schedule", append([]string{"ROOTFSGEN_SCHEDULE", "lock"}, elsewhere...)...), nil},
		{"a schedule of the bases, on another branch", from("schedule", append([]string{"ROOTFSGEN_SCHEDULE", "bases"}, elsewhere...)...), nil},
	}
	channels := []string{"CI_COMMIT_BRANCH", "rootfsgen/channels", "CI_COMMIT_REF_NAME", "rootfsgen/channels", "CI_COMMIT_REF_PROTECTED"}
	merged := []event{
		{"push of the channels", from("push", append(channels, "true")...), []string{"rootfsgen-merged"}},
		{"push of the channels, whose branch is not protected", from("push", append(channels, "false")...), nil},
	}
	for name, tree := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := listed(t, tree)
			// The rules are the same for every fleet but for one that promotes by
			// request; that GitLab reads them is asked of each.
			ask := events[:1]
			switch name {
			case "small":
				ask = events
			case "keyed":
				ask = slices.Concat(events[:1], merged)
			}
			for _, e := range ask {
				jobs, pipeline := f.starts(e.variables)
				if diff := cmp.Diff(e.jobs, jobs); diff != "" {
					t.Errorf("%s: jobs that start (-want +got):\n%s", e.name, diff)
				}
				if pipeline != (len(e.jobs) > 0) {
					t.Errorf("%s: makes a pipeline: %v", e.name, pipeline)
				}
			}
		})
	}
}

// listed is a repository with the pipelines of a tree.
func listed(t *testing.T, tree string) *fleet {
	t.Helper()
	f := &fleet{t: t, Repo: gittest.New(t), scratch: t.TempDir()}
	f.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + f.scratch, "LANG=C.UTF-8"}
	files := map[string]string{}
	paths := []string{".gitlab-ci.yml", ".gitlab/rootfsgen/pipeline.yml", ".gitlab/rootfsgen/fleet.yml"}
	own, err := filepath.Glob(filepath.Join(tree, ".gitlab", "*.yml")) // what a pipeline's own jobs are made of
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range own {
		paths = append(paths, ".gitlab/"+filepath.Base(file))
	}
	for _, path := range paths {
		b, err := os.ReadFile(filepath.Join(tree, path))
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(b)
	}
	files[".gitlab-ci.yml"] += ruled(t, files[".gitlab-ci.yml"])
	f.Commit(files)
	f.Git("remote", "add", "origin", "https://gitlab.example.com/acme/images.git")
	f.Git("update-ref", "refs/remotes/origin/main", "HEAD")
	f.Git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	return f
}

// aPipeline is the job that stands for the whole pipeline.
const aPipeline = "a-pipeline"

// ruled is a job that has the rules of a file's pipelines: gitlab-ci-local looks
// at those of jobs alone.
func ruled(t *testing.T, text string) string {
	t.Helper()
	var file struct {
		Workflow struct{ Rules []map[string]any }
	}
	if err := yaml.Unmarshal([]byte(text), &file); err != nil || len(file.Workflow.Rules) == 0 {
		t.Fatalf("%d rules of a workflow: %v", len(file.Workflow.Rules), err)
	}
	for _, r := range file.Workflow.Rules {
		delete(r, "auto_cancel") // which a job's rules do not have
	}
	job, err := yaml.Marshal(map[string]any{aPipeline: map[string]any{"stage": "rootfsgen-plan", "script": []string{"true"}, "rules": file.Workflow.Rules}})
	if err != nil {
		t.Fatal(err)
	}
	return "\n" + string(job)
}

// starts lists the jobs that an event starts, sorted, and tells whether it makes
// a pipeline at all.
func (f *fleet) starts(variables map[string]string) (names []string, pipeline bool) {
	f.t.Helper()
	out, errs, err := f.gitlabCILocal(append([]string{"--list-json"}, gitlabVariables(variables)...)...)
	if err != nil {
		f.t.Fatalf("gitlab-ci-local: %v\n%s", err, errs)
	}
	var jobs []struct{ Name, When string }
	if err := json.Unmarshal([]byte(out), &jobs); err != nil {
		f.t.Fatalf("reading gitlab-ci-local's list: %v\n%s", err, out)
	}
	for _, j := range jobs {
		switch {
		case j.When == "never" || j.When == "manual": // which a person starts, or the end of a request
		case j.Name == aPipeline:
			pipeline = true
		default:
			names = append(names, j.Name)
		}
	}
	slices.Sort(names)
	return names, pipeline
}

// TestNothingKnowsItsExecutor makes sure that no pipeline asks who runs it.
func TestNothingKnowsItsExecutor(t *testing.T) {
	t.Parallel()
	words := regexp.MustCompile(`(?i)\b(?:act|nektos|gitlab-ci-local|gcl)\b|CI_ORIGIN|CI_ARTIFACTS`)
	for name, tree := range goldens(t) {
		for _, pattern := range []string{".github/workflows/*.yml", ".gitlab-ci.yml", ".gitlab/rootfsgen/*.yml"} {
			files, err := filepath.Glob(filepath.Join(tree, pattern))
			if err != nil || len(files) == 0 {
				t.Errorf("%s: no files %s: %v", name, pattern, err)
			}
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if m := words.Find(b); m != nil {
					t.Errorf("%s mentions %q", file, m)
				}
			}
		}
	}
}
