package render

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

func minutes(n int) string { return fmt.Sprintf("%d minutes", n) }

// job writes down one of the jobs that do not depend on an image. What GitHub
// does by steps of its own, fetching and keeping files, are keywords here.
func (g *gitlab) job(kind pipeline.Kind, name, stage string) glJob {
	src := g.p.Fixed[kind]
	j := glJob{
		Name: name, Stage: stage, Tags: g.p.Runners[src.Runner].GitLab, Minutes: minutes(src.Minutes),
		Interruptible: &boolean{src.Interrupt}, Environment: src.Environment, Rules: g.rules(&src, ""),
	}
	j.surround(g.p.Runners[src.Runner])
	if src.Retry {
		j.Retry = g.lost()
	}
	if len(g.p.Accounts(kind)) > 0 {
		j.IDToken = g.p.Identity.Google.Audience()
	}
	j.SignToken = src.Audience
	if slices.Equal(pipeline.Scopes(kind), []string{model.ScopeRead}) {
		j.set([]pair{{string(pipeline.VarLoginScope), model.ScopeRead}})
	}
	for i := range src.Steps {
		s := &src.Steps[i]
		j.set(fixed(s))
		switch s.Verb {
		case pipeline.Checkout:
			depth := "1"
			if s.History {
				depth = "0"
			}
			j.Variables = append(j.Variables, pair{"GIT_DEPTH", depth})
			if s.Branch != "" {
				j.set([]pair{{string(pipeline.VarBase), s.Branch}})
				j.Script = append(j.Script, takeBranch)
			}
		case pipeline.Run:
			if s.Anyway {
				continue
			}
			j.Script = append(j.Script, s.Script)
		case pipeline.Outputs:
			j.Script = append(j.Script, pipeline.OutputsScript(g.p, pipeline.GitLab))
			j.keep(pipeline.Artifact{Path: pipeline.ChildFile, Days: 30})
		case pipeline.Save:
			j.keep(s.Artifact)
		case pipeline.Fetch, pipeline.SetupGo: // by needs, and on the machine
		}
	}
	j.report(kind)
	return j
}

// takeBranch checks out another branch than the one that the pipeline is of.
const takeBranch = `set -euo pipefail
git fetch --quiet "$CI_REPOSITORY_URL" "refs/heads/$` + string(pipeline.VarBase) + `"
git checkout --quiet --force --detach FETCH_HEAD
`

// set adds variables that the job does not have yet.
func (j *glJob) set(variables []pair) {
	for _, v := range variables {
		if !slices.ContainsFunc(j.Variables, func(p pair) bool { return p.Name == v.Name }) {
			j.Variables = append(j.Variables, v)
		}
	}
}

// keep adds a path to what outlives the job.
func (j *glJob) keep(a pipeline.Artifact) {
	if j.Artifacts == nil {
		j.Artifacts = &glArtifacts{When: "on_success"}
	}
	if j.Artifacts.days == 0 || a.Days < j.Artifacts.days { // one time for all that a job keeps: the largest need not stay longest
		j.Artifacts.days, j.Artifacts.Expire = a.Days, fmt.Sprintf("%d days", a.Days)
	}
	j.Artifacts.Paths = append(j.Artifacts.Paths, a.Path)
	if a.Report {
		j.Artifacts.When = "always"
	}
	if a.JUnit {
		j.Artifacts.JUnit = pipeline.JUnitGlob
	}
	if a.Scans {
		j.Artifacts.Findings, j.Artifacts.Packages = pipeline.Findings, pipeline.Packages
	}
}

// needsPlan lets a job that runs however those before it ended do nothing, and
// end with code, where there is no plan: the planning job has failed, and that
// is the one to look at. GitLab runs only what failed or was skipped when a
// pipeline is retried, so a job that is needed then must have failed, too.
func (j *glJob) needsPlan(code int) {
	j.Script = slices.Insert(j.Script, 0, `set -euo pipefail
if [ ! -s `+pipeline.PlanFile+` ]; then
  echo "There is no plan: see the job `+glPlan+`" >&2
  exit `+strconv.Itoa(code)+`
fi
`)
}
