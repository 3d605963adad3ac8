package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// glOwnNeeds is how many needs a job of the child may have beside those of
// other images.
const glOwnNeeds = 2

// room is what a wave may have on GitLab, where every job of the next wave
// needs every group. A merge that waits for those of the wave before needs its
// own groups, too.
func (g *gitlab) room() pipeline.Room {
	r := pipeline.Room{Legs: bound(glMatrix), Needs: bound(glNeeds) - glOwnNeeds, Name: bound(glMatrixName)}
	if g.p.Judging.On {
		r.Needs /= 2
	}
	return r
}

// fleetJobs are the jobs of all images, or of some of them.
func (g *gitlab) fleetJobs(some []pipeline.Image) []glJob {
	if g.p.Layout == model.LayoutWaves {
		return g.waveJobs(pipeline.Part(g.p.Batches(g.room()), some))
	}
	var jobs []glJob
	for i := range some {
		jobs = append(jobs, g.imageJobs(&some[i])...)
	}
	return jobs
}

// waveJobs are the jobs of batches: for each a matrix for each kind of machine,
// and one that merges. They run however the wave before them ended: a leg
// whose parent was not built says so and fails, the others go on.
func (g *gitlab) waveJobs(batches []pipeline.Batch) []glJob {
	var jobs []glJob
	var before, joined []need
	for _, wave := range pipeline.Waves(batches) {
		var builds, merges []need
		for i := range wave {
			b := &wave[i]
			var own []need
			for _, group := range b.Groups(g.room()) {
				j := g.groupJob(b, &group, before, own)
				jobs, own = append(jobs, j), append(own, need{Job: j.Name})
			}
			for _, j := range g.mergeJobs(b, slices.Concat(own, joined)) {
				jobs, merges = append(jobs, j), append(merges, need{Job: j.Name})
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

// however is the rule of a job that runs whatever became of what it needs.
func however(before []need) []rule {
	if len(before) == 0 {
		return nil
	}
	return []rule{{When: "always"}}
}

// groupJob builds a group after the wave before, or tests it after its batch
// was built.
func (g *gitlab) groupJob(b *pipeline.Batch, group *pipeline.Group, before, built []need) glJob {
	kind := pipeline.Build
	if group.Device != "" {
		kind, before = pipeline.Test, builds(built)
	}
	j := glJob{
		Name: g.groupName(b, group), Extends: hidden + string(kind), Tags: g.p.Runners[group.Runner].GitLab,
		Variables: []pair{{string(pipeline.VarPlatform), group.Platform.String()}, {string(pipeline.VarArch), group.Platform.Arch}},
		Needs:     append(g.needs(), before...), Rules: however(before),
	}
	j.surround(g.p.Runners[group.Runner])
	if kind == pipeline.Build {
		j.keepSecretsOf(&group.Images[0])
	} else {
		j.Variables = append(j.Variables, pair{string(pipeline.VarDevice), group.Device})
	}
	if group.Minutes != g.p.Fixed[pipeline.Build].Minutes {
		j.Minutes = minutes(group.Minutes)
	}
	if group.Target != "" {
		j.Variables = append(imageVariables(&group.Images[0]), j.Variables...)
		return j
	}
	for i := range group.Images {
		j.Matrix = append(j.Matrix, imageVariables(&group.Images[i]))
	}
	return j
}

// builds are the needs that build; a batch's test jobs come after these.
func builds(needs []need) []need {
	return slices.DeleteFunc(slices.Clone(needs), func(n need) bool { return strings.HasPrefix(n.Job, string(pipeline.Test)+":") })
}

// groupName says wave, number and platform, and what else tells a group from
// the others of its batch.
func (g *gitlab) groupName(b *pipeline.Batch, group *pipeline.Group) string {
	kind := pipeline.Build
	if group.Device != "" {
		kind = pipeline.Test
	}
	parts := []string{string(kind), fmt.Sprintf("%d.%d", b.Wave, b.Number), group.Platform.Arch}
	if group.Device != "" {
		parts = append(parts, group.Device)
	}
	if group.Runner != pipeline.DefaultClass(group.Platform) {
		parts = append(parts, group.Runner)
	}
	if group.Minutes != g.p.Fixed[pipeline.Build].Minutes {
		parts = append(parts, fmt.Sprintf("%dm", group.Minutes))
	}
	if group.Target != "" {
		parts = append(parts, group.Images[0].ID)
	}
	return strings.Join(parts, ":")
}

// mergeJobs merge the images of a batch: in one matrix, but for those whose
// names are too long for one.
func (g *gitlab) mergeJobs(b *pipeline.Batch, builds []need) []glJob {
	all := glJob{
		Name: fmt.Sprintf("merge:%d.%d", b.Wave, b.Number), Extends: hidden + string(pipeline.Merge),
		Needs: append(g.needs(), builds...), Rules: however(builds),
	}
	var jobs []glJob
	for i := range b.Images {
		img := &b.Images[i]
		switch {
		case !img.Merge:
		case g.room().TooLong(img):
			one := all
			one.Matrix, one.Name, one.Variables = nil, all.Name+":"+img.ID, imageVariables(img)
			jobs = append(jobs, one)
		default:
			all.Matrix = append(all.Matrix, imageVariables(img))
		}
	}
	if len(all.Matrix) > 0 {
		jobs = append(jobs, all)
	}
	return jobs
}
