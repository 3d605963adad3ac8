package render_test

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// The policy that every generated workflow keeps to, whatever the fleet.

type policyJob struct {
	Name        any
	Uses        string
	If          string
	RunsOn      any `yaml:"runs-on"`
	Permissions map[string]string
	Timeout     any `yaml:"timeout-minutes"`
	Environment string
	Strategy    *struct {
		FailFast *bool `yaml:"fail-fast"`
	}
	Secrets   any
	Container any
	Services  any
	Env       map[string]string
	Steps     []policyStep
}

type policyStep struct {
	Name, Uses, Run, If string
	With                map[string]any
	Env                 map[string]string
}

type policyFile struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency *struct {
		Group  string
		Cancel bool `yaml:"cancel-in-progress"`
	}
	Defaults struct{ Run struct{ Shell string } }
	Jobs     map[string]policyJob
}

// login is the registry's login that a job reads; TestLoginOfEachScope looks at
// who hands it on.
func login(id string) string {
	scope := map[string]string{"plan": "READ", "lock": "READ", "rescan": "READ", "purge": "PR", "manifest": "TESTING", "promote": "PROD"}[id]
	if scope == "" {
		return "${{ secrets.ROOTFSGEN_REGISTRY_AUTH }}"
	}
	return "${{ secrets.ROOTFSGEN_REGISTRY_AUTH_" + scope + " || secrets.ROOTFSGEN_REGISTRY_AUTH }}"
}

var handedLogin = regexp.MustCompile(`^map\[ROOTFSGEN_REGISTRY_AUTH:\$\{\{ (secrets\.ROOTFSGEN_REGISTRY_AUTH_(PR|TESTING) \|\| )?secrets\.ROOTFSGEN_REGISTRY_AUTH \}\}( ROOTFSGEN_REGISTRY_AUTH_READ:\$\{\{ secrets\.ROOTFSGEN_REGISTRY_AUTH_READ \}\})?\]$`)

// forgeToken is read where a request is opened, and nowhere else.
const forgeToken = "${{ secrets.ROOTFSGEN_FORGE_TOKEN }}"

// mayWrite are the jobs that may push, and what keeps others from it.
var mayWrite = []string{"lock", "manifest", "promote"}

func TestGitHubPolicy(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		all := f.files(t)
		for file, text := range all {
			if !strings.HasPrefix(file, ".github/workflows/") {
				continue
			}
			var w policyFile
			if err := yaml.Unmarshal(text, &w); err != nil {
				t.Fatal(err)
			}
			checkWorkflow(t, name+"/"+file, &w)
			for id, job := range w.Jobs {
				checkJob(t, fmt.Sprintf("%s/%s %s", name, file, id), id, &job)
				checkCallee(t, name+"/"+file+" "+id, all, &job)
			}
		}
	}
}

func checkWorkflow(t *testing.T, at string, w *policyFile) {
	t.Helper()
	if w.Name == "" || w.Permissions == nil || len(w.Permissions) != 0 {
		t.Errorf("%s: no name, or permissions at the top: %v", at, w.Permissions)
	}
	if w.Defaults.Run.Shell != "bash" {
		t.Errorf("%s: scripts do not run in bash", at)
	}
	for event := range w.On {
		if event == "workflow_run" && w.Name == watchdogName {
			continue // TestWatchdog looks at it
		}
		if !slices.Contains([]string{"push", "pull_request", "merge_group", "schedule", "workflow_dispatch", "workflow_call"}, event) {
			t.Errorf("%s: is started by %s", at, event)
		}
	}
	_, called := w.On["workflow_call"]
	if called != (w.Concurrency == nil) {
		t.Errorf("%s: the one that is started, and no other, has a concurrency group", at)
	}
	pull, _ := w.On["pull_request"].(map[string]any)
	newer := w.On["pull_request"] != nil && pull["types"] == nil // a closed request has no newer run
	if w.Concurrency != nil && w.Concurrency.Cancel != (newer || w.On["merge_group"] != nil) {
		t.Errorf("%s: cancels what it must not, or does not cancel a request", at)
	}
}

