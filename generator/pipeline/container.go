package pipeline

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// BuildClasses are the machine classes of the build jobs, sorted.
func (p *Pipeline) BuildClasses() []string {
	classes := map[string]bool{}
	for i := range p.Images {
		for _, l := range p.Images[i].Legs {
			classes[l.Runner] = true
		}
	}
	return slices.Sorted(maps.Keys(classes))
}

// Surrounded tells whether some class gives build jobs more than the machine,
// so that each must name its class.
func (p *Pipeline) Surrounded() bool {
	return slices.ContainsFunc(append(p.BuildClasses(), p.TestClasses()...), func(class string) bool {
		r := p.Runners[class]
		return r.Image != "" || len(r.Services) > 0 || len(r.Variables) > 0
	})
}

// NameClasses adds to each leg the machine class that the plan gives it.
func (o *Decisions) NameClasses(plan *model.Plan) {
	names := model.NodeNames(plan.Nodes())
	for i := range plan.Entries {
		e := &plan.Entries[i]
		legs := o.Matrix[names[e.ID().AllPlatforms()]]
		for n := range legs {
			if legs[n].Platform == e.Platform.String() {
				legs[n].Class, legs[n].TestClass = e.Runner, e.TestRunner
			}
		}
	}
}

// unpinned warns of images that may be others tomorrow.
func (p *Pipeline) unpinned() diag.List {
	var list diag.List
	for _, class := range slices.Sorted(maps.Keys(p.Runners)) {
		r := p.Runners[class]
		images := []string{r.Image}
		for _, s := range r.Services {
			images = append(images, s.Image)
		}
		for _, image := range images {
			if image != "" && !model.Pinned(image) {
				list.Warnf("unpinned-image", diag.Pos{File: settingsFile}, "add @sha256: and the digest",
					"the machine class %q runs %s, which may be another image tomorrow", class, image)
			}
		}
	}
	return list
}
