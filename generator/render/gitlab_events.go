package render

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// ScheduleVar is the variable by which a schedule of a GitLab project says
// what it is for: ScheduleLock or ScheduleBases.
const (
	ScheduleVar   = "ROOTFSGEN_SCHEDULE"
	ScheduleLock  = "lock"
	ScheduleBases = "bases"
	ScheduleScan  = "rescan"
)

// Parts of conditions. A variable that a GitLab does not set equals nothing.
const (
	ofRequest = `$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_EVENT_TYPE != "merge_train"`
	ofTrain   = `$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_EVENT_TYPE == "merge_train"`
	// Where the request comes from and where it goes to, whichever of the two
	// projects the pipeline runs in.
	fromHere  = ` && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID`
	fromAFork = ` && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID != $CI_MERGE_REQUEST_PROJECT_ID`
	// The variable is always set: what it says is compared.
	onProtected = ` && $CI_COMMIT_REF_PROTECTED == "true"`
)

// when is the condition that holds for the pipelines of an event, and for no
// other event.
func (g *gitlab) when(e pipeline.Event) string {
	onBranch := ` && $CI_COMMIT_BRANCH == "` + g.p.DefaultBranch + `"`
	scheduled := `$CI_PIPELINE_SOURCE == "schedule" && $` + ScheduleVar + ` == "`
	switch e {
	case pipeline.Push:
		return `$CI_PIPELINE_SOURCE == "push"` + onBranch
	case pipeline.Request:
		return ofRequest + fromHere
	case pipeline.ForkRequest:
		return ofRequest + fromAFork
	case pipeline.Queue:
		return ofTrain
	case pipeline.Release:
		pattern := strings.NewReplacer(".", `\.`, "/", `\/`, "*", `[^\/]*`).Replace(g.p.ReleaseTags)
		return `$CI_COMMIT_TAG =~ /^` + pattern + `$/` + onProtected // or whoever may push a tag would publish
	case pipeline.Manual:
		return `$CI_PIPELINE_SOURCE =~ /^(web|api|trigger)$/` + onBranch
	case pipeline.ScheduleLock:
		return scheduled + ScheduleLock + `"` + onBranch
	case pipeline.ScheduleBases:
		return scheduled + ScheduleBases + `"` + onBranch
	case pipeline.ScheduleRescan:
		return scheduled + ScheduleScan + `"` + onBranch
	case pipeline.Merged:
		return `$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "` + g.p.ChannelBranch + `"` + onProtected
	case pipeline.Closed: // which starts no pipeline: the request's own has the job, see purge
		return g.when(pipeline.Request)
	}
	return `$CI == "never"`
}

// rules are the conditions of a job that runs on certain events.
func (g *gitlab) rules(j *pipeline.Job, when string) []rule {
	var rules []rule
	for _, e := range j.Events {
		rules = append(rules, rule{If: g.when(e), When: when, event: e})
	}
	return rules
}

// said adds to each rule what its event says to the plan. What a person chose
// is in the pipeline's own variables.
func (g *gitlab) said(rules []rule) {
	for i := range rules {
		r := &rules[i]
		snapshot := ""
		switch r.event {
		case pipeline.Request, pipeline.ForkRequest:
			snapshot = "mr-$CI_MERGE_REQUEST_IID"
		case pipeline.Queue:
			snapshot = "train-$CI_MERGE_REQUEST_IID"
		case pipeline.Push, pipeline.Release, pipeline.Manual, pipeline.ScheduleLock, pipeline.ScheduleBases, pipeline.ScheduleRescan, pipeline.Closed, pipeline.Merged:
		}
		r.Variables = []pair{{string(pipeline.VarScope), pipeline.Scope(r.event)}, {string(pipeline.VarSnapshot), snapshot}}
		switch r.event {
		case pipeline.Queue: // what is ahead in the train counts as merged
			r.Variables = append(r.Variables, pair{string(pipeline.VarFrom), "$CI_MERGE_REQUEST_TARGET_BRANCH_SHA"})
		case pipeline.ScheduleBases:
			r.Variables = append(r.Variables, pair{string(pipeline.VarForce), "bases"})
		case pipeline.Push, pipeline.Request, pipeline.ForkRequest, pipeline.Release, pipeline.Manual, pipeline.ScheduleLock, pipeline.ScheduleRescan, pipeline.Closed, pipeline.Merged:
		}
	}
}
