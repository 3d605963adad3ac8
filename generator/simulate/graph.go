// Package simulate plays the jobs of an emitted pipeline through, on machines
// that boot, cost money and may be taken away: how long everything takes, what
// it costs, and how much of it is done again. It asks no clock and nobody.
package simulate

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// Job is one job of a pipeline, or with no class a point in it that takes no
// machine.
type Job struct {
	Name    string  // "build/IMAGE/ARCH", "merge/IMAGE", "plan", "manifest"
	Class   string  // of the machine; empty for none
	Seconds float64 // on the machine, without its boot
	After   []int   // jobs that have ended before it starts, however they ended
	Parents []int   // jobs that have succeeded before it starts
}

// Graph is the jobs that one event starts, each behind those that it waits
// for.
type Graph struct {
	Forge  string
	Layout string
	Jobs   []Job
	Again  float64 // seconds of a job that is run again though its work was done
	// Rounds tells that lost jobs run again only when all others have ended, and
	// with them what depends on them, as on GitHub.
	Rounds bool
}

// Emitted is the graph of what a forge runs.
type Emitted struct {
	All, Some *pipeline.Pipeline // of the whole fleet, and of what the plan runs
	Forge     string
	Layout    string        // graph or waves
	Room      pipeline.Room // of the forge's waves
	Times     *Times
	// Target is what a leg of an image is called in Times.
	Target func(image string, p model.Platform) model.TargetID
}

// Graph lays the jobs out as render writes them: on GitHub a child waits for
// every platform of its parent, on GitLab for its own; a wave waits for the
// whole wave before it.
func (e *Emitted) Graph() *Graph {
	d := &drawing{
		Emitted: e, legs: map[string]map[model.Platform]int{}, join: map[string]int{},
		g: &Graph{Forge: e.Forge, Layout: e.Layout, Again: or(e.Times.Again, defaultAgain), Rounds: e.Forge == pipeline.GitHub},
	}
	begin := d.add(Job{Name: "plan", Class: model.RunnerSmall, Seconds: or(e.Times.Plan, defaultPlan)})
	if e.Forge == pipeline.GitLab { // the child pipeline's first job hands the plan on
		begin = d.add(Job{Name: "plan/child", Class: model.RunnerSmall, Seconds: d.g.Again, Parents: []int{begin}})
	}
	if e.Layout == model.LayoutWaves {
		d.waves(begin)
	} else {
		d.images(begin)
	}
	all := make([]int, len(d.g.Jobs))
	for i := range all {
		all[i] = i
	}
	d.add(Job{Name: "manifest", Class: model.RunnerSmall, Seconds: or(e.Times.Manifest, defaultManifest), After: all, Parents: []int{begin}})
	return d.g
}

// drawing is a graph as it grows.
type drawing struct {
	*Emitted
	g    *Graph
	legs map[string]map[model.Platform]int // of each image, its build jobs
	join map[string]int                    // of each image, the job that joins its platforms
}

func (d *drawing) add(j Job) int {
	d.g.Jobs = append(d.g.Jobs, j)
	return len(d.g.Jobs) - 1
}

// images are the jobs of the layout "graph".
func (d *drawing) images(begin int) {
	for n := range d.Some.Images {
		i := &d.Some.Images[n]
		d.builds(i, func(l *pipeline.Leg) Job {
			parents := d.ofParents(i, l)
			if len(parents) == 0 {
				parents = []int{begin}
			}
			return Job{Parents: parents}
		})
		d.merge(i, []int{begin}, d.own(i))
	}
}

// jobsOf are the jobs that run of those that a leg waits for.
func (d *drawing) jobsOf(l *pipeline.Leg) []int {
	var jobs []int
	for _, parent := range l.Waits() {
		if job, runs := d.legs[parent.ID][parent.Platform]; runs {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// ofParents are the jobs that build what a leg waits for.
func (d *drawing) ofParents(i *pipeline.Image, l *pipeline.Leg) []int {
	if d.Forge == pipeline.GitLab {
		return d.jobsOf(l)
	}
	var jobs []int
	for _, parent := range i.Parents() {
		jobs = append(jobs, d.ofImage(parent)...)
	}
	return jobs
}

// waves are the jobs of the layout "waves". Where images are judged, what a wave
// joins waits for all that the one before it has joined.
func (d *drawing) waves(begin int) {
	before, joined := begin, begin
	for _, wave := range pipeline.Waves(pipeline.Part(d.All.Batches(d.Room), d.Some.Images)) {
		var builds, merges []int
		for b := range wave {
			batch := &wave[b]
			first := len(d.g.Jobs)
			for n := range batch.Images {
				i := &batch.Images[n]
				d.builds(i, func(l *pipeline.Leg) Job {
					return Job{After: []int{before}, Parents: d.jobsOf(l)}
				})
			}
			own := between(first, len(d.g.Jobs))
			builds = append(builds, own...)
			built := d.add(Job{Name: "batch", After: append(own, before)})
			for n := range batch.Images {
				merges = append(merges, d.merge(&batch.Images[n], []int{built, joined}, d.own(&batch.Images[n]))...)
			}
		}
		if len(builds) > 0 {
			before = d.add(Job{Name: "wave", After: builds})
		}
		if len(merges) > 0 && d.All.Judging.On {
			joined = d.add(Job{Name: "joined", After: merges})
		}
	}
}

func between(first, end int) []int {
	var out []int
	for n := first; n < end; n++ {
		out = append(out, n)
	}
	return out
}

// builds adds the build jobs of an image.
func (d *drawing) builds(i *pipeline.Image, waits func(*pipeline.Leg) Job) {
	legs := map[model.Platform]int{}
	for n := range i.Legs {
		l := &i.Legs[n]
		j := waits(l)
		j.Name, j.Class = JobName(pipeline.Build, i.ID, l.Platform), l.Runner
		j.Seconds, _ = d.Times.Of(d.Target(i.ID, l.Platform))
		legs[l.Platform] = d.add(j)
	}
	d.legs[i.ID] = legs
}

func (d *drawing) own(i *pipeline.Image) []int { return d.ofImage(i.ID) }

// ofImage are the build jobs of an image, in the order of their numbers.
func (d *drawing) ofImage(id string) []int {
	var out []int
	for _, job := range d.legs[id] {
		out = append(out, job)
	}
	slices.Sort(out)
	return out
}

// merge adds the job that joins an image's platforms, if it has one.
func (d *drawing) merge(i *pipeline.Image, after, builds []int) []int {
	if !i.Merge {
		return nil
	}
	for _, parent := range i.After {
		if job, runs := d.join[parent]; runs {
			builds = append(builds, job)
		}
	}
	job := d.add(Job{Name: JobName(pipeline.Merge, i.ID, model.Platform{}), Class: model.RunnerSmall, Seconds: or(d.Times.Merge, defaultMerge), After: after, Parents: builds})
	d.join[i.ID] = job
	return []int{job}
}

// JobName is what people call a job of an image, on any forge.
func JobName(kind pipeline.Kind, image string, p model.Platform) string {
	if p.Arch == "" {
		return string(kind) + "/" + image
	}
	return string(kind) + "/" + image + "/" + p.Arch
}
