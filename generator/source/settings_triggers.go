package source

import (
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxForkTargets bounds what people may let a fork's request build on one
// machine of the forge.
const maxForkTargets = 1000

// triggerSettings are triggers as they are written: what is empty or nil is
// not.
type triggerSettings struct {
	push, request, queue, tag string
	manual                    *bool
	schedule                  model.Schedule
}

// triggers applies the defaults.
func (s *triggerSettings) triggers() model.Triggers {
	t := model.DefaultTriggers()
	t.Push, t.Request, t.Queue, t.Tag = orDefault(s.push, t.Push), orDefault(s.request, t.Request), orDefault(s.queue, t.Queue), orDefault(s.tag, t.Tag)
	t.Schedule.Lock, t.Schedule.Bases = orDefault(s.schedule.Lock, t.Schedule.Lock), orDefault(s.schedule.Bases, t.Schedule.Bases)
	t.Schedule.Rescan = orDefault(s.schedule.Rescan, t.Schedule.Rescan)
	if s.manual != nil {
		t.Manual = *s.manual
	}
	return t
}

// workWords are what most events may lead to.
var workWords = text{enum: []string{model.TriggerBuild, model.TriggerPlan, model.TriggerOff}}

var triggersField = field[settings]{key: "triggers", doc: "What each event leads to.",
	shape: triggersShape, set: func(s *settings, v value) { s.triggers, _ = v.record.(triggerSettings) }}

var triggersShape = record[triggerSettings]{name: "triggers", fields: []field[triggerSettings]{
	{key: "push", doc: "A push to the default branch: `build` what changed, only `plan` it, or `off`.", def: model.TriggerBuild,
		shape: workWords, set: func(s *triggerSettings, v value) { s.push = v.text }},
	{key: "request", doc: "A pull or merge request; what it builds lies in the scope `pr`, under tags of its own. One from a fork is built on a machine of the forge, see `fork`.", def: model.TriggerBuild,
		shape: workWords, set: func(s *triggerSettings, v value) { s.request = v.text }},
	{key: "queue", doc: "A merge queue (GitHub) or a merge train (GitLab), likewise in the scope `pr`.", def: model.TriggerBuild,
		shape: workWords, set: func(s *triggerSettings, v value) { s.queue = v.text }},
	{key: "tag", doc: "A release tag: `promote` what testing has to prod, or `off`.", def: model.TriggerPromote,
		shape: text{enum: []string{model.TriggerPromote, model.TriggerOff}}, set: func(s *triggerSettings, v value) { s.tag = v.text }},
	{key: "manual", doc: "People may start a pipeline by hand, of chosen images and platforms.", def: true,
		shape: boolean{}, set: func(s *triggerSettings, v value) { s.manual = &v.flag }},
	{key: "schedule", doc: "When pipelines start by themselves. GitLab keeps the times in the project's own schedules: there, these say only whether.",
		shape: scheduleShape, set: func(s *triggerSettings, v value) { s.schedule, _ = v.record.(model.Schedule) }},
}}

var scheduleShape = record[model.Schedule]{name: "schedule", fields: []field[model.Schedule]{
	{key: "lock", doc: "When `images.lock` is looked up anew, and what moved is offered as a request: a cron expression in UTC, or `off`.", def: model.DefaultTriggers().Schedule.Lock,
		shape: cronText, set: func(s *model.Schedule, v value) { s.Lock = v.text }},
	{key: "bases", doc: "When the images that are built from no other image of the fleet are built anew, and with them what comes out different: a cron expression in UTC, or `off`.", def: model.DefaultTriggers().Schedule.Bases,
		shape: cronText, set: func(s *model.Schedule, v value) { s.Bases = v.text }},
	{key: "rescan", doc: "When what prod runs is scanned and judged anew, by that day's findings and policy; an issue says what blocks: a cron expression in UTC, or `off`.", def: model.DefaultTriggers().Schedule.Rescan,
		shape: cronText, set: func(s *model.Schedule, v value) { s.Rescan = v.text }},
}}

var cronText = text{name: "a cron expression, or off", check: checkCron, max: 64,
	pattern: regexp.MustCompile(`^(off|[0-9*,/-]+( [0-9*,/-]+){4})$`)}

func checkCron(s string) error {
	if s == model.TriggerOff {
		return nil
	}
	return model.CheckCron(s)
}

// forkSettings are those of requests from forks as they are written.
type forkSettings struct{ maxTargets *int }

// fork applies the default.
func (s *forkSettings) fork() model.Fork {
	if s.maxTargets == nil {
		return model.Fork{MaxTargets: model.DefaultMaxForkTargets}
	}
	return model.Fork{MaxTargets: *s.maxTargets}
}

var forkField = field[settings]{key: "fork", doc: "Requests from forks.",
	shape: forkShape, set: func(s *settings, v value) { s.fork, _ = v.record.(forkSettings) }}

var forkShape = record[forkSettings]{name: "fork", fields: []field[forkSettings]{
	{key: "max_targets", doc: "How many targets (an image on a platform) a request from a fork may build: one with more is only planned, and says so.", def: model.DefaultMaxForkTargets,
		shape: number{min: 0, max: maxForkTargets, whole: true}, set: func(s *forkSettings, v value) {
			n := int(v.number)
			s.maxTargets = &n
		}},
}}
