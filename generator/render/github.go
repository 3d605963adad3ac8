package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// The GitHub files. GitHub reads workflows from this folder only.
const (
	ghFolder  = ".github/workflows/"
	ghPush    = ghFolder + "rootfsgen-push.yml"
	ghRequest = ghFolder + "rootfsgen-request.yml"
	ghRelease = ghFolder + "rootfsgen-release.yml"
	ghFleet   = ghFolder + "rootfsgen-fleet.yml"
	ghBuild   = ghFolder + "rootfsgen-build.yml"
	ghMerge   = ghFolder + "rootfsgen-merge.yml"
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
	return map[string]*workflow{
		ghPush: g.push(), ghRequest: g.request(), ghRelease: g.release(),
		ghFleet: g.fleet(), ghBuild: g.build(), ghMerge: g.merge(),
	}
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

// secretLogin is the secret that may hold logins of registries. Workflows hand
// it on by name and never all secrets; one that is not set is an empty text.
const secretLogin = "ROOTFSGEN_REGISTRY_AUTH"

var (
	logins      = []pair{{secretLogin, expr("${{ secrets." + secretLogin + " }}")}}
	loginSecret = []secret{{secretLogin, "Logins of the registries, the text of a Docker config.json"}}
)

// callFleet runs the jobs of every image.
func (g *github) callFleet(cond expr, with ...pair) ghJob {
	return ghJob{ID: "fleet", Name: "fleet", If: cond, Uses: "./" + ghFleet, Permissions: read, With: with, Secrets: logins}
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

func (g *github) fleet() *workflow {
	w := &workflow{
		About: []string{
			"The jobs of every image. The plan decides which of them run; an image waits for its parents only.",
			"It cannot wait for one platform of a parent, so it waits for all of them.",
		},
		Name: "rootfsgen fleet", Shell: true,
		On: triggers{Call: true, Secrets: loginSecret, Inputs: []input{
			{Name: "scope", Description: "Which registry scope is written: testing or pr", Type: "string", Required: true},
			{Name: "snapshot-id", Description: "Names the images of a request, for example pr-7", Type: "string", HasDefault: true, Default: ""},
		}},
	}
	plan := g.job(pipeline.Plan, "plan", "plan")
	for _, name := range []string{"build", "merge", "matrix"} {
		plan.Outputs = append(plan.Outputs, pair{name, expr("${{ steps.outputs.outputs." + name + " }}")})
	}
	w.Jobs = append(w.Jobs, plan)
	for i := range g.p.Images {
		w.Jobs = append(w.Jobs, g.imageJobs(&g.p.Images[i])...)
	}
	return w
}

// imageJobs are the build and the merge of one image. Both run when the plan
// names the image and what they wait for did not fail: an image that the plan
// names must have succeeded, any other is skipped and in nobody's way.
func (g *github) imageJobs(i *pipeline.Image) []ghJob {
	var jobs []ghJob
	if len(i.Legs) > 0 {
		b := ghJob{
			ID: JobID(pipeline.Build, i.ID), Name: "build " + i.ID, Needs: []string{"plan"}, Uses: "./" + ghBuild, Permissions: read, Secrets: logins,
			With: []pair{{"image", i.ID}, {"platforms", expr("${{ toJSON(fromJSON(needs.plan.outputs.matrix)['" + i.ID + "']) }}")}},
		}
		b.With = append(b.With, targetInput(i)...)
		if i.Minutes != g.p.Fixed[pipeline.Build].Minutes {
			b.With = append(b.With, pair{"minutes", i.Minutes})
		}
		for _, parent := range i.Parents() {
			b.Needs = append(b.Needs, JobID(pipeline.Build, parent))
		}
		b.If = runsWhen("build", i.ID, i.Parents())
		jobs = append(jobs, b)
	}
	if i.Merge {
		m := ghJob{ID: JobID(pipeline.Merge, i.ID), Name: "merge " + i.ID, Needs: []string{"plan"}, Uses: "./" + ghMerge, Permissions: read, Secrets: logins, With: append([]pair{{"image", i.ID}}, targetInput(i)...)}
		var before []string
		if len(i.Legs) > 0 {
			before = []string{i.ID}
			m.Needs = append(m.Needs, JobID(pipeline.Build, i.ID))
		}
		m.If = runsWhen("merge", i.ID, before)
		jobs = append(jobs, m)
	}
	return jobs
}

// targetInput is what commands call an image whose jobs have another name.
func targetInput(i *pipeline.Image) []pair {
	if i.Target == "" {
		return nil
	}
	return []pair{{"target", i.Target}}
}

// inputsOfImage say which image a job is about.
var inputsOfImage = []input{
	{Name: "image", Description: "Id of the image", Type: "string", Required: true},
	{Name: "target", Description: "Name and tag of an image that has several tags, for example python:3.13", Type: "string", HasDefault: true, Default: ""},
}

// runsWhen is the condition of a job that the plan's output names and that
// waits for the builds of other images.
func runsWhen(output, id string, builds []string) expr {
	var b strings.Builder
	fmt.Fprintf(&b, "${{ !cancelled() && needs.plan.result == 'success' && contains(fromJSON(needs.plan.outputs.%s), '%s')", output, id)
	for _, parent := range builds {
		fmt.Fprintf(&b, " && (needs.%s.result == 'success' || !contains(fromJSON(needs.plan.outputs.build), '%s'))", JobID(pipeline.Build, parent), parent)
	}
	b.WriteString(" }}")
	return expr(b.String())
}

// maxJobID is the longest id that GitHub takes, in bytes.
const maxJobID = 99

// JobID is the id of an image's job on GitHub, where an id has no dot. Image
// names have no two dashes in a row, so no two of them share an id; the end of
// one that is too long gives way to a hash.
func JobID(kind pipeline.Kind, image string) string {
	id := string(kind) + "-" + strings.ReplaceAll(image, ".", "--")
	if len(id) > maxJobID {
		hash := "---" + model.DigestOf([]byte(image)).Short()
		id = id[:maxJobID-len(hash)] + hash
	}
	return id
}

func (g *github) build() *workflow {
	j := g.job(pipeline.Build, "build", expr("${{ matrix.platform }}"))
	j.RunsOnExpr = "${{ matrix.runner }}"
	j.Matrix = "${{ fromJSON(inputs.platforms) }}"
	minutes := j.Minutes
	j.Minutes = expr("${{ inputs.minutes }}")
	return &workflow{
		About: []string{"Builds and tests one image, on each platform that the plan names."},
		Name:  "rootfsgen build", Shell: true,
		On: triggers{Call: true, Secrets: loginSecret, Inputs: append(slices.Clone(inputsOfImage), []input{
			{Name: "platforms", Description: "JSON list of the platforms and the machines that build them", Type: "string", Required: true},
			{Name: "minutes", Description: "Time limit", Type: "number", HasDefault: true, Default: minutes},
		}...)},
		Jobs: []ghJob{j},
	}
}

func (g *github) merge() *workflow {
	return &workflow{
		About: []string{"Joins the platforms of one image in an index, all of them or none."},
		Name:  "rootfsgen merge", Shell: true,
		On:   triggers{Call: true, Secrets: loginSecret, Inputs: inputsOfImage},
		Jobs: []ghJob{g.job(pipeline.Merge, "merge", "index")},
	}
}
