package source

import (
	"regexp"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	ownJobName = text{name: "a name", max: 64, check: model.CheckJobName,
		pattern: regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)}
	workflowPath = text{name: "a workflow", max: 256, check: model.CheckWorkflowPath,
		pattern: regexp.MustCompile(`^\./\.github/workflows/[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml$`)}
	hiddenJob = text{name: "a hidden job", max: 128, check: model.CheckHiddenJob,
		pattern: regexp.MustCompile(`^\.[A-Za-z0-9_][A-Za-z0-9._:-]*$`)}
	includePath = text{name: "a path", max: 256, check: model.CheckIncludePath,
		pattern: regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9._/-]*$`)}
	containerImage = text{name: "an image", max: 400, check: model.CheckContainerImage,
		pattern: regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/@-]*$`)}
)

var jobsField = field[settings]{key: "jobs", doc: "Jobs of your own around the stages of the pipelines: docs/guide/ownership.md.",
	shape: list{of: ownJobShape}, set: func(s *settings, v value) {
		for _, i := range v.items {
			j, _ := i.record.(model.OwnJob)
			s.model.Jobs = append(s.model.Jobs, j)
			s.ownJobs = append(s.ownJobs, i)
		}
	}}

var ownJobShape = record[model.OwnJob]{name: "a job", fields: []field[model.OwnJob]{
	{key: "name", doc: "What it is called.", required: true, remedy: `write "name: lint"`, shape: ownJobName,
		set: func(j *model.OwnJob, v value) { j.Name = v.text }},
	{key: "before", doc: "Stage that waits for it, and does not begin where it fails: `build`, of all images, `manifest` (the testing channel is written) or `promote`.",
		shape: text{enum: []string{model.StageBuild, model.StageManifest, model.StagePromote}}, set: func(j *model.OwnJob, v value) { j.Before = v.text }},
	{key: "after", doc: "Stage that it waits for: `build`, `manifest` (the testing channel is written) or `promote`.",
		shape: text{enum: []string{model.StageBuild, model.StageManifest, model.StagePromote}}, set: func(j *model.OwnJob, v value) { j.After = v.text }},
	{key: "events", doc: "Events that it is part of.", defWords: "all that have the stage",
		shape: list{of: text{enum: model.OwnEvents()}, unique: true, nonzero: true}, set: func(j *model.OwnJob, v value) { j.Events = v.texts() }},
	{key: "github", doc: "Workflow of this repository that GitHub calls, such as `./.github/workflows/notify.yml`.",
		shape: workflowPath, set: func(j *model.OwnJob, v value) { j.GitHub = v.text }},
	{key: "secrets", doc: "Secrets that GitHub hands to it, by name.", shape: list{of: secretName, unique: true},
		set: func(j *model.OwnJob, v value) { j.Secrets = v.texts() }},
	{key: "rights", doc: "What GitHub lets it do beside reading the repository: `identity`, to prove which job it is (id-token: write); `release`, to write releases, and all else in the repository (contents: write).",
		shape: list{of: text{enum: []string{model.RightIdentity, model.RightRelease}}, unique: true}, set: func(j *model.OwnJob, v value) { j.Rights = slices.Sorted(slices.Values(v.texts())) }},
	{key: "gitlab", doc: "Hidden job that GitLab's extends, such as `.notify`.",
		shape: hiddenJob, set: func(j *model.OwnJob, v value) { j.GitLab = v.text }},
	{key: "include", doc: "File with the hidden job, from the root of the repository.", defWords: "none: your own `.gitlab-ci.yml` has it",
		shape: includePath, set: func(j *model.OwnJob, v value) { j.Include = v.text }},
}}

// checkJobs refuses jobs that would be nowhere, or nothing.
func (f *file) checkJobs(s *settings) {
	seen := map[string]bool{}
	for i := range s.model.Jobs {
		j, at := &s.model.Jobs[i], s.ownJobs[i].pos
		switch {
		case j.Name == "": // which is a mistake of its own
		case seen[j.Name]:
			f.errorf(RuleDuplicateItem, at, "rename one of them", "jobs has %q twice", j.Name)
		case (j.Before == "") == (j.After == ""):
			f.errorf(RuleNoEffect, at, "write after: build, or before: promote", "the job %q needs before or after, and not both", j.Name)
		case j.Before == model.StageManifest && len(j.Events) > 0: // GitLab's stage is to run whatever the images came to, and would not wait for it
			f.errorf(RuleNoEffect, at, "leave events out: it is part of all that write the channel", "the job %q is before the channel in some events alone", j.Name)
		case j.GitHub == "" && j.GitLab == "":
			f.errorf(RuleNoEffect, at, "name a workflow under github, or a hidden job under gitlab", "the job %q does nothing", j.Name)
		case len(j.Secrets) > 0 && j.GitHub == "":
			f.errorf(RuleNoEffect, at, "on GitLab, protect the project's variables instead", "the job %q has secrets, which are GitHub's, and no workflow", j.Name)
		case len(j.Rights) > 0 && j.GitHub == "":
			f.errorf(RuleNoEffect, at, "on GitLab, the hidden job itself says what it is given", "the job %q has rights, which are GitHub's, and no workflow", j.Name)
		case j.Include != "" && j.GitLab == "":
			f.errorf(RuleNoEffect, at, "name the hidden job under gitlab", "the job %q includes a file and extends nothing", j.Name)
		}
		seen[j.Name] = true
	}
}

var serviceShape = record[model.Service]{name: "a service", fields: []field[model.Service]{
	{key: "name", doc: "Host name under which jobs reach it.", required: true, remedy: `write "name: database"`, shape: ownJobName,
		set: func(s *model.Service, v value) { s.Name = v.text }},
	{key: "image", doc: "Its image, by digest.", required: true, remedy: `write "image: registry.example.com/database@sha256:0123..."`, shape: containerImage,
		set: func(s *model.Service, v value) { s.Image = v.text }},
}}

var (
	runnerImageField = field[runnerSettings]{key: "image", doc: "Image that jobs run in, by digest.", defWords: "the machine itself", shape: containerImage,
		set: func(r *runnerSettings, v value) { r.Image = v.text }}
	runnerServicesField = field[runnerSettings]{key: "services", doc: "Containers beside each job.", shape: list{of: serviceShape},
		set: func(r *runnerSettings, v value) {
			for _, i := range v.items {
				s, _ := i.record.(model.Service)
				r.Services = append(r.Services, s)
			}
		}}
	runnerVariablesField = field[runnerSettings]{key: "variables", doc: "Environment variables of each job. No secrets: everybody can read them.",
		shape: dict{keys: variableName, of: variableValue}, set: func(r *runnerSettings, v value) { r.Variables = v.textMap() }}
)

// variableName leaves out what is ours and the forges'.
var variableName = text{name: "a variable", max: 100, check: model.CheckVariableName,
	pattern: regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)}

// variableValue is what both forges take as it is.
var variableValue = text{name: "text without $, { and }", max: 1000, empty: true, expect: "text without $, { and }, which forges replace",
	pattern: regexp.MustCompile(`^[^${}\x00-\x1f\x7f]*$`)}
