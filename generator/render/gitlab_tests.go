package render

import (
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// testJob tests an image on a machine that has what its tests need.
func (g *gitlab) testJob(i *pipeline.Image, l *pipeline.Leg) glJob {
	j := glJob{
		Name: testName(i.ID, l.Platform), Extends: hidden + string(pipeline.Test), Tags: g.p.Runners[l.Test].GitLab,
		Variables: append(imageVariables(i), pair{string(pipeline.VarPlatform), l.Platform.String()},
			pair{string(pipeline.VarArch), l.Platform.Arch}, pair{string(pipeline.VarDevice), l.Device}),
		Needs: append(g.needs(), need{Job: legName(i.ID, l.Platform)}),
	}
	j.surround(g.p.Runners[l.Test])
	if i.Minutes != g.p.Fixed[pipeline.Test].Minutes {
		j.Minutes = minutes(i.Minutes)
	}
	return j
}

// lastOf is the job of an image after which it is built and tested on a
// platform.
func (g *gitlab) lastOf(image string, on model.Platform) string {
	if g.tested == nil {
		g.tested = map[string]bool{}
		for i := range g.p.Images {
			for _, l := range g.p.Images[i].Legs {
				if l.Test != "" {
					g.tested[testName(g.p.Images[i].ID, l.Platform)] = true
				}
			}
		}
	}
	if name := testName(image, on); g.tested[name] {
		return name
	}
	return legName(image, on)
}

// testName is the test job of an image on a platform.
func testName(image string, p model.Platform) string { return fmt.Sprintf("test:%s:%s", image, p.Arch) }
