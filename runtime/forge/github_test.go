package forge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// pauses records how long a client would have waited.
type pauses struct{ all []time.Duration }

func (p *pauses) sleep(ctx context.Context, d time.Duration) error {
	p.all = append(p.all, d)
	return context.Cause(ctx)
}

// github is a fake GitHub whose every answer is held against the description
// when the test ends, and a client of it.
func github(t *testing.T) (*forgetest.Hub, forge.Client, *pauses) {
	t.Helper()
	h := forgetest.NewGitHub(t, "acme", "images")
	t.Cleanup(func() { checkAnswers(t, h) })
	p := &pauses{}
	c, err := forge.New(forge.Options{Forge: forge.GitHub, API: h.URL, Project: "acme/images", Token: forgetest.Token, Sleep: p.sleep})
	if err != nil {
		t.Fatal(err)
	}
	return h, c, p
}

func check(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(forge.Job{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func ok[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestGitHubRun(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Put(forgetest.Run{ID: 7, Workflow: "rootfsgen push", Commit: commit, Jobs: []forgetest.Job{
		{ID: 1, Name: "plan", Steps: []forgetest.Step{{Name: "Plan", Conclusion: "success"}}},
		{ID: 2, Name: "build", Conclusion: "failure", Labels: []string{"spot"}, Steps: []forgetest.Step{{Name: "Build", Conclusion: "cancelled"}, {Name: "Test"}}, Notes: []string{"gone", "Process completed with exit code 143."}},
		{ID: 3, Name: "merge", Conclusion: "skipped"},
	}})
	check(t, ok[*forge.Run](t)(c.Run(t.Context(), 7)), &forge.Run{
		Forge: "github", ID: 7, Name: "rootfsgen push", Attempt: 1, Done: true, Conclusion: forge.Failure, Event: "push", Ref: "main", Commit: commit,
		URL: "http://github.test/acme/images/actions/runs/7",
		Jobs: []forge.Job{
			{ID: 1, Name: "plan", Conclusion: forge.Success, Machine: "machine of plan", Started: forgetest.Begin, Ended: forgetest.Begin.Add(10 * time.Minute), Steps: []forge.Step{{"Plan", forge.Success}}},
			{
				ID: 2, Name: "build", Conclusion: forge.Failure, ExitCode: 143, Machine: "machine of build", Labels: []string{"spot"}, Started: forgetest.Begin.Add(time.Minute), Ended: forgetest.Begin.Add(11 * time.Minute),
				Steps: []forge.Step{{"Build", forge.Cancelled}, {"Test", ""}}, Notes: []string{"gone", "Process completed with exit code 143."},
			},
			{ID: 3, Name: "merge", Conclusion: forge.Skipped, Started: forgetest.Begin, Ended: time.Time{}.Add(10 * time.Minute)},
		},
	})
	if _, err := c.Run(t.Context(), 8); !errors.Is(err, forge.ErrAbsent) {
		t.Errorf("a run that is not there: %v", err)
	}
}

func TestGitHubTried(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Put(forgetest.Run{ID: 7, Workflow: "rootfsgen push", Commit: commit})
	h.Put(forgetest.Run{ID: 8, Workflow: "rootfsgen request", Event: "pull_request", Commit: commit, Jobs: []forgetest.Job{{ID: 1, Name: "plan"}}})
	h.Put(forgetest.Run{ID: 9, Workflow: "rootfsgen request", Event: "pull_request", Commit: commit})
	h.Put(forgetest.Run{ID: 10, Workflow: "rootfsgen request", Event: "pull_request", Commit: "another"})
	runs := ok[[]*forge.Run](t)(c.Tried(t.Context(), commit))
	if len(runs) != 2 || runs[0].ID != 9 || runs[1].ID != 8 || len(runs[1].Jobs) != 1 {
		t.Errorf("%+v", runs)
	}
}

// TestGitHubPages reads more jobs and annotations than one page has.
func TestGitHubPages(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	r := forgetest.Run{ID: 7, Commit: commit}
	for i := range 250 {
		r.Jobs = append(r.Jobs, forgetest.Job{ID: int64(i + 1), Name: fmt.Sprint("build ", i)})
	}
	for i := range 150 {
		r.Jobs[0].Notes = append(r.Jobs[0].Notes, fmt.Sprint("note ", i))
	}
	r.Jobs[0].Conclusion = "failure"
	h.Put(r)
	run := ok[*forge.Run](t)(c.Run(t.Context(), 7))
	if len(run.Jobs) != 250 || run.Jobs[249].Name != "build 249" || len(run.Jobs[0].Notes) != 150 {
		t.Errorf("%d jobs, %d notes", len(run.Jobs), len(run.Jobs[0].Notes))
	}
}

// TestGitHubReruns counts executions: an attempt lists what it did not run
// again, too.
func TestGitHubReruns(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{
		{ID: 1, Name: "plan"}, {ID: 2, Name: "a", Needs: []string{"plan"}, Conclusion: "failure"}, {ID: 3, Name: "b", Needs: []string{"a"}, Conclusion: "skipped"},
		{ID: 4, Name: "c", Needs: []string{"plan"}, Conclusion: "cancelled"},
	}})
	if err := c.RerunJob(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var refused *forge.Denied
	if err := c.RerunJob(t.Context(), 2); err == nil || errors.As(err, &refused) {
		t.Errorf("a job of an earlier attempt: %v", err)
	}
	if err := c.RerunFailed(t.Context(), 7); !errors.As(err, &refused) || !strings.Contains(err.Error(), "already running") {
		t.Errorf("while it runs: %v", err)
	}
	h.Finish(7, map[string]forgetest.Job{"a": {Conclusion: "failure"}, "b": {Conclusion: "skipped"}})
	if err := c.RerunFailed(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	h.Finish(7, nil)
	run := ok[*forge.Run](t)(c.Run(t.Context(), 7))
	check(t, run.Attempt, 3)
	check(t, ok[map[string]int](t)(c.Executions(t.Context(), run)), map[string]int{"plan": 1, "a": 3, "b": 1, "c": 2})
}

func TestGitHubTips(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Heads["feature/x"], h.Tags["v1"] = commit, commit
	check(t, ok[forge.Tips](t)(c.Tips(t.Context(), "feature/x")), forge.Tips{Branch: commit})
	check(t, ok[forge.Tips](t)(c.Tips(t.Context(), "v1")), forge.Tips{Tag: commit})
	check(t, ok[forge.Tips](t)(c.Tips(t.Context(), "gone")), forge.Tips{})
}

const marker = "<!-- rootfsgen:plan -->"

func TestGitHubComment(t *testing.T) {
	t.Parallel()
	for _, robot := range []bool{false, true} {
		t.Run(fmt.Sprint("robot ", robot), func(t *testing.T) {
			t.Parallel()
			h, c, _ := github(t)
			h.Robot = robot
			h.Comments = []forgetest.Comment{{ID: 1, Request: 5, Author: "mallory", Body: marker + "\nnot ours"}, {ID: 2, Request: 6, Body: marker + "\nof another request"}}
			for _, body := range []string{"first", "second", "second"} {
				if err := c.UpsertComment(t.Context(), 5, marker, body); err != nil {
					t.Fatal(err)
				}
			}
			check(t, h.Changes(), []string{"POST /repos/acme/images/issues/5/comments", "PATCH /repos/acme/images/issues/comments/1001"})
			check(t, h.Comments[2].Body, marker+"\nsecond")
			check(t, h.Comments[0].Body, marker+"\nnot ours")
		})
	}
}

// TestGitHubCommentOnce cuts the answer to the request that adds the comment:
// it was added, and must not be a second time.
func TestGitHubCommentOnce(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Break(forgetest.Fault{Method: "POST", Path: "/repos/acme/images/issues/5/comments", Status: 502, Message: "Server Error", Done: true})
	if err := c.UpsertComment(t.Context(), 5, marker, "text"); err != nil {
		t.Fatal(err)
	}
	check(t, len(h.Comments), 1)
}

func TestGitHubRequest(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	r := forge.Request{Branch: "rootfsgen/lock", Base: "main", Title: "Refresh images.lock", Body: "what moved"}
	first := ok[string](t)(c.UpsertRequest(t.Context(), r))
	check(t, ok[string](t)(c.UpsertRequest(t.Context(), r)), first)
	r.Body = "more moved"
	check(t, ok[string](t)(c.UpsertRequest(t.Context(), r)), first)
	check(t, h.Changes(), []string{"POST /repos/acme/images/pulls", "PATCH /repos/acme/images/pulls/1001"})
	check(t, h.Requests, []forgetest.Request{{Number: 1001, Branch: "rootfsgen/lock", Base: "main", Title: "Refresh images.lock", Body: "more moved"}})
}

func TestGitHubSetup(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Heads["main"], h.Heads["feature/x"] = commit, commit
	h.Required, h.RuleChecks, h.Queue, h.TagRules = []string{"old"}, []string{"rootfsgen / result"}, true, []string{"refs/tags/v*", "~ALL"}
	h.Environments = []forgetest.HubEnvironment{{Name: "prod", Reviewers: true, Protected: true}, {Name: "testing"}, {Name: "image-a.b/c", Tags: []string{"v*"}, Branches: []string{"main"}}}
	h.Runners = []forgetest.HubRunner{{Name: "m1", Labels: []string{"self-hosted", "spot"}, Online: true}, {Name: "m2"}}
	h.Variables, h.Secrets = map[string]string{"REGION": "eu"}, []string{"TOKEN"}
	h.Workflows["rootfsgen-schedule.yml"], h.Workflows["rootfsgen-push.yml"] = "disabled_fork", "active"
	ctx := t.Context()
	check(t, ok[*forge.Repository](t)(c.Repository(ctx)), &forge.Repository{DefaultBranch: "main", Private: true, URL: "http://github.test/acme/images"})
	check(t, ok[*forge.Branch](t)(c.Branch(ctx, "main")), &forge.Branch{Name: "main", Commit: commit, Protected: true, Required: []string{"old", "rootfsgen / result"}, Queue: true})
	check(t, ok[*forge.Branch](t)(c.Branch(ctx, "feature/x")), &forge.Branch{Name: "feature/x", Commit: commit})
	check(t, ok[[]string](t)(c.ProtectedTags(ctx)), []string{"*", "v*"})
	check(t, ok[[]forge.Environment](t)(c.Environments(ctx)), []forge.Environment{
		{Name: "prod", Approvals: true, Restrict: true, Protected: true}, {Name: "testing"},
		{Name: "image-a.b/c", Restrict: true, Branches: []string{"main"}, Tags: []string{"v*"}},
	})
	check(t, ok[string](t)(c.Outsiders(ctx)), "") // it is private
	h.Public, h.Fork = true, true
	check(t, ok[string](t)(c.Outsiders(ctx)), "first_time_contributors")
	check(t, ok[*forge.Repository](t)(c.Repository(ctx)), &forge.Repository{DefaultBranch: "main", Fork: true, URL: "http://github.test/acme/images"})
	check(t, ok[[]forge.Runner](t)(c.Runners(ctx)), []forge.Runner{{"m1", []string{"self-hosted", "spot"}, true}, {"m2", nil, false}})
	check(t, ok[[]forge.Variable](t)(c.Variables(ctx)), []forge.Variable{{Name: "REGION", Value: "eu"}, {Name: "TOKEN", Secret: true}})
	check(t, ok[[]forge.Schedule](t)(c.Schedules(ctx)), []forge.Schedule{{Name: "rootfsgen-push.yml", Active: true}, {Name: "rootfsgen-schedule.yml", Why: "disabled_fork"}})
	if _, err := c.Branch(ctx, "gone"); !errors.Is(err, forge.ErrAbsent) {
		t.Errorf("a branch that is not there: %v", err)
	}
	checkFile(t, c, func(files map[string]string) { h.Files = files })
}

// checkFile reads a file whose path must be escaped, and one that is not there.
func checkFile(t *testing.T, c forge.Client, set func(map[string]string)) {
	t.Helper()
	set(map[string]string{"a/branch:.github/a file.yml": "on: push\n"})
	if b, err := c.File(t.Context(), "a/branch", ".github/a file.yml"); err != nil || string(b) != "on: push\n" {
		t.Errorf("a file: %q, %v", b, err)
	}
	for _, where := range [][2]string{{"a/branch", "other"}, {"other", ".github/a file.yml"}} {
		if b, err := c.File(t.Context(), where[0], where[1]); !errors.Is(err, forge.ErrAbsent) {
			t.Errorf("a file that is not there: %q, %v", b, err)
		}
	}
}
