package render

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// GitLabFleet holds the jobs of every image; the child pipeline is a part of
// it.
const GitLabFleet = ".gitlab/rootfsgen/fleet.yml"

// Child writes the pipeline of the images that a plan runs, some of all. Its
// jobs are those of GitLabFleet, which needs no look at the plan but for the
// first, which carries it.
func Child(all, some *pipeline.Pipeline, plan []byte) ([]byte, error) {
	g := &gitlab{p: all}
	if plan == nil {
		plan = []byte{}
	}
	return layOut(all, pipeline.ChildFile, "gitlab/pipeline.yml.tmpl", g.fleet(some.Images, plan))
}

// The stages and hidden jobs of the child pipeline.
const (
	stagePlan  = "plan"
	stageBuild = "build"
	stageMerge = "merge"
	hidden     = ".rootfsgen-"
)

// fleet makes the file of every image, or with a plan the child pipeline of
// some.
func (g *gitlab) fleet(some []pipeline.Image, plan []byte) *glFile {
	f := &glFile{
		About: []string{
			"The jobs of every image. A pipeline runs those that its plan names, as a child pipeline.",
			"The first job carries the plan, which is empty here.",
		},
		Stages:   []string{stagePlan, stageBuild, stageMerge},
		Workflow: g.childRules(),
	}
	if plan != nil {
		f.About = []string{"The jobs that the plan names. The first job carries the plan."}
	}
	f.Jobs = append(f.Jobs, g.carrier(plan))
	f.Jobs = append(f.Jobs, g.hiddenJob(pipeline.Build, stageBuild))
	if _, needed := g.p.Fixed[pipeline.Test]; needed {
		f.Jobs = append(f.Jobs, g.hiddenJob(pipeline.Test, stageBuild))
	}
	f.Jobs = append(f.Jobs, g.hiddenJob(pipeline.Merge, stageMerge))
	f.Jobs = append(f.Jobs, g.fleetJobs(some)...)
	return f
}

// maxCarried is how many bytes of a plan, as text, a job carries in its script:
// half of what a job may have, and a quarter of a file.
const maxCarried = 512 << 10

// carrier hands the plan to the jobs of the child pipeline: artifacts do not
// cross from a parent in every engine that runs these files. Only a plan that
// is too large for a script comes that way.
func (g *gitlab) carrier(plan []byte) glJob {
	src := g.p.Fixed[pipeline.Plan]
	j := glJob{
		Name: stagePlan, Stage: stagePlan, Tags: g.p.Runners[src.Runner].GitLab, Minutes: minutes(src.Minutes),
		Interruptible: &boolean{model.KeepsByRule(g.p.GitLab)}, Retry: g.lost(), Rules: []rule{{When: "on_success"}},
		Variables: []pair{{"GIT_STRATEGY", "none"}},
		Artifacts: &glArtifacts{Paths: []string{pipeline.PlanFile}, When: "on_success", Expire: "30 days"},
	}
	j.surround(g.p.Runners[src.Runner])
	var payload string
	if plan != nil {
		payload = encode(plan)
	}
	if len(payload) > maxCarried {
		j.Needs = []need{{Job: glPlan, Pipeline: "$" + parentVar}}
		j.Script = []string{"set -euo pipefail\ntest -s " + pipeline.PlanFile + "\n"}
		return j
	}
	j.Script = []string{"set -euo pipefail\nmkdir -p " + pipeline.Folder + "\nbase64 -d << 'PLAN' | gunzip > " + pipeline.PlanFile + "\n" + payload + "PLAN\n"}
	return j
}

// encode packs a plan as lines of text.
func encode(plan []byte) string {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
	_, _ = w.Write(plan)                                       // a buffer takes everything
	_ = w.Close()
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	var b strings.Builder
	for len(text) > 0 {
		n := min(len(text), 120)
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return b.String()
}

func (g *gitlab) hiddenJob(kind pipeline.Kind, stage string) glJob {
	j := g.job(kind, hidden+string(kind), stage)
	j.Rules = []rule{{When: "on_success"}}
	if kind != pipeline.Merge {
		j.Tags = nil // each platform has its own machines
	}
	return j
}

func (g *gitlab) imageJobs(i *pipeline.Image) []glJob {
	var jobs []glJob
	merge := glJob{
		Name: "merge:" + i.ID, Extends: hidden + string(pipeline.Merge),
		Variables: imageVariables(i), Needs: g.needs(),
	}
	for _, l := range i.Legs {
		j := glJob{
			Name: legName(i.ID, l.Platform), Extends: hidden + string(pipeline.Build), Tags: g.p.Runners[l.Runner].GitLab,
			Variables: append(imageVariables(i), pair{string(pipeline.VarPlatform), l.Platform.String()}, pair{string(pipeline.VarArch), l.Platform.Arch}),
			Needs:     g.needs(),
		}
		j.surround(g.p.Runners[l.Runner])
		j.keepSecretsOf(i)
		if i.Minutes != g.p.Fixed[pipeline.Build].Minutes {
			j.Minutes = minutes(i.Minutes)
		}
		for _, parent := range l.Waits() {
			j.Needs = append(j.Needs, need{Job: g.lastOf(parent.ID, parent.Platform)})
		}
		merge.Needs = append(merge.Needs, need{Job: g.lastOf(i.ID, l.Platform)})
		jobs = append(jobs, j)
		if l.Test != "" {
			jobs = append(jobs, g.testJob(i, &l))
		}
	}
	if i.Merge {
		for _, parent := range i.After {
			merge.Needs = append(merge.Needs, need{Job: "merge:" + parent})
		}
		jobs = append(jobs, merge)
	}
	return jobs
}

// imageVariables say which image a job is about.
func imageVariables(i *pipeline.Image) []pair {
	v := []pair{{string(pipeline.VarImage), i.ID}}
	if i.Target != "" {
		v = append(v, pair{string(pipeline.VarTarget), i.Target})
	}
	return v
}

// needs is what every job of the child waits for: the plan, and where they are
// compiled the programs.
func (g *gitlab) needs() []need {
	n := []need{{Job: stagePlan, Artifacts: true}}
	if g.p.Runtime == model.RuntimeSource {
		n = append(n, need{Job: glPlan, Pipeline: "$" + parentVar})
	}
	return n
}

// legName is the build job of an image on a platform.
func legName(image string, p model.Platform) string { return fmt.Sprintf("build:%s:%s", image, p.Arch) }
