package render

import (
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// ghRoom is what a wave may have on GitHub. A job may wait for any number of
// others.
var ghRoom = pipeline.Room{Legs: bound(ghMatrix)}

// batches are the images in waves. Which of them a matrix could run is fixed;
// which it runs is for the plan to say.
func (g *github) batches() []pipeline.Batch { return g.p.Batches(ghRoom) }

// batchID is the id of a job that runs a batch, and of the planning job's
// output that lists its images.
func batchID(kind pipeline.Kind, b *pipeline.Batch) string {
	return fmt.Sprintf("%s-%d-%d", kind, b.Wave, b.Number)
}

// waveJobs are the builds and merges of all batches. A batch waits for the
// whole wave before it, however that ended: a leg whose parent was not built
// says so and fails, the others go on.
func (g *github) waveJobs() []ghJob {
	var jobs []ghJob
	var before, joined []string
	for _, wave := range pipeline.Waves(g.batches()) {
		var builds, merges []string
		for i := range wave {
			b := &wave[i]
			var own []string
			if hasLegs(b) {
				build := g.batchJob(pipeline.Build, b, before)
				build.With = append(build.With,
					pair{"platforms", expr("${{ toJSON(fromJSON(needs.plan.outputs.sets)[matrix.set]) }}")},
					pair{"minutes", expr("${{ matrix.minutes }}")})
				build.With = append(build.With, g.testsInput("needs.plan.outputs.sets", "format('{0}"+pipeline.TestsOf+"', matrix.set)")...)
				jobs, own = append(jobs, build), []string{build.ID}
			}
			if hasMerge(b) {
				merge := g.batchJob(pipeline.Merge, b, slices.Concat(own, joined))
				jobs, merges = append(jobs, merge), append(merges, merge.ID)
			}
			builds = append(builds, own...)
		}
		if len(builds) > 0 {
			before = builds
		}
		if len(merges) > 0 && g.p.Judging.On { // what is refused takes its children with it
			joined = merges
		}
	}
	return jobs
}

// batchJob runs the workflow of one image for each image that the plan names.
func (g *github) batchJob(kind pipeline.Kind, b *pipeline.Batch, before []string) ghJob {
	id := batchID(kind, b)
	j := ghJob{
		ID: id, Name: expr("${{ format('" + string(kind) + " {0}', matrix.image) }}"), Needs: append([]string{"plan"}, before...),
		If:     expr("${{ !cancelled() && needs.plan.result == 'success' && needs.plan.outputs." + id + " != '[]' }}"),
		Matrix: expr("${{ fromJSON(needs.plan.outputs." + id + ") }}"),
		Uses:   "./" + ghBuild, Permissions: g.calling(kind), Secrets: g.logins(),
		With: []pair{{"image", expr("${{ matrix.image }}")}, {"target", expr("${{ matrix.target }}")}},
	}
	if kind == pipeline.Merge {
		j.Uses = "./" + ghMerge
	} else if i := &b.Images[0]; len(i.Secrets) > 0 { // which is the only one
		j.Uses, j.Secrets = "./"+buildFile(i), handOn(g.imageSecrets(i))
	}
	return j
}

func hasLegs(b *pipeline.Batch) bool {
	return slices.ContainsFunc(b.Images, func(i pipeline.Image) bool { return len(i.Legs) > 0 })
}

func hasMerge(b *pipeline.Batch) bool {
	return slices.ContainsFunc(b.Images, func(i pipeline.Image) bool { return i.Merge })
}
