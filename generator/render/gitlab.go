package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// The GitLab files.
const (
	// GitLabFile is the file that GitLab reads first. A repository may have its
	// own, which then includes GitLabPipeline.
	GitLabFile     = ".gitlab-ci.yml"
	GitLabPipeline = ".gitlab/rootfsgen/pipeline.yml"
)

// The jobs and stages of the parent pipeline.
const (
	glPlan     = "rootfsgen-plan"
	glImages   = "rootfsgen-images"
	glManifest = "rootfsgen-manifest"
	glPromote  = "rootfsgen-promote"
	glFork     = "rootfsgen-fork"
	glLock     = "rootfsgen-lock"
	glRescan   = "rootfsgen-rescan"
	glPurge    = "rootfsgen-purge"
	glMerged   = "rootfsgen-merged" // on the branch of the channels
	// parentVar tells a child pipeline which one started it.
	parentVar = "ROOTFSGEN_PARENT"
)

// glProd is the group whose jobs change prod, one at a time.
const glProd = "rootfsgen-prod"

// glStages are the stages of GitLabPipeline, which a file that includes it
// must have.
var glStages = []string{"rootfsgen-plan", "rootfsgen-images", "rootfsgen-channels"}

// gitlab makes the files of one pipeline.
type gitlab struct {
	p      *pipeline.Pipeline
	tested map[string]bool // names of all test jobs; see lastOf
}

func renderGitLab(p *pipeline.Pipeline) (Files, error) {
	g := &gitlab{p: p}
	files := Files{}
	for name, f := range map[string]*glFile{GitLabFile: g.root(), GitLabPipeline: g.parent(), GitLabFleet: g.fleet(p.Images, nil)} {
		text, err := layOut(p, name, "gitlab/pipeline.yml.tmpl", f)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

func (g *gitlab) root() *glFile {
	f := &glFile{
		About:   []string{"What starts a pipeline. Everything else is in the included file."},
		Include: []string{GitLabPipeline}, Stages: glStages,
	}
	for _, e := range pipeline.Events() {
		if e == pipeline.Closed { // which is no pipeline of its own
			continue
		}
		if m := g.p.Mode(e); m != model.TriggerOff && m != "" {
			f.Workflow = append(f.Workflow, rule{If: g.when(e), Keep: g.keeps(e)})
		}
	}
	if len(f.Workflow) == 0 {
		f.Workflow = []rule{{When: "never"}}
	}
	if g.p.Mode(pipeline.Manual) == model.TriggerBuild {
		f.Form = []field{
			{Name: string(pipeline.VarImages), Description: "Names of images, separated by blanks; empty is all"},
			{Name: string(pipeline.VarPlatforms), Description: "For example linux/arm64; empty is all"},
			{Name: string(pipeline.VarForce), Value: "false", Options: []string{"false", "true"}, Description: "Build the images anew, and what is built from them, though nothing changed"},
		}
	}
	return f
}

func (g *gitlab) parent() *glFile {
	plan := g.job(pipeline.Plan, glPlan, glStages[0])
	g.said(plan.Rules)
	g.finish(&plan)
	build := g.p.Fixed[pipeline.Build]
	images := glJob{
		Name: glImages, Stage: glStages[1], Needs: []need{{Job: glPlan, Artifacts: true}}, Rules: g.rules(&build, ""),
		Variables: []pair{{parentVar, "$CI_PIPELINE_ID"}},
		Trigger:   &trigger{Artifact: pipeline.ChildFile, Job: glPlan},
	}
	g.keepChild(images.Rules)
	manifest := g.job(pipeline.Manifest, glManifest, glStages[2])
	manifest.Needs = []need{{Job: glPlan, Artifacts: true}, {Job: glImages}}
	manifestJob := g.p.Fixed[pipeline.Manifest]
	manifest.Rules = g.rules(&manifestJob, "always") // what passed is listed, even where another image failed
	manifest.needsPlan(1)
	promote := g.job(pipeline.Promote, glPromote, glStages[2])
	promote.Needs = []need{{Job: glPlan, Artifacts: true}, {Job: glImages}, {Job: glManifest}}
	promote.ResourceGroup = glProd
	promote.set([]pair{{string(pipeline.VarTag), "$CI_COMMIT_TAG"}})
	if manifest.Environment != "" { // for what belongs to it; nothing is deployed there
		manifest.Access = true
	}
	fork := g.job(pipeline.Fork, glFork, glStages[1])
	g.said(fork.Rules)
	lock := g.job(pipeline.Lock, glLock, glStages[0])
	rescan := g.job(pipeline.Rescan, glRescan, glStages[0])
	f := &glFile{
		About: []string{
			"Plans, starts a child pipeline of what is to be done, and writes the channels.",
			"A variable ROOTFSGEN_PUSH_TOKEN of the project lets the last jobs push the channel branch.",
		},
		Stages: glStages,
	}
	for _, j := range []glJob{plan, images, g.comment(), g.reports(), manifest, promote, fork, lock, rescan, g.purge(), g.merged()} {
		if len(j.Rules) > 0 { // some event starts it
			f.Jobs = append(f.Jobs, j)
		}
	}
	g.around(f)
	return f
}
