package forge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

func gitlab(t *testing.T) (*forgetest.Lab, forge.Client) {
	t.Helper()
	l := forgetest.NewGitLab(t, "acme/images")
	c, err := forge.New(forge.Options{Forge: forge.GitLab, API: l.URL + "/api/v4", Project: "acme/images", Token: forgetest.Token, Sleep: (&pauses{}).sleep})
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}

func TestGitLabRun(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{
		{ID: 1, Name: "plan"},
		{ID: 2, Name: "build", Conclusion: "failed", Reason: "runner_system_failure", Labels: []string{"spot"}},
		{ID: 3, Name: "merge", Conclusion: "skipped"},
	}})
	l.Break(forgetest.Fault{Path: "/api/v4/projects/acme*images/pipelines/7", Status: 502}, forgetest.Fault{Path: "/api/v4/projects/acme/images/pipelines/7/jobs"})
	run := ok[*forge.Run](t)(c.Run(t.Context(), 7))
	check(t, run, &forge.Run{
		Forge: "gitlab", ID: 7, Attempt: 1, Done: true, Conclusion: forge.Failure, Event: "push", Ref: "main", Commit: commit, URL: "http://gitlab.test/acme/images/-/pipelines/7",
		Jobs: []forge.Job{
			{ID: 1, Name: "plan", Conclusion: forge.Success, Machine: "machine of plan", Started: forgetest.Begin, Ended: forgetest.Begin.Add(10 * time.Minute)},
			{ID: 2, Name: "build", Conclusion: forge.Failure, Reason: "runner_system_failure", Machine: "machine of build", Labels: []string{"spot"}, Started: forgetest.Begin.Add(time.Minute), Ended: forgetest.Begin.Add(11 * time.Minute)},
			{ID: 3, Name: "merge", Conclusion: forge.Skipped},
		},
	})
	if err := c.RerunJob(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	check(t, l.Changes(), []string{"POST /api/v4/projects/acme%2Fimages/jobs/2/retry"})
	check(t, ok[map[string]int](t)(c.Executions(t.Context(), run)), map[string]int{"plan": 1, "build": 1})
	if _, err := c.Run(t.Context(), 8); !errors.Is(err, forge.ErrAbsent) {
		t.Errorf("a pipeline that is not there: %v", err)
	}
}

func TestGitLabTried(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Put(forgetest.Run{ID: 7, Commit: commit})
	l.Put(forgetest.Run{ID: 8, Event: "merge_request_event", Commit: commit, Jobs: []forgetest.Job{{ID: 1, Name: "rootfsgen-plan"}}})
	l.Put(forgetest.Run{ID: 9, Event: "parent_pipeline", Commit: commit, Parent: 8, Jobs: []forgetest.Job{{ID: 2, Name: "build:base:amd64"}}})
	runs := ok[[]*forge.Run](t)(c.Tried(t.Context(), commit))
	if len(runs) != 2 || runs[0].ID != 8 || runs[1].ID != 9 || runs[1].Jobs[0].Name != "build:base:amd64" {
		t.Errorf("%+v", runs)
	}
}

func TestGitLabTips(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Heads["feature/x"], l.Tags["v1"] = commit, commit
	check(t, ok[forge.Tips](t)(c.Tips(t.Context(), "feature/x")), forge.Tips{Branch: commit})
	check(t, ok[forge.Tips](t)(c.Tips(t.Context(), "v1")), forge.Tips{Tag: commit})
}

func TestGitLabComment(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Comments = []forgetest.Comment{{ID: 1, Request: 5, Author: "mallory", Body: marker + "\nnot ours"}}
	l.Break(forgetest.Fault{Method: "POST", Path: "/api/v4/projects/*/*/merge_requests/5/notes", Status: 500, Done: true})
	for _, body := range []string{"first", "second", "second"} {
		if err := c.UpsertComment(t.Context(), 5, marker, body); err != nil {
			t.Fatal(err)
		}
	}
	check(t, l.Changes(), []string{"POST /api/v4/projects/acme%2Fimages/merge_requests/5/notes", "PUT /api/v4/projects/acme%2Fimages/merge_requests/5/notes/1001"})
	check(t, len(l.Comments), 2)
	check(t, l.Comments[1].Body, marker+"\nsecond")
}

