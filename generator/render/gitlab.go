package render

import (
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
		text, err := layOut(p, name, "gitlab/pipeline.yml.tmpl", f)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
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
