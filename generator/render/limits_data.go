package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// Bound is one limit of a forge, as the forge or somebody who met it tells.
type Bound struct {
	ID     string
	Forge  string
	On     string // the installations that have it, where not all have
	What   string // what is counted
	Max    int
	Does   string // what generating does about more, one of the Does constants
	Source string // where it is told
}

// What generating does about more than a limit.
const (
	DoesSplit  = "split"  // divides it, or hands it on in another way
	DoesWaves  = "waves"  // takes waves instead of a graph, and is an error where those have more, too
	DoesRefuse = "refuse" // is an error
	DoesTell   = "tell"   // says so: only some installations have the limit
	DoesNever  = "never"  // nothing: no pipeline has any of it, or all have the same little
	DoesRun    = "run"    // nothing: it is about when pipelines run, not about what they are
)

// Counted tells whether generating counts how much of a limit is used.
func (b Bound) Counted() bool { return b.Does != DoesRun && b.Does != DoesNever }

// The installations of the forges.
const (
	OnGitHubCom      = "github.com"
	OnGitHubServer   = "GitHub Enterprise Server"
	OnGitLabFree     = "gitlab.com, Free"
	OnGitLabPremium  = "gitlab.com, Premium"
	OnGitLabUltimate = "gitlab.com, Ultimate"
	OnGitLabPaid     = "gitlab.com, Premium and Ultimate"
)

// The limits that generating counts.
const (
	ghMatrix          = "github-matrix"
	ghFile            = "github-file"
	ghReusables       = "github-reusables"
	ghReusablesServer = "github-reusables-server"
	ghDepth           = "github-depth"
	ghDepthServer     = "github-depth-server"
	ghOutputs         = "github-outputs"
	ghExpression      = "github-expression"
	ghArtifacts       = "github-artifacts"
	ghCheckRuns       = "github-check-runs"
	ghHostedMinutes   = "github-hosted-minutes"
	ghOwnMinutes      = "github-own-minutes"

	glNeeds       = "gitlab-needs"
	glMatrix      = "gitlab-matrix"
	glMatrixName  = "gitlab-matrix-name"
	glIncludes    = "gitlab-includes"
	glFileSize    = "gitlab-file"
	glJobSize     = "gitlab-job"
	glJobsFree    = "gitlab-jobs-free"
	glJobsPremium = "gitlab-jobs-premium"
)

const (
	docsActions   = "https://docs.github.com/en/actions/reference/limits"
	docsReusables = "https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations"
	docsEvents    = "https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows"
	docsIdle      = "https://docs.github.com/en/actions/managing-workflow-runs/disabling-and-enabling-a-workflow"
	docsOutputs   = "https://github.com/github/docs/pull/36846"
	docsGitLabCom = "https://docs.gitlab.com/user/gitlab_com/"
	docsInstance  = "https://docs.gitlab.com/administration/instance_limits/"
	docsChild     = "https://docs.gitlab.com/ci/pipelines/downstream_pipelines/"
	issuesGitLab  = "https://gitlab.com/gitlab-org/gitlab/-/issues/"
	mergesGitLab  = "https://gitlab.com/gitlab-org/gitlab/-/merge_requests/"
)