// TestNothingCancelsARelease looks at what shares a group with a release: only
// a release of the same tag, or GitHub would cancel the one that waits.
func TestNothingCancelsARelease(t *testing.T) {
	t.Parallel()
	groups := map[string]string{}
	for file, text := range fixtures()["small"].files(t) {
		if !strings.HasPrefix(file, ".github/workflows/") {
			continue
		}
		var w policyFile
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		if w.Concurrency != nil {
			groups[path.Base(file)] = w.Concurrency.Group
		}
	}
	want := map[string]string{
		"rootfsgen-push.yml":    "${{ format('rootfsgen-push-{0}', github.sha) }}",
		"rootfsgen-release.yml": "${{ format('rootfsgen-release-{0}', github.ref) }}",
		"rootfsgen-queue.yml":   "${{ format('rootfsgen-queue-{0}', github.ref) }}",
		"rootfsgen-manual.yml":  "${{ format('rootfsgen-manual-{0}', github.run_id) }}",
		"rootfsgen-lock.yml":    "rootfsgen-lock",
		"rootfsgen-bases.yml":   "rootfsgen-bases",
		"rootfsgen-rescan.yml":  "rootfsgen-rescan",
		"rootfsgen-closed.yml":  "${{ format('rootfsgen-closed-{0}', github.event.pull_request.number) }}",
		"rootfsgen-request.yml": "${{ format('rootfsgen-request-{0}', github.event.pull_request.number) }}",
	}
	if d := cmp.Diff(want, groups); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func checkJob(t *testing.T, at, id string, j *policyJob) {
	t.Helper()
	if j.Name == nil || j.Permissions == nil || j.Container != nil || j.Services != nil || j.Env != nil {
		t.Errorf("%s: no name, no permissions, or something that is not used here", at)
	}
	for scope, access := range j.Permissions {
		offers := slices.Contains([]string{"lock", "comment"}, id) && scope == "pull-requests" // opens one, comments on one
		watches := id == "watchdog"                                                            // which TestWatchdog looks at
		tells := id == "rescan" && scope == "issues" && access == "write"
		if !offers && !watches && !tells && (scope != "contents" || access != "read" && !slices.Contains(mayWrite, id)) {
			t.Errorf("%s: may %s %s", at, access, scope)
		}
	}
	// Secrets are handed on by name, never all of them.
	if handed := fmt.Sprint(j.Secrets); j.Uses == "" && j.Secrets != nil || j.Uses != "" && !handedLogin.MatchString(handed) {
		t.Errorf("%s: hands on %s", at, handed)
	}
	if j.Uses == "" && (j.Timeout == nil || j.RunsOn == nil) {
		t.Errorf("%s: no time limit or no machine", at)
	}
	if j.Strategy != nil && (j.Strategy.FailFast == nil || *j.Strategy.FailFast) {
		t.Errorf("%s: one leg ends the others", at)
	}
	if (id == "promote") != (j.Environment == "prod") {
		t.Errorf("%s: environment %q", at, j.Environment)
	}
	// Each of these jobs writes what it made to a folder for people.
	if made := slices.Contains([]string{"build", "test", "merge", "fork", "rescan"}, id); j.Uses == "" && made != slices.ContainsFunc(j.Steps, keepsReports) {
		t.Errorf("%s: reports are thrown away, or kept where there are none", at)
	}
	for _, s := range j.Steps {
		checkStep(t, at+": "+s.Name, &s, login(id))
		asks := slices.Contains([]string{"Plan", "Show the plan", "Build", "Test", "Merge", "Show what changed", "Write the testing channel", "Write the prod channel", "Offer what moved",
			"List what is inside", "Scan", "Judge by the scan policy", "Scan what is promoted", "Write the release's notes", "Judge what prod runs", "Remove the request's images"}, s.Name)
		if asks != (s.Env["DOCKER_AUTH_CONFIG"] == login(id)) {
			t.Errorf("%s: %s: a step has the registry's login, and no other, when it speaks to it", at, s.Name)
		}
		if _, has := s.Env["ROOTFSGEN_PUSH_TOKEN"]; has && !slices.Contains(mayWrite, id) && id != "rescan" { // which reads the channel with it
			t.Errorf("%s: has a token", at)
		}
	}
}

func keepsReports(s policyStep) bool {
	return strings.HasPrefix(s.Uses, "actions/upload-artifact@") && s.With["path"] == pipeline.Reports && s.If == "${{ !cancelled() }}"
}

var pinnedUse = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+@[0-9a-f]{40}$`)

func checkStep(t *testing.T, at string, s *policyStep, login string) {
	t.Helper()
	if s.Uses != "" && !pinnedUse.MatchString(s.Uses) {
		t.Errorf("%s: %s is not a commit", at, s.Uses)
	}
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s: an expression in a script", at)
	}
	if s.Name == "" || (s.Run == "") == (s.Uses == "") {
		t.Errorf("%s: has no name, or does not do one thing", at)
	}
	if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
		t.Errorf("%s: leaves credentials behind", at)
	}
	for name, v := range s.Env {
		if name == "DOCKER_AUTH_CONFIG" && v == login || name == "ROOTFSGEN_FORGE_TOKEN" && v == forgeToken && s.Name == "Offer what moved" {
			continue
		}
		if !strings.HasPrefix(name, "ROOTFSGEN_") || strings.Contains(v, "secrets.") || strings.Contains(v, "head_ref") {
			t.Errorf("%s: %s=%s", at, name, v)
		}
	}
}

// checkCallee holds the permissions of a called workflow against its
// caller's: GitHub refuses a run that asks for more, and no linter sees it.
func checkCallee(t *testing.T, at string, all render.Files, j *policyJob) {
	t.Helper()
	if j.Uses == "" {
		return
	}
	text, found := all[strings.TrimPrefix(j.Uses, "./")]
	if !found {
		t.Errorf("%s: calls %s, which is not there", at, j.Uses)
		return
	}
	var callee policyFile
	if err := yaml.Unmarshal(text, &callee); err != nil {
		t.Fatal(err)
	}
	for id, job := range callee.Jobs {
		for scope, access := range job.Permissions {
			if have := j.Permissions[scope]; have != access && have != "write" {
				t.Errorf("%s: job %s of %s wants %s: %s, the caller has %q", at, id, j.Uses, scope, access, have)
			}
		}
	}
}

// TestForksGetNoMachineOfOurs looks at what a request from a fork starts.
func TestForksGetNoMachineOfOurs(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	f.fleet.Settings.Runners = maps.Clone(f.fleet.Settings.Runners)
	f.fleet.Settings.Runners[model.RunnerHosted] = model.Runner{GitHub: []string{"ubuntu-hosted"}, GitLab: []string{"hosted"}}
	var w policyFile
	if err := yaml.Unmarshal(f.files(t)[".github/workflows/rootfsgen-request.yml"], &w); err != nil {
		t.Fatal(err)
	}
	for id, job := range w.Jobs {
		own := strings.Contains(job.If, "github.event.pull_request.head.repo.full_name == github.event.repository.full_name")
		if labels := fmt.Sprint(job.RunsOn); !own && labels != "[ubuntu-hosted]" {
			t.Errorf("%s runs for forks, on %s", id, labels)
		}
		if own != (id == "fleet" || id == "comment") {
			t.Errorf("%s: own %v", id, own)
		}
		if text := fmt.Sprint(job); !own && strings.Contains(text, "secrets.") {
			t.Errorf("%s runs for forks, and reads a secret: %s", id, text)
		}
		if job.Environment != "" || job.Permissions["contents"] == "write" {
			t.Errorf("%s may do too much for a request", id)
		}
	}
}

func TestPinsStandBesideTheirVersion(t *testing.T) {
	t.Parallel()
	uses := regexp.MustCompile(`uses: ([a-z0-9-]+/[a-z0-9-]+)@([0-9a-f]{40}) # (\S+)\n`)
	pins := render.DefaultPins()
	for name, f := range fixtures() {
		for file, text := range f.files(t) {
			found := uses.FindAllStringSubmatch(string(text), -1)
			for _, m := range found {
				if p := pins[m[1]]; p.Commit != m[2] || p.Version != m[3] {
					t.Errorf("%s/%s: %s is not the pin %v", name, file, m[0], p)
				}
			}
			if strings.HasPrefix(file, ".github/workflows/") && len(found) != strings.Count(string(text), "uses: ")-strings.Count(string(text), "uses: ./") {
				t.Errorf("%s/%s: an action without a pin", name, file)
			}
		}
	}
}

