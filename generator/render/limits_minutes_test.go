package render_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// TestMinutesByMachine gives jobs as long as GitHub's own machines, and one's
// own, let them run, and a minute more or less.
func TestMinutesByMachine(t *testing.T) {
	t.Parallel()
	own, theirs := []string{"self-hosted", "linux", "x64"}, []string{"ubuntu-24.04"}
	const hosted, ours = "minutes of a job on a machine of the forge", "minutes of a job on a machine of one's own"
	for name, c := range map[string]struct {
		change  func(*pipeline.Pipeline)
		minutes int
		over    string
	}{
		"GitHub's, a minute less":   {func(p *pipeline.Pipeline) { relabel(p, theirs) }, 359, ""},
		"GitHub's":                  {func(p *pipeline.Pipeline) { relabel(p, theirs) }, 360, ""},
		"GitHub's, a minute more":   {func(p *pipeline.Pipeline) { relabel(p, theirs) }, 361, hosted},
		"ours":                      {func(p *pipeline.Pipeline) { relabel(p, own) }, 7200, ""},
		"ours, a minute more":       {func(p *pipeline.Pipeline) { relabel(p, own) }, 7201, ours},
		"ours by another name":      {func(p *pipeline.Pipeline) { relabel(p, []string{"ubuntu-big"}) }, 7200, ""},
		"ours with GitHub's name":   {func(p *pipeline.Pipeline) { relabel(p, append([]string{"self-hosted"}, theirs...)) }, 7200, ""},
		"GitHub's, that end sooner": {func(p *pipeline.Pipeline) { relabel(p, theirs); bound(p, 360) }, 7200, ""},
		"GitHub's, that end later":  {func(p *pipeline.Pipeline) { relabel(p, theirs); bound(p, 361) }, 7200, hosted},
		"GitHub's as the last": {func(p *pipeline.Pipeline) {
			r := p.Runners[model.RunnerSpotAMD64]
			r.Spot, r.OnDemand = true, model.RunnerHosted
			p.Runners[model.RunnerSpotAMD64], p.Spot.Attempts = r, 3
		}, 361, hosted},
		"GitHub's as the last, of one attempt": {func(p *pipeline.Pipeline) {
			r := p.Runners[model.RunnerSpotAMD64]
			r.Spot, r.OnDemand = true, model.RunnerHosted
			p.Runners[model.RunnerSpotAMD64], p.Spot.Attempts = r, 1
		}, 361, ""},
		"GitHub's for the tests": {func(p *pipeline.Pipeline) { p.Images[0].Legs[0].Test = model.RunnerHosted }, 361, hosted},
		"a job of its own": {func(p *pipeline.Pipeline) {
			j := p.Fixed[pipeline.Rescan] // runs on small machines
			j.Minutes = 361
			p.Fixed[pipeline.Rescan] = j
		}, 60, hosted},
	} {
		p := layout(t, fixtures()["one"])
		p.Images[0].Minutes = c.minutes
		c.change(p)
		err := render.CheckLimits(render.Limits(p, pipeline.GitHub, nil))
		if (err == nil) != (c.over == "") || err != nil && (!strings.Contains(err.Error(), c.over) || strings.Contains(err.Error(), "; ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// relabel gives the machines that build other labels.
func relabel(p *pipeline.Pipeline, labels []string) {
	for _, class := range []string{model.RunnerSpotAMD64, model.RunnerSpotARM64} {
		p.Runners[class] = model.Runner{GitHub: labels}
	}
}

// bound has the machines that build end their jobs by themselves.
func bound(p *pipeline.Pipeline, minutes int) {
	for _, class := range []string{model.RunnerSpotAMD64, model.RunnerSpotARM64} {
		r := p.Runners[class]
		r.TimeoutSeconds = minutes * 60
		p.Runners[class] = r
	}
}