// Bounds are the limits of the forges that generated pipelines can meet.
var Bounds = []Bound{
	{ghMatrix, pipeline.GitHub, "", "jobs in one matrix", 256, DoesSplit, docsActions},
	{ghFile, pipeline.GitHub, "", "bytes in one workflow", 500_000, DoesWaves, docsActions},
	{ghExpression, pipeline.GitHub, "", "characters in one expression", 21_000, DoesWaves, "https://github.com/github/gh-aw/issues/20719"},
	{ghOutputs, pipeline.GitHub, "", "bytes (UTF-16) that the planning job tells when everything runs", 1_000_000, DoesRefuse, docsOutputs},
	{ghReusables, pipeline.GitHub, OnGitHubCom, "workflows that one calls, with those that they call", 50, DoesRefuse, docsReusables},
	{ghReusablesServer, pipeline.GitHub, OnGitHubServer, "workflows that one calls, with those that they call", 20, DoesTell, docsReusables},
	{ghDepth, pipeline.GitHub, OnGitHubCom, "workflows that call one another", 10, DoesRefuse, docsReusables},
	{ghDepthServer, pipeline.GitHub, OnGitHubServer, "workflows that call one another", 4, DoesTell, docsReusables},
	{ghArtifacts, pipeline.GitHub, "", "artifacts of one job", 500, DoesRefuse, "https://github.com/actions/upload-artifact/issues/470"},
	{ghCheckRuns, pipeline.GitHub, "", "jobs when everything runs", 50_000, DoesRefuse, docsActions},
	{ghHostedMinutes, pipeline.GitHub, "", "minutes of a job on a machine of the forge", 360, DoesRefuse, docsActions},
	{ghOwnMinutes, pipeline.GitHub, "", "minutes of a job on a machine of one's own", 7_200, DoesRefuse, docsActions},
	{"github-own-queue", pipeline.GitHub, "", "hours that a job waits for a machine of one's own", 24, DoesRun, docsActions},
	{"github-registrations", pipeline.GitHub, "", "machines of one's own that register in five minutes", 1_500, DoesRun, docsActions},
	{"github-group", pipeline.GitHub, "", "machines in one runner group", 10_000, DoesRun, docsActions},
	{"github-run-days", pipeline.GitHub, "", "days that a run takes, with what it waits for", 35, DoesRun, docsActions},
	{"github-reruns", pipeline.GitHub, "", "times that one run is run again", 50, DoesRun, docsActions},
	{"github-run-outputs", pipeline.GitHub, "", "megabytes (UTF-16) of all outputs of a run", 50, DoesRun, docsOutputs},
	{"github-summary", pipeline.GitHub, "", "kilobytes in the summary of a step", 1_024, DoesRun, docsActions},
	{"github-found", pipeline.GitHub, "", "artifacts that one download finds", 1_000, DoesRun, "https://github.com/Chia-Network/chia-blockchain/pull/17828"},
	{"github-waiting", pipeline.GitHub, "", "runs that wait in a concurrency group; a newer one takes the place", 1, DoesRun, "GitHub changelog, 2026-05-07"},
	{"github-queue", pipeline.GitHub, "", "runs that wait in a concurrency group with queue: max", 100, DoesRun, "GitHub changelog, 2026-05-07"},
	{"github-tags", pipeline.GitHub, "", "tags in one push; more start nothing", 3, DoesRun, docsEvents},
	{"github-events", pipeline.GitHub, "", "events of a repository in ten seconds", 1_500, DoesRun, docsActions},
	{"github-queued", pipeline.GitHub, "", "runs that are queued in ten seconds", 500, DoesRun, docsActions},
	{"github-idle", pipeline.GitHub, "", "days without a commit after which schedules stop", 60, DoesRun, docsIdle},
	{"github-cache", pipeline.GitHub, "", "uploads to the cache in a minute", 200, DoesRun, docsActions},

	{glNeeds, pipeline.GitLab, "", "needs of one job", 50, DoesSplit, issuesGitLab + "419720"},
	{glMatrix, pipeline.GitLab, "", "jobs in one matrix", 200, DoesSplit, issuesGitLab + "438369"},
	{glMatrixName, pipeline.GitLab, "", "characters that tell a leg of a matrix from the others", 114, DoesSplit, issuesGitLab + "362262"},
	{glFileSize, pipeline.GitLab, "", "bytes in one file", 2_000_000, DoesWaves, issuesGitLab + "370116"},
	{glJobSize, pipeline.GitLab, "", "bytes of one job", 1 << 20, DoesSplit, mergesGitLab + "241962"},
	{glIncludes, pipeline.GitLab, "", "included files", 150, DoesRefuse, docsInstance},
	{glJobsFree, pipeline.GitLab, OnGitLabFree, "jobs when everything runs", 500, DoesTell, docsGitLabCom},
	{glJobsPremium, pipeline.GitLab, OnGitLabPremium, "jobs when everything runs", 20_000, DoesTell, docsGitLabCom},
	{"gitlab-jobs-ultimate", pipeline.GitLab, OnGitLabUltimate, "jobs when everything runs", 100_000, DoesRun, docsGitLabCom},
	{"gitlab-trigger", pipeline.GitLab, "", "files of one child pipeline", 3, DoesNever, docsChild},
	{"gitlab-depth", pipeline.GitLab, "", "child pipelines below one another", 2, DoesNever, docsChild},
	{"gitlab-hierarchy", pipeline.GitLab, "", "pipelines in one hierarchy", 1_000, DoesNever, docsChild},
	{"gitlab-needs-project", pipeline.GitLab, "", "needs of one job on other projects", 5, DoesNever, issuesGitLab + "419720"},
	{"gitlab-nesting", pipeline.GitLab, "", "levels of YAML in one another", 150, DoesNever, mergesGitLab + "160826"},
	{"gitlab-total", pipeline.GitLab, "", "megabytes of YAML, with all that is included", 300, DoesNever, mergesGitLab + "160826"},
	{"gitlab-dotenv", pipeline.GitLab, "", "bytes of a dotenv report", 5_120, DoesNever, issuesGitLab + "411139"},
	{"gitlab-dotenv-variables", pipeline.GitLab, "", "variables of a dotenv report, unless an administrator says more", 20, DoesNever, issuesGitLab + "411139"},
	{"gitlab-dotenv-free", pipeline.GitLab, OnGitLabFree, "variables of a dotenv report", 50, DoesNever, mergesGitLab + "73855"},
	{"gitlab-dotenv-premium", pipeline.GitLab, OnGitLabPremium, "variables of a dotenv report", 100, DoesNever, mergesGitLab + "73855"},
	{"gitlab-dotenv-ultimate", pipeline.GitLab, OnGitLabUltimate, "variables of a dotenv report", 150, DoesNever, mergesGitLab + "73855"},
	{"gitlab-triggers", pipeline.GitLab, "", "child pipelines of one commit and user, within the time of a rate limit", 350, DoesRun, mergesGitLab + "146112"},
	{"gitlab-pipelines", pipeline.GitLab, "", "pipelines of one project in a minute", 25, DoesRun, "https://docs.gitlab.com/administration/settings/rate_limit_on_pipelines_creation/"},
	{"gitlab-schedules", pipeline.GitLab, OnGitLabFree, "schedules", 10, DoesRun, docsGitLabCom},
	{"gitlab-schedules-paid", pipeline.GitLab, OnGitLabPaid, "schedules", 50, DoesRun, docsGitLabCom},
	{"gitlab-pushed", pipeline.GitLab, "", "branches and tags in one push that start pipelines", 4, DoesRun, docsInstance},
	{"gitlab-artifacts", pipeline.GitLab, "", "megabytes of what one job keeps", 1_024, DoesRun, docsGitLabCom},
}

// boundOf is the limit of that id; the table has every one that is asked for.
func boundOf(id string) Bound {
	for _, b := range Bounds {
		if b.ID == id {
			return b
		}
	}
	return Bound{}
}

func bound(id string) int { return boundOf(id).Max }
