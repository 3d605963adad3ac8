// Package forge speaks to the API of GitHub or GitLab about one repository:
// what its pipelines ran, its comments and requests, and how it is set up.
// Nothing else imports a client of either. Every call tries again with a
// growing pause where the forge does not answer as it should, and waits as
// long as Retry-After says.
package forge

import (
	"context"
	"errors"
	"time"
)

// The forges.
const (
	GitHub = "github"
	GitLab = "gitlab"
)

// Client is one repository on one forge.
type Client interface {
	Runs
	Talk
	Announce
	Setup
}

// Runs reads what ran, and runs it again. A run is a workflow run of GitHub or
// a pipeline of GitLab.
type Runs interface {
	// Run reads a run with the jobs of its newest attempt.
	Run(ctx context.Context, id int64) (*Run, error)
	// Executions counts, by name, how often each job of a run was given to a
	// machine in all attempts so far.
	Executions(ctx context.Context, run *Run) (map[string]int, error)
	// RerunJob runs one job again and, on GitHub, those that depend on it.
	// GitHub takes no second one before that attempt has ended.
	RerunJob(ctx context.Context, job int64) error
	// RerunFailed runs every job again that did not succeed, and those that
	// depend on them.
	RerunFailed(ctx context.Context, run int64) error
	// Tried are the runs that requests started with a commit, the newest first,
	// and on GitLab the children of each behind it.
	Tried(ctx context.Context, commit string) ([]*Run, error)
	// Tips are the commits of the branch and of the tag of one name, each empty
	// where there is none.
	Tips(ctx context.Context, name string) (Tips, error)
}

// Talk writes what people read.
type Talk interface {
	// UpsertComment makes the comment of a pull or merge request that begins
	// with marker say body, and adds it where there is none. marker is an HTML
	// comment, such as <!-- rootfsgen:plan -->; body does not repeat it.
	UpsertComment(ctx context.Context, request int64, marker, body string) error
	// UpsertRequest opens a pull or merge request, or updates the open one of
	// the same two branches. The result is its address.
	UpsertRequest(ctx context.Context, r Request) (string, error)
}

// Announce writes what is about a whole repository.
type Announce interface {
	// UpsertIssue makes the open issue of ours whose text begins with marker say
	// body under title, and opens one where there is none. An empty body closes
	// it. The result is its address, empty where there is none.
	UpsertIssue(ctx context.Context, marker, title, body string) (string, error)
	// UpsertRelease makes the release of a tag say body, and makes it where
	// there is none. The result is its address.
	UpsertRelease(ctx context.Context, tag, body string) (string, error)
	// UploadFindings hands findings in SARIF to the code scanning of GitHub;
	// GitLab takes them from reports. A repository without code scanning is an
	// error of type *Denied, or ErrAbsent.
	UploadFindings(ctx context.Context, commit, ref string, sarif []byte) error
}

// Setup reads how a repository is set up. What the token may not see is an
// error of type *Denied.
type Setup interface {
	Repository(ctx context.Context) (*Repository, error)
	// Branch reads a branch and what protects it. A missing one is ErrAbsent.
	Branch(ctx context.Context, name string) (*Branch, error)
	// File is the content of a file on a branch. A missing one is ErrAbsent.
	File(ctx context.Context, branch, path string) ([]byte, error)
	// ProtectedTags are the patterns of tags that not everybody may push.
	ProtectedTags(ctx context.Context) ([]string, error)
	Environments(ctx context.Context) ([]Environment, error)
	// Outsiders is GitHub's word for whose requests from forks start nothing
	// before somebody agrees, "all_external_contributors". GitLab, where such
	// pipelines run in the fork, and a private repository have no such rule: "".
	Outsiders(ctx context.Context) (string, error)
	// Runners are the machines that this repository sees.
	Runners(ctx context.Context) ([]Runner, error)
	// Variables are the repository's variables and the names of its secrets.
	Variables(ctx context.Context) ([]Variable, error)
	// Schedules are GitHub's workflows, which it may have switched off, or
	// GitLab's pipeline schedules.
	Schedules(ctx context.Context) ([]Schedule, error)
}

