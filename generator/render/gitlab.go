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

// The GitLab files.
const (
	// GitLabFile is the file that GitLab reads first. A repository may have its
	// own, which then includes GitLabPipeline.
	GitLabFile     = ".gitlab-ci.yml"
	GitLabPipeline = ".gitlab/rootfsgen/pipeline.yml"
	GitLabFleet    = ".gitlab/rootfsgen/fleet.yml"
)

// The jobs and stages of the parent pipeline.
const (
	glPlan     = "rootfsgen-plan"
	glImages   = "rootfsgen-images"
	glManifest = "rootfsgen-manifest"
	glPromote  = "rootfsgen-promote"
	// parentVar tells a child pipeline which one started it.
	parentVar = "ROOTFSGEN_PARENT"
)

// glStages are the stages of GitLabPipeline, which a file that includes it
// must have.
var glStages = []string{"rootfsgen-plan", "rootfsgen-images", "rootfsgen-channels"}

// gitlab makes the files of one pipeline.
type gitlab struct{ p *pipeline.Pipeline }

func renderGitLab(p *pipeline.Pipeline) (Files, error) {
	g := &gitlab{p: p}
	files := Files{}
	for name, f := range map[string]*glFile{GitLabFile: g.root(), GitLabPipeline: g.parent(), GitLabFleet: g.fleet(nil)} {
		text, err := layOut(name, "gitlab/pipeline.yml.tmpl", f)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

// Child writes the pipeline of the images that a plan runs. Its jobs are those
// of GitLabFleet, which needs no look at the plan but for the first, which
// carries it.
func Child(p *pipeline.Pipeline, plan []byte) ([]byte, error) {
	g := &gitlab{p: p}
	if plan == nil {
		plan = []byte{}
	}
	return layOut(pipeline.ChildFile, "gitlab/pipeline.yml.tmpl", g.fleet(plan))
}

func (g *gitlab) root() *glFile {
	return &glFile{
		About:   []string{"What starts a pipeline. Everything else is in the included file."},
		Include: []string{GitLabPipeline}, Stages: glStages,
		Workflow: []rule{{If: g.when(pipeline.Request)}, {If: g.when(pipeline.Release)}, {If: g.when(pipeline.Push)}},
	}
}

// when is the condition that holds for the pipelines of an event, and for no
// other event.
func (g *gitlab) when(e pipeline.Event) string {
	switch e {
	case pipeline.Request:
		return `$CI_PIPELINE_SOURCE == "merge_request_event"`
	case pipeline.Release:
		pattern := strings.NewReplacer(".", `\.`, "/", `\/`, "*", `[^\/]*`).Replace(g.p.ReleaseTags)
		return `$CI_COMMIT_TAG =~ /^` + pattern + `$/`
	case pipeline.Push:
		return `$CI_COMMIT_BRANCH == "` + g.p.DefaultBranch + `"`
	}
	return `$CI == "never"`
}

// rules are the conditions of a job that runs on certain events.
func (g *gitlab) rules(j *pipeline.Job, when string) []rule {
	var rules []rule
	for _, e := range []pipeline.Event{pipeline.Request, pipeline.Release, pipeline.Push} {
		if j.AppliesTo(e) {
			rules = append(rules, rule{If: g.when(e), When: when})
		}
	}
	return rules
}

func (g *gitlab) parent() *glFile {
	plan := g.job(pipeline.Plan, glPlan, glStages[0])
	for i := range plan.Rules {
		plan.Rules[i].Variables = []pair{{string(pipeline.VarScope), model.ScopeTesting}, {string(pipeline.VarSnapshot), ""}}
		if plan.Rules[i].If == g.when(pipeline.Request) {
			plan.Rules[i].Variables = []pair{
				{string(pipeline.VarScope), model.ScopePR},
				{string(pipeline.VarSnapshot), "mr-$CI_MERGE_REQUEST_IID"},
			}
		}
	}
	src := g.p.Fixed[pipeline.Plan]
	images := glJob{
		Name: glImages, Stage: glStages[1], Needs: []need{{Job: glPlan, Artifacts: true}}, Rules: g.rules(&src, ""),
		Variables: []pair{{parentVar, "$CI_PIPELINE_ID"}},
		Trigger:   &trigger{Artifact: pipeline.ChildFile, Job: glPlan},
	}
	manifest := g.job(pipeline.Manifest, glManifest, glStages[2])
	manifest.Needs = []need{{Job: glPlan, Artifacts: true}, {Job: glImages}}
	manifestJob := g.p.Fixed[pipeline.Manifest]
	manifest.Rules = g.rules(&manifestJob, "always") // what passed is listed, even where another image failed
	promote := g.job(pipeline.Promote, glPromote, glStages[2])
	promote.Needs = []need{{Job: glPlan, Artifacts: true}, {Job: glImages}, {Job: glManifest}}
	promote.ResourceGroup = "rootfsgen-prod"
	return &glFile{
		About: []string{
			"Plans, starts a child pipeline of what is to be done, and writes the channels.",
			"A variable ROOTFSGEN_PUSH_TOKEN of the project lets the last jobs push the channel branch.",
		},
		Stages: glStages,
		Jobs:   []glJob{plan, images, manifest, promote},
	}
}

// The stages and hidden jobs of the child pipeline.
const (
	stagePlan  = "plan"
	stageBuild = "build"
	stageMerge = "merge"
	hidden     = ".rootfsgen-"
)

// fleet makes the file of every image, or with a plan the child pipeline.
func (g *gitlab) fleet(plan []byte) *glFile {
	f := &glFile{
		About: []string{
			"The jobs of every image. A pipeline runs those that its plan names, as a child pipeline.",
			"The first job carries the plan, which is empty here.",
		},
		Stages:   []string{stagePlan, stageBuild, stageMerge},
		Workflow: []rule{{When: "always"}},
	}
	if plan != nil {
		f.About = []string{"The jobs that the plan names. The first job carries the plan."}
	}
	f.Jobs = append(f.Jobs, g.carrier(plan))
	f.Jobs = append(f.Jobs, g.hiddenJob(pipeline.Build, stageBuild), g.hiddenJob(pipeline.Merge, stageMerge))
	for i := range g.p.Images {
		f.Jobs = append(f.Jobs, g.imageJobs(&g.p.Images[i])...)
	}
	return f
}

// carrier hands the plan to the jobs of the child pipeline: artifacts do not
// cross from a parent in every engine that runs these files.
func (g *gitlab) carrier(plan []byte) glJob {
	src := g.p.Fixed[pipeline.Plan]
	var payload string
	if plan != nil {
		payload = encode(plan)
	}
	return glJob{
		Name: stagePlan, Stage: stagePlan, Tags: g.p.Runners[src.Runner].GitLab, Minutes: minutes(src.Minutes),
		Interruptible: &boolean{true}, Retry: lostMachine, Rules: []rule{{When: "on_success"}},
		Variables: []pair{{"GIT_STRATEGY", "none"}},
		Script:    []string{"set -euo pipefail\nmkdir -p " + pipeline.Folder + "\nbase64 -d << 'PLAN' | gunzip > " + pipeline.PlanFile + "\n" + payload + "PLAN\n"},
		Artifacts: &glArtifacts{Paths: []string{pipeline.PlanFile}, When: "on_success", Expire: "30 days"},
	}
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
	if kind == pipeline.Build {
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
		if i.Minutes != g.p.Fixed[pipeline.Build].Minutes {
			j.Minutes = minutes(i.Minutes)
		}
		for _, parent := range l.Parents {
			j.Needs = append(j.Needs, need{Job: legName(parent, l.Platform)})
		}
		merge.Needs = append(merge.Needs, need{Job: j.Name})
		jobs = append(jobs, j)
	}
	if i.Merge {
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

func legName(image string, p model.Platform) string { return fmt.Sprintf("build:%s:%s", image, p.Arch) }
