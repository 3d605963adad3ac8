package render

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// github counts what GitHub limits.
func (m *meter) github(g *github, files Files) {
	m.githubFiles(files)
	m.githubWorkflows(g.workflows())
	m.githubImages(g)
	m.count(ghOutputs, g.everyOutput(), "")
}

func (m *meter) githubFiles(files Files) {
	for name, text := range files {
		if strings.HasPrefix(name, ghFolder) {
			m.count(ghFile, len(text), name)
		}
	}
}

// githubWorkflows counts what each of them calls, and what their jobs have.
func (m *meter) githubWorkflows(workflows map[string]*workflow) {
	for name, w := range workflows {
		called := map[string]bool{}
		depth := calls(name, workflows, called)
		m.count(ghReusables, len(called), name)
		m.count(ghReusablesServer, len(called), name)
		m.count(ghDepth, depth, name)
		m.count(ghDepthServer, depth, name)
		for i := range w.Jobs {
			m.githubJob(&w.Jobs[i])
		}
	}
}

// calls collects the workflows that one calls, and returns how many call one
// another, itself included.
func calls(name string, workflows map[string]*workflow, called map[string]bool) int {
	w := workflows[name]
	if w == nil {
		return 1 // somebody else's
	}
	deepest := map[string]int{}
	for i := range w.Jobs {
		other, local := strings.CutPrefix(w.Jobs[i].Uses, "./")
		if !local || deepest[other] > 0 {
			continue
		}
		called[other] = true
		deepest[other] = calls(other, workflows, called)
	}
	depth := 0
	for _, d := range deepest {
		depth = max(depth, d)
	}
	return depth + 1
}

func (m *meter) githubJob(j *ghJob) {
	for _, e := range j.expressions() {
		m.count(ghExpression, len(e), j.ID)
	}
	saved := 0
	for i := range j.Steps {
		if u := j.Steps[i].Uses; u != nil && u.Action == actionUpload {
			saved++
		}
	}
	m.count(ghArtifacts, saved, j.ID)
}

// expressions are all texts of a job that GitHub evaluates.
func (j *ghJob) expressions() []expr {
	all := []expr{j.If, j.RunsOnExpr, j.Matrix}
	take := func(v any) {
		if e, is := v.(expr); is {
			all = append(all, e)
		}
	}
	takeAll := func(lists ...[]pair) {
		for _, ps := range lists {
			for _, p := range ps {
				take(p.Value)
			}
		}
	}
	take(j.Name)
	take(j.Minutes)
	takeAll(j.Outputs, j.With, j.Secrets)
	for i := range j.Steps {
		take(j.Steps[i].If)
		takeAll(j.Steps[i].With, j.Steps[i].Env)
	}
	return all
}

// githubImages counts matrices, jobs and time limits of all jobs.
func (m *meter) githubImages(g *github) {
	jobs := len(g.p.Fixed)
	for i := range g.p.Images {
		img := &g.p.Images[i]
		m.count(ghMatrix, len(img.Legs), img.ID)
		for n := range img.Legs {
			m.githubMinutes(g.p, img.Legs[n].Runner, img.Minutes, img.ID)
			m.githubMinutes(g.p, img.Legs[n].Test, img.Minutes, img.ID)
		}
		jobs += len(img.Legs)
		if img.Merge {
			jobs++
		}
	}
	if g.p.Layout == model.LayoutWaves {
		for _, b := range g.batches() {
			m.count(ghMatrix, len(b.Images), batchID(pipeline.Build, &b))
		}
	}
	m.count(ghCheckRuns, jobs, "")
	for kind, j := range g.p.Fixed {
		m.githubMinutes(g.p, j.Runner, j.Minutes, string(kind))
	}
}

// githubMinutes counts the time limit of a job on a machine of a class, and on
// that of its last attempt: GitHub ends those on its own machines sooner.
func (m *meter) githubMinutes(p *pipeline.Pipeline, class string, minutes int, where string) {
	for _, c := range []string{class, p.LastClass(class)} {
		if c == "" {
			continue
		}
		id := ghOwnMinutes
		if pipeline.Hosted(p.Runners[c], pipeline.GitHub) {
			id = ghHostedMinutes
		}
		m.count(id, p.MinutesOn(c, minutes), where)
	}
}

// everyOutput is the size of what the planning job tells when everything runs,
// as GitHub counts it.
func (g *github) everyOutput() int {
	d := &pipeline.Decisions{Matrix: map[string][]pipeline.Platform{}}
	labels, last := classLabels(g.p, pipeline.GitHub), g.p.LastLabels(pipeline.GitHub)
	for i := range g.p.Images {
		img := &g.p.Images[i]
		for _, l := range img.Legs {
			d.Matrix[img.ID] = append(d.Matrix[img.ID], pipeline.Platform{Platform: l.Platform.String(), Arch: l.Platform.Arch, Runner: labels[l.Runner], OnDemand: last[l.Runner]})
		}
		if len(img.Legs) > 0 {
			d.Build = append(d.Build, img.ID)
		}
		if img.Merge {
			d.Merge = append(d.Merge, img.ID)
		}
	}
	text, err := g.outputs(d)
	if err != nil {
		return bound(ghOutputs) + 1 // every image is in a wave, and strings always marshal
	}
	return utf16Bytes(text)
}

// outputs are those of the planning job, for the layout of the fleet.
func (g *github) outputs(d *pipeline.Decisions) ([]byte, error) {
	if g.p.Layout == model.LayoutWaves {
		return d.GitHubWaves(g.batches())
	}
	return d.GitHubOutputs()
}

// utf16Bytes is the size of text in UTF-16; names and labels are ASCII.
func utf16Bytes(text []byte) int { return 2 * len(text) }