func TestGitLabRequest(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	r := forge.Request{Branch: "rootfsgen/lock", Base: "main", Title: "Refresh images.lock", Body: "what moved"}
	first := ok[string](t)(c.UpsertRequest(t.Context(), r))
	check(t, ok[string](t)(c.UpsertRequest(t.Context(), r)), first)
	r.Body = "more moved"
	check(t, ok[string](t)(c.UpsertRequest(t.Context(), r)), first)
	check(t, len(l.Changes()), 2)
	check(t, l.Requests[0].Body, "more moved")
}

func TestGitLabSetup(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Heads["main"], l.MustSucceed, l.Trains, l.ProtectedTags = commit, true, true, []string{"v*"}
	l.Environments = []forgetest.LabEnvironment{{Name: "prod", Approvals: 1}}
	l.Runners = []forgetest.HubRunner{{Name: "m1", Labels: []string{"linux", "spot"}, Online: true}}
	l.Variables = []forgetest.LabVariable{{Name: "ROOTFSGEN_PUSH_TOKEN", Masked: true, Protected: true}, {Name: "NPM", Masked: true, Scope: "image-app"}}
	l.Schedules = []forgetest.LabSchedule{
		{Description: "lock", Cron: "17 5 * * 1-5", Ref: "refs/heads/main", Active: true, Variables: map[string]string{"ROOTFSGEN_SCHEDULE": "lock", "TOKEN": "secret"}},
		{Description: "other", Cron: "1 1 * * *", Ref: "main"},
	}
	ctx := t.Context()
	check(t, ok[*forge.Repository](t)(c.Repository(ctx)), &forge.Repository{DefaultBranch: "main", Private: true, URL: "http://gitlab.test/acme/images"})
	check(t, ok[*forge.Branch](t)(c.Branch(ctx, "main")), &forge.Branch{Name: "main", Commit: commit, Protected: true, Required: []string{"pipeline"}, Queue: true})
	l.MayBeSkipped = true
	check(t, ok[*forge.Branch](t)(c.Branch(ctx, "main")).Skips, true)
	check(t, ok[[]string](t)(c.ProtectedTags(ctx)), []string{"v*"})
	check(t, ok[[]forge.Environment](t)(c.Environments(ctx)), []forge.Environment{{Name: "prod", Approvals: true, Restrict: true}})
	check(t, ok[[]forge.Runner](t)(c.Runners(ctx)), []forge.Runner{{"m1", []string{"linux", "spot"}, true}})
	check(t, ok[[]forge.Variable](t)(c.Variables(ctx)), []forge.Variable{{Name: "ROOTFSGEN_PUSH_TOKEN", Secret: true, Protected: true, Scope: "*"}, {Name: "NPM", Secret: true, Scope: "image-app"}})
	check(t, ok[[]forge.Schedule](t)(c.Schedules(ctx)), []forge.Schedule{{ID: 1, Name: "lock", Cron: "17 5 * * 1-5", Ref: "main", Starts: "lock", Active: true}, {ID: 2, Name: "other", Cron: "1 1 * * *", Ref: "main"}})
	l.Schedules[1].Hidden = true
	if _, err := c.Schedules(ctx); !isDenied(err) {
		t.Errorf("variables that the token may not see: %v", err)
	}
	check(t, ok[string](t)(c.Outsiders(ctx)), "")
	checkFile(t, c, func(files map[string]string) { l.Files = files })
}

func isDenied(err error) bool {
	_, is := errors.AsType[*forge.Denied](err)
	return is
}

// TestGitLabJobToken sees to it that a job's own token goes in its own header.
func TestGitLabJobToken(t *testing.T) {
	t.Parallel()
	l := forgetest.NewGitLab(t, "acme/images")
	c, err := forge.New(forge.Options{Forge: forge.GitLab, API: l.URL + "/api/v4", Project: "1", Token: forgetest.JobToken, JobOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	l.Put(forgetest.Run{ID: 7, Jobs: []forgetest.Job{{ID: 1, Name: "plan"}}})
	check(t, ok[map[string]int](t)(c.Executions(t.Context(), &forge.Run{ID: 7})), map[string]int{"plan": 1})
	var denied *forge.Denied
	if _, err := c.Repository(t.Context()); !errors.As(err, &denied) {
		t.Errorf("what a job's token may not read: %v", err)
	}
}
