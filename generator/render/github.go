package render

import (
	"maps"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// The GitHub files. GitHub reads workflows from this folder only.
const (
	ghFolder  = ".github/workflows/"
	ghPush    = ghFolder + "rootfsgen-push.yml"
	ghRequest = ghFolder + "rootfsgen-request.yml"
	ghRelease = ghFolder + "rootfsgen-release.yml"
	// ActionlintFile tells actionlint, which people run on workflows, the names
	// of their own machines.
	ActionlintFile = ".github/actionlint.yaml"
)

// github makes the workflows of one pipeline.
type github struct {
	p    *pipeline.Pipeline
	pins Pins
}

func (g *github) workflows() map[string]*workflow {
	all := map[string]*workflow{ghPush: g.push(), ghRequest: g.request(), ghRelease: g.release()}
	maps.Copy(all, g.fleetWorkflows())
	return all
}

func (g *github) push() *workflow {
	return &workflow{
		About: []string{"A push to the default branch builds what changed and writes the testing channel."},
		Name:  "rootfsgen push", On: triggers{Branches: []string{g.p.DefaultBranch}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-push-{0}', github.sha) }}"}, Shell: true,
		Jobs: []ghJob{
			g.callFleet("", pair{"scope", model.ScopeTesting}),
			g.manifest(),
			g.result("fleet", "manifest"),
		},
	}
}

// release has a group of its own for each tag: GitHub keeps one run of a group
// waiting and cancels it for another, without a word.
func (g *github) release() *workflow {
	promote := g.job(pipeline.Promote, "promote", "promote")
	promote.Needs = []string{"fleet", "manifest"}
	promote.If = "${{ !cancelled() && needs.fleet.result == 'success' && needs.manifest.result == 'success' }}"
	return &workflow{
		About: []string{"A release tag builds what is missing, which is normally nothing, and moves the testing channel to prod."},
		Name:  "rootfsgen release", On: triggers{Tags: []string{g.p.ReleaseTags}},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-release-{0}', github.ref) }}"}, Shell: true,
		Jobs: []ghJob{
			g.callFleet("", pair{"scope", model.ScopeTesting}),
			g.manifest(),
			promote,
			g.result("fleet", "manifest", "promote"),
		},
	}
}

const (
	ownRequest  = expr("${{ github.event.pull_request.head.repo.full_name == github.event.repository.full_name }}")
	forkRequest = expr("${{ github.event.pull_request.head.repo.full_name != github.event.repository.full_name }}")
	requestID   = expr("${{ format('pr-{0}', github.event.pull_request.number) }}")
)

func (g *github) request() *workflow {
	fork := g.job(pipeline.Fork, "fork", "fork")
	fork.If = forkRequest
	return &workflow{
		About: []string{
			"A pull request builds what it changes under snapshot tags of its own; nothing is promoted.",
			"One from a fork gets a machine of GitHub's, no secrets, and a registry that is thrown away.",
		},
		Name: "rootfsgen request", On: triggers{PullRequest: true},
		Concurrency: &concurrency{Group: "${{ format('rootfsgen-request-{0}', github.event.pull_request.number) }}", Cancel: true}, Shell: true,
		Jobs: []ghJob{
			g.callFleet(ownRequest, pair{"scope", model.ScopePR}, pair{"snapshot-id", requestID}),
			fork,
			g.requestResult(),
		},
	}
}

// callFleet runs the jobs of every image.
func (g *github) callFleet(cond expr, with ...pair) ghJob {
	return ghJob{ID: "fleet", Name: "fleet", If: cond, Uses: "./" + ghFleet, Permissions: g.calling(pipeline.Plan, pipeline.Build, pipeline.Merge), With: with, Secrets: g.logins()}
}

func (g *github) manifest() ghJob {
	j := g.job(pipeline.Manifest, "manifest", "manifest")
	j.Needs = []string{"fleet"}
	// What passed is listed, even where another image failed.
	j.If = "${{ !cancelled() && needs.fleet.result != 'skipped' }}"
	return j
}

func (g *github) result(needs ...string) ghJob {
	j := g.job(pipeline.Result, "result", "rootfsgen / result")
	j.Needs = needs
	j.If = "${{ always() }}"
	return j
}

// requestResult never runs on a machine of one's own: it runs for forks too.
func (g *github) requestResult() ghJob {
	j := g.result("fleet", "fork")
	j.RunsOn = g.p.Runners[g.p.Fixed[pipeline.Fork].Runner].GitHub
	return j
}
