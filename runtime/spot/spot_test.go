package spot_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/spot"
)

const (
	commit  = "0123456789abcdef0123456789abcdef01234567"
	newer   = "fedcba9876543210fedcba9876543210fedcba98"
	goneFor = "The self-hosted runner: spot-7 lost communication with the server. Verify the machine is running and has a healthy network connection."
	signal  = "The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually started runner is canceled."
	stopped = "The operation was canceled."
	person  = "The run was canceled by @ada."
)

func steps(pairs ...string) (out []forgetest.Step) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, forgetest.Step{Name: pairs[i], Conclusion: pairs[i+1]})
	}
	return out
}

func exit(code string) string { return "Process completed with exit code " + code + "." }

// TestJudge gives single jobs of GitHub their verdict.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job       forgetest.Job
		cancelled bool // the whole run
		want      spot.Verdict
	}{
		"succeeded":                       {job: forgetest.Job{Steps: steps("Build", "success")}, want: spot.Passed},
		"skipped":                         {job: forgetest.Job{Conclusion: "skipped"}, want: spot.Blocked},
		"failed":                          {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure", "Reports", "success"), Notes: []string{exit("1")}}, want: spot.Failed},
		"vanished":                        {job: forgetest.Job{Conclusion: "failure", Steps: steps("Check out", "success", "Build", ""), Notes: []string{goneFor}}, want: spot.Lost},
		"vanished without a word":         {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "")}, want: spot.Lost},
		"vanished before its first step":  {job: forgetest.Job{Conclusion: "failure"}, want: spot.Lost},
		"shut down":                       {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure", "Post Check out", "success", "Complete job", "success"), Notes: []string{signal, exit("2")}}, want: spot.Lost},
		"shut down, as cancelled":         {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{signal, stopped}}, want: spot.Lost},
		"shut down in silence":            {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{stopped}}, want: spot.Lost},
		"failed, then shut down":          {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure", "Reports", "success", "Upload", "cancelled"), Notes: []string{exit("1"), signal}}, want: spot.Failed},
		"asked for another try":           {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure"), Notes: []string{exit("75")}}, want: spot.Lost},
		"ended by SIGTERM":                {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure"), Notes: []string{exit("143")}}, want: spot.Lost},
		"killed":                          {job: forgetest.Job{Conclusion: "failure", Steps: steps("Build", "failure"), Notes: []string{exit("137")}}, want: spot.Lost},
		"cancelled by a person":           {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{person, stopped}}, cancelled: true, want: spot.Cancelled},
		"cancelled while it shut down":    {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{person, signal}}, cancelled: true, want: spot.Cancelled},
		"cancelled, nobody knows by whom": {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{stopped}}, cancelled: true, want: spot.Cancelled},
		"cancelled for a newer run":       {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{"Canceling since a higher priority waiting request for 'x' exists"}}, want: spot.Cancelled},
		"cancelled before it began":       {job: forgetest.Job{Conclusion: "cancelled", Machine: "-"}, want: spot.Cancelled},
		"refused by an environment":       {job: forgetest.Job{Conclusion: "failure", Machine: "-"}, want: spot.Failed},
		"too slow":                        {job: forgetest.Job{Conclusion: "cancelled", Steps: steps("Build", "cancelled"), Notes: []string{"The job running on runner x has exceeded the maximum execution time of 120 minutes.", stopped}}, want: spot.Failed},
		"too slow, in a word":             {job: forgetest.Job{Conclusion: "timed_out", Steps: steps("Build", "cancelled")}, want: spot.Failed},
		"the check that sums up":          {job: forgetest.Job{Name: "rootfsgen / result", Conclusion: "failure", Steps: steps("Nothing failed", "failure"), Notes: []string{exit("1")}}, want: spot.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, client := hub(t)
			run := forgetest.Run{ID: 7, Commit: commit, Conclusion: "failure", Jobs: []forgetest.Job{c.job}}
			if c.cancelled {
				run.Conclusion = "cancelled"
			}
			h.Put(run)
			r, err := client.Run(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			got := spot.Judge(r)[0]
			if got.Verdict != c.want || got.Why == "" && c.want != spot.Passed {
				t.Errorf("%s (%s), want %s", got.Verdict, got.Why, c.want)
			}
		})
	}
}