// Conclusion is how a run, a job or a step ended. It is empty while it has not.
type Conclusion string

// The conclusions, of both forges.
const (
	Success   Conclusion = "success"
	Failure   Conclusion = "failure"
	Cancelled Conclusion = "cancelled"
	Skipped   Conclusion = "skipped"
	TimedOut  Conclusion = "timed_out"
	Other     Conclusion = "other" // neutral, stale, waiting for a person
)

// Run is a workflow run or a pipeline, and its newest attempt's jobs.
type Run struct {
	Forge      string
	ID         int64
	Name       string // of the workflow; empty on GitLab
	Attempt    int    // 1 at first; GitLab does not count and says 1
	Done       bool
	Conclusion Conclusion
	Event      string // as the forge calls it, for example pull_request
	Ref        string // name of the branch or tag
	Commit     string
	Foreign    bool // comes from another repository, a fork
	URL        string
	Jobs       []Job // by id
}

// Job is one job of one attempt.
type Job struct {
	ID         int64
	Name       string // as people see it, with the jobs that called it: "fleet / build base / linux/amd64"
	Conclusion Conclusion
	Reason     string // GitLab's failure_reason; empty on GitHub
	ExitCode   int    // of the script, where the forge has told; else 0
	Machine    string // what ran it, empty when nothing took it
	Labels     []string
	Started    time.Time // zero when it did not
	Ended      time.Time
	Steps      []Step   // empty on GitLab
	Notes      []string // what GitHub annotated, where the job did not succeed

	check int64 // GitHub's number of the job's check run
}

// Step is one step of a job.
type Step struct {
	Name       string
	Conclusion Conclusion // empty when it never ended
}

// Tips are the commits that one name means.
type Tips struct{ Branch, Tag string }

// Request is a pull or merge request that is to be there.
type Request struct {
	Branch string // what is to be merged; pushed already
	Base   string // where to
	Title  string
	Body   string
}

// Repository is what a forge says of one.
type Repository struct {
	DefaultBranch string
	Private       bool
	Fork          bool
	Archived      bool
	URL           string
}

// Branch is a branch and its protection.
type Branch struct {
	Name      string
	Commit    string
	Protected bool
	Required  []string // checks that must pass, sorted; on GitLab "pipeline" where one must succeed
	Queue     bool     // merges go through a queue or a train
	Skips     bool     // a pipeline that was skipped counts as one that succeeded, on GitLab
}

// Environment is a protected place that jobs deploy to.
type Environment struct {
	Name      string
	Approvals bool // a person must agree
	Restrict  bool // only certain branches or tags; on GitLab certain people
	// Protected lets every protected branch of GitHub in, and no tag. Without it
	// Branches and Tags are the patterns of those that a restricted one lets in.
	Protected      bool
	Branches, Tags []string
}

// Runner is a machine, or a group of them, that runs jobs.
type Runner struct {
	Name   string
	Labels []string
	Online bool
}

// Variable is a variable or a secret of a repository.
type Variable struct {
	Name      string
	Secret    bool   // not shown in logs
	Protected bool   // GitLab: only jobs of protected branches and tags see it
	Scope     string // GitLab: glob of the environments whose jobs see it, "*" for all jobs
	Value     string // of a variable of GitHub, which is no secret; else it is never kept
}

// Schedule is what the clock starts.
type Schedule struct {
	ID     int64  // GitLab's
	Name   string // file of the workflow, or description of the schedule
	Cron   string // GitLab's
	Ref    string // GitLab's: name of the branch
	Starts string // GitLab's: what its variable ScheduleVariable says
	Active bool
	Why    string // GitHub's word for why it is not
}

// ScheduleVariable is what a schedule of GitLab says what it starts with. On
// GitHub it switches schedules on in a fork.
const ScheduleVariable = "ROOTFSGEN_SCHEDULE"

// ErrAbsent is something that is not there, or that the token may not know of.
var ErrAbsent = errors.New("not there")