func TestGitLabPolicy(t *testing.T) {
	t.Parallel()
	for name, f := range fixtures() {
		for file, text := range f.files(t) {
			if !strings.HasPrefix(file, ".gitlab") {
				continue
			}
			var doc map[string]any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			for id, v := range doc {
				job, is := v.(map[string]any)
				if !is || id == "workflow" || id == "variables" {
					continue
				}
				checkGitLabJob(t, name+"/"+file+" "+id, id, job, doc)
			}
		}
	}
}

func checkGitLabJob(t *testing.T, at, id string, job, doc map[string]any) {
	t.Helper()
	get := func(key string) any {
		if v, has := job[key]; has {
			return v
		}
		base, _ := doc[fmt.Sprint(job["extends"])].(map[string]any)
		return base[key]
	}
	// A job for somebody else's code drops it.
	if text := fmt.Sprint(job); strings.Contains(text, "DOCKER_AUTH_CONFIG") != (id == "rootfsgen-fork") {
		t.Errorf("%s: names the login, which is a masked variable of the project", at)
	}
	for _, key := range []string{"only", "except", "services", "image", "before_script"} {
		if get(key) != nil {
			t.Errorf("%s: uses %s", at, key)
		}
	}
	if get("rules") == nil {
		t.Errorf("%s: has no rules", at)
	}
	if job["trigger"] != nil {
		if m, _ := job["trigger"].(map[string]any); m["strategy"] != "depend" || job["script"] != nil {
			t.Errorf("%s: does not wait for its child", at)
		}
		return
	}
	if get("timeout") == nil || get("script") == nil || get("interruptible") == nil || get("tags") == nil && !strings.HasPrefix(id, ".") {
		t.Errorf("%s: lacks a time limit, a script, tags, or whether it may be interrupted", at)
	}
	if made := slices.Contains([]string{".rootfsgen-build", ".rootfsgen-test", ".rootfsgen-merge", "rootfsgen-fork", "rootfsgen-reports", "rootfsgen-rescan"}, id); made != strings.Contains(fmt.Sprint(job["artifacts"]), pipeline.Reports) {
		t.Errorf("%s: reports are thrown away, or kept where there are none", at)
	}
	promote := strings.HasSuffix(id, "promote") || id == "rootfsgen-merged"
	own := strings.Contains(fmt.Sprint(get("environment")), "rootfsgen/mr-$CI_MERGE_REQUEST_IID") // what GitLab ends with the request
	if promote != (get("resource_group") != nil) || promote != (get("environment") != nil && !own) {
		t.Errorf("%s: only a promotion has an environment that others have, and a resource group", at)
	}
	if own != (id == "rootfsgen-comment" || id == "rootfsgen-purge") {
		t.Errorf("%s: environment %v", at, get("environment"))
	}
	if promote && get("interruptible") != false {
		t.Errorf("%s: a promotion may be interrupted", at)
	}
	if text := fmt.Sprint(job); strings.Contains(text, "changes:") || strings.Contains(text, "CI_COMMIT_MESSAGE") || strings.Contains(text, "CI_COMMIT_TITLE") {
		t.Errorf("%s: reads what people can write into a commit", at)
	}
}