func TestJudgeGitLab(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		conclusion, reason string
		want               spot.Verdict
	}{
		{"success", "", spot.Passed},
		{"failed", "script_failure", spot.Failed},
		{"failed", "job_execution_timeout", spot.Failed},
		{"failed", "runner_system_failure", spot.Lost},
		{"failed", "runner_interrupted", spot.Lost},
		{"failed", "", spot.Failed},
		{"canceled", "", spot.Cancelled},
		{"skipped", "", spot.Blocked},
	} {
		l := forgetest.NewGitLab(t, "acme/images")
		client, err := forge.New(forge.Options{Forge: forge.GitLab, API: l.URL + "/api/v4", Project: "acme/images", Token: forgetest.Token})
		if err != nil {
			t.Fatal(err)
		}
		l.Put(forgetest.Run{ID: 7, Jobs: []forgetest.Job{{Name: "build", Conclusion: c.conclusion, Reason: c.reason}}})
		run, err := client.Run(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if got := spot.Judge(run)[0]; got.Verdict != c.want {
			t.Errorf("%s %s: %s (%s), want %s", c.conclusion, c.reason, got.Verdict, got.Why, c.want)
		}
	}
}

func hub(t *testing.T) (*forgetest.Hub, forge.Client) {
	t.Helper()
	h := forgetest.NewGitHub(t, "acme", "images")
	h.Heads["main"] = commit
	c, err := forge.New(forge.Options{
		Forge: forge.GitHub, API: h.URL, Project: "acme/images", Token: forgetest.Token,
		Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h, c
}

// lostJob, failedJob and cancelledJob are what the runs below are made of.
func lostJob(name string) forgetest.Job {
	return forgetest.Job{Name: name, Conclusion: "failure", Steps: steps("Build", ""), Notes: []string{goneFor}}
}

func failedJob(name string) forgetest.Job {
	return forgetest.Job{Name: name, Conclusion: "failure", Steps: steps("Build", "failure"), Notes: []string{exit("1")}}
}

// TestExamine decides about whole runs.
func TestExamine(t *testing.T) {
	t.Parallel()
	result := failedJob("rootfsgen / result")
	for name, c := range map[string]struct {
		run   forgetest.Run
		tip   string   // of main; commit by default
		tag   string   // commit of the tag v1
		asked []string // requests that change something
		why   string
	}{
		"nothing lost":   {run: forgetest.Run{Jobs: []forgetest.Job{failedJob("a"), result}}, why: "no job was lost with its machine"},
		"one lost":       {run: forgetest.Run{Jobs: []forgetest.Job{lostJob("a"), result}}, asked: []string{whole}, why: "every job that failed was lost"},
		"two lost":       {run: forgetest.Run{Jobs: []forgetest.Job{lostJob("a"), lostJob("b"), result}}, asked: []string{whole}, why: "every job that failed was lost"},
		"lost and ill":   {run: forgetest.Run{Jobs: []forgetest.Job{failedJob("a"), lostJob("b"), result}}, asked: []string{single(1002)}, why: "lost jobs run again, others do not"},
		"two lost, ill":  {run: forgetest.Run{Jobs: []forgetest.Job{lostJob("a"), failedJob("b"), lostJob("c"), result}}, asked: []string{single(1001)}, why: "GitHub takes one job at a time; 1 more follow when it has ended"},
		"as cancelled":   {run: forgetest.Run{Jobs: []forgetest.Job{{Name: "a", Conclusion: "cancelled", Notes: []string{signal}}, result}}, asked: []string{single(1001)}, why: "lost jobs run again, others do not"},
		"by a person":    {run: forgetest.Run{Conclusion: "cancelled", Jobs: []forgetest.Job{lostJob("a"), {Name: "b", Conclusion: "cancelled", Notes: []string{person}}}}, why: "the run was cancelled: b: " + person},
		"running":        {run: forgetest.Run{Running: true, Jobs: []forgetest.Job{lostJob("a")}}, why: "the run has not ended"},
		"of a fork":      {run: forgetest.Run{Event: "pull_request", Fork: true, Jobs: []forgetest.Job{lostJob("a")}}, why: "the run is of another repository's branch"},
		"moved on":       {run: forgetest.Run{Jobs: []forgetest.Job{lostJob("a")}}, tip: newer, why: "main has moved on to fedcba987654"},
		"branch is gone": {run: forgetest.Run{Ref: "feature/x", Event: "pull_request", Jobs: []forgetest.Job{lostJob("a")}}, why: "there is no feature/x any more"},
		"a tag":          {run: forgetest.Run{Ref: "v1", Jobs: []forgetest.Job{lostJob("a")}}, tag: commit, asked: []string{whole}, why: "every job that failed was lost"},
		"a moved tag":    {run: forgetest.Run{Ref: "v1", Jobs: []forgetest.Job{lostJob("a")}}, tag: newer, why: "v1 has moved on to fedcba987654"},
		"by the clock":   {run: forgetest.Run{Event: "schedule", Jobs: []forgetest.Job{lostJob("a")}}, tip: newer, asked: []string{whole}, why: "every job that failed was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, client := hub(t)
			if c.tip != "" {
				h.Heads["main"] = c.tip
			}
			h.Tags["v1"] = c.tag
			c.run.ID, c.run.Commit = 7, commit
			h.Put(c.run)
			r, err := spot.Examine(t.Context(), client, 7, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(h.Changes()) > 0 {
				t.Errorf("examining asked for %q", h.Changes())
			}
			if err := r.Rerun(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.asked, h.Changes()); d != "" || r.Why != c.why || r.Done != (len(c.asked) > 0) {
				t.Errorf("done %v, why %q, -want +got:\n%s", r.Done, r.Why, d)
			}
		})
	}
}

const whole = "POST /repos/acme/images/actions/runs/7/rerun-failed-jobs"

func single(id int64) string {
	return "POST /repos/acme/images/actions/jobs/" + strconv.FormatInt(id, 10) + "/rerun"
}

// TestBounds loses the same jobs again and again, beside one that failed by
// its own fault, and counts how often each ran.
func TestBounds(t *testing.T) {
	t.Parallel()
	h, client := hub(t)
	a, b, ill := lostJob("a"), lostJob("b"), failedJob("c")
	after := forgetest.Job{Name: "d", Needs: []string{"a"}, Conclusion: "skipped"}
	h.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{a, b, ill, after, {Name: "rootfsgen / result", Needs: []string{"a", "b", "c", "d"}, Conclusion: "failure", Steps: steps("Nothing failed", "failure")}}})
	reruns := 0
	for range 20 {
		r, err := spot.Examine(t.Context(), client, 7, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Again) == 0 {
			if r.Why != "each lost job has run 3 times" || r.Lost != 2 {
				t.Errorf("it ended as %q with %d lost", r.Why, r.Lost)
			}
			break
		}
		if err := r.Rerun(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		reruns++
		h.Finish(7, map[string]forgetest.Job{"a": a, "b": b, "d": after, "rootfsgen / result": failedJob("")})
	}
	run, err := client.Run(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	n, err := client.Executions(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	delete(n, "rootfsgen / result")
	if d := cmp.Diff(map[string]int{"a": 3, "b": 3, "c": 1}, n); d != "" || reruns != 4 {
		t.Errorf("%d reruns; executions -want +got:\n%s", reruns, d)
	}
}

// TestFaster has somebody else run the job again in between.
func TestFaster(t *testing.T) {
	t.Parallel()
	h, client := hub(t)
	h.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{lostJob("a")}})
	r, err := spot.Examine(t.Context(), client, 7, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.RerunFailed(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	if err := r.Rerun(t.Context(), client); err != nil || r.Done || r.Why != "somebody else has run it again" {
		t.Errorf("%v, done %v, %q", err, r.Done, r.Why)
	}
}

// TestGitHubsBound stops at the number of attempts that GitHub allows.
func TestGitHubsBound(t *testing.T) {
	t.Parallel()
	h, client := hub(t)
	h.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{lostJob("a")}})
	for range 50 {
		if err := client.RerunFailed(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		h.Finish(7, map[string]forgetest.Job{"a": lostJob("a")})
	}
	r, err := spot.Examine(t.Context(), client, 7, 1000)
	if err != nil || len(r.Again) > 0 || r.Attempt != 51 {
		t.Errorf("%v, %+v", err, r)
	}
}
