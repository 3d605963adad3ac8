package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// The workflows that hold the images; those that an event starts call them.
const (
	ghFleet = ghFolder + "rootfsgen-fleet.yml"
	ghBuild = ghFolder + "rootfsgen-build.yml"
	ghMerge = ghFolder + "rootfsgen-merge.yml"
)

// fleetWorkflows are the workflows of the images.
func (g *github) fleetWorkflows() map[string]*workflow {
	all := map[string]*workflow{ghFleet: g.fleet(), ghBuild: g.build(), ghMerge: g.merge()}
	maps.Copy(all, g.secretBuilds())
	return all
}

// aboutFleet is what each layout says of itself at the top of the fleet's file.
var aboutFleet = map[string][]string{
	model.LayoutGraph: {
		"The jobs of every image. The plan decides which of them run; an image waits for its parents only.",
		"It cannot wait for one platform of a parent, so it waits for all of them.",
	},
	model.LayoutWaves: {
		"The jobs of every image, in waves: an image is built from images of earlier waves. The plan decides which",
		"images run; a wave waits for the one before it, however that ended.",
	},
}

func (g *github) fleet() *workflow {
	w := &workflow{
		About: aboutFleet[g.p.Layout],
		Name:  "rootfsgen fleet", Shell: true,
		On: triggers{Call: true, Secrets: g.fleetSecrets(), Inputs: planInputs, Outputs: []output{
			{unplanned, "Whether the plan could not be made", "${{ jobs.plan.outputs." + unplanned + " }}"},
		}},
	}
	jobs := g.fleetJobs()
	plan := g.job(pipeline.Plan, "plan", "plan")
	for _, name := range g.planOutputs(jobs) {
		plan.Outputs = append(plan.Outputs, pair{name, expr("${{ steps.outputs.outputs." + name + " }}")})
	}
	plan.Steps = append(plan.Steps, sayUnplanned)
	plan.Outputs = append(plan.Outputs, pair{unplanned, expr("${{ steps." + unplanned + ".outputs." + unplanned + " }}")})
	w.Jobs = append([]ghJob{plan}, jobs...)
	return w
}

// planOutputs are the names of what the planning job tells the fleet's jobs.
func (g *github) planOutputs(jobs []ghJob) []string {
	if g.p.Layout != model.LayoutWaves {
		return []string{"build", "merge", "matrix"}
	}
	names := []string{"sets"}
	for i := range jobs {
		names = append(names, jobs[i].ID)
	}
	return names
}

// fleetJobs are the jobs of all images.
func (g *github) fleetJobs() []ghJob {
	if g.p.Layout == model.LayoutWaves {
		return g.waveJobs()
	}
	var jobs []ghJob
	for i := range g.p.Images {
		jobs = append(jobs, g.imageJobs(&g.p.Images[i])...)
	}
	return jobs
}

// imageJobs are the build and the merge of one image. Both run when the plan
// names the image and what they wait for did not fail: an image that the plan
// names must have succeeded, any other is skipped and in nobody's way.
func (g *github) imageJobs(i *pipeline.Image) []ghJob {
	var jobs []ghJob
	if len(i.Legs) > 0 {
		b := ghJob{
			ID: JobID(pipeline.Build, i.ID), Name: "build " + i.ID, Needs: []string{"plan"}, Uses: "./" + buildFile(i), Permissions: g.calling(pipeline.Build), Secrets: handOn(g.imageSecrets(i)),
			With: []pair{{"image", i.ID}, {"platforms", expr("${{ toJSON(fromJSON(needs.plan.outputs.matrix)['" + i.ID + "']) }}")}},
		}
		b.With = append(b.With, g.testsInput("needs.plan.outputs.matrix", "'"+i.ID+pipeline.TestsOf+"'")...)
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
		m := ghJob{ID: JobID(pipeline.Merge, i.ID), Name: "merge " + i.ID, Needs: []string{"plan"}, Uses: "./" + ghMerge, Permissions: g.calling(pipeline.Merge), Secrets: g.logins(), With: append([]pair{{"image", i.ID}}, targetInput(i)...)}
		var before []string
		if len(i.Legs) > 0 {
			before = []string{i.ID}
			m.Needs = append(m.Needs, JobID(pipeline.Build, i.ID))
		}
		for _, parent := range i.After {
			m.Needs = append(m.Needs, JobID(pipeline.Merge, parent))
		}
		m.If = runsWhen("merge", i.ID, before, i.After...)
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
// waits for the builds of other images, and for the merges of some.
func runsWhen(output, id string, builds []string, merges ...string) expr {
	var b strings.Builder
	fmt.Fprintf(&b, "${{ !cancelled() && needs.plan.result == 'success' && contains(fromJSON(needs.plan.outputs.%s), '%s')", output, id)
	for _, parent := range builds {
		fmt.Fprintf(&b, " && (needs.%s.result == 'success' || !contains(fromJSON(needs.plan.outputs.build), '%s'))", JobID(pipeline.Build, parent), parent)
	}
	for _, parent := range merges {
		fmt.Fprintf(&b, " && (needs.%s.result == 'success' || !contains(fromJSON(needs.plan.outputs.merge), '%s'))", JobID(pipeline.Merge, parent), parent)
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
	j.RunsOnExpr = g.machine()
	j.Matrix = "${{ fromJSON(inputs.platforms) }}"
	g.surroundLegs(&j, g.p.BuildClasses(), "class")
	minutes := j.Minutes
	j.Minutes = expr("${{ inputs.minutes }}")
	inputs := append(slices.Clone(inputsOfImage), []input{
		{Name: "platforms", Description: "JSON list of the platforms and the machines that build them", Type: "string", Required: true},
		{Name: "minutes", Description: "Time limit", Type: "number", HasDefault: true, Default: minutes},
	}...)
	if g.testsApart() {
		inputs = append(inputs, input{Name: "tests", Description: "JSON list of the platforms that are tested on other machines", Type: "string", HasDefault: true, Default: "[]"})
	}
	return &workflow{
		About: []string{"Builds and tests one image, on each platform that the plan names."},
		Name:  "rootfsgen build", Shell: true,
		On:   triggers{Call: true, Secrets: g.loginSecrets(imageScopes...), Inputs: inputs},
		Jobs: append([]ghJob{j}, g.tests()...),
	}
}

func (g *github) merge() *workflow {
	return &workflow{
		About: []string{"Joins the platforms of one image in an index, all of them or none."},
		Name:  "rootfsgen merge", Shell: true,
		On:   triggers{Call: true, Secrets: g.loginSecrets(imageScopes...), Inputs: inputsOfImage},
		Jobs: []ghJob{g.job(pipeline.Merge, "merge", "index")},
	}
}
