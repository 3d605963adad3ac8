package pipeline

import (
	"path"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Mode is what an event leads to, one of model's Trigger constants.
func (p *Pipeline) Mode(e Event) string {
	t := p.Triggers
	switch e {
	case Push:
		return t.Push
	case Request, ForkRequest:
		return t.Request
	case Queue:
		return t.Queue
	case Release:
		return t.Tag
	case Manual:
		return whether(t.Manual)
	case ScheduleLock:
		return whether(Scheduled(t.Schedule.Lock))
	case ScheduleBases:
		return whether(Scheduled(t.Schedule.Bases))
	case ScheduleRescan:
		return whether(Scheduled(t.Schedule.Rescan) && p.Judging.On)
	case Closed:
		return whether(t.Request == model.TriggerBuild)
	case Merged:
		return whether(p.Channels.ByRequest())
	}
	return model.TriggerOff
}

func whether(on bool) string {
	if on {
		return model.TriggerBuild
	}
	return model.TriggerOff
}

// Scheduled tells whether there is a time at which something starts.
func Scheduled(cron string) bool { return cron != "" && cron != model.TriggerOff }

// Scope is the registry scope that the pipelines of an event write to.
func Scope(e Event) string {
	switch e {
	case Request, ForkRequest, Queue, Closed:
		return model.ScopePR
	case Push, Release, Manual, ScheduleLock, ScheduleBases:
	case ScheduleRescan, Merged:
		return model.ScopeProd
	}
	return model.ScopeTesting
}

// Superseded tells whether a newer pipeline does what an older one of the event
// did not come to: its plan finds by key what is missing. What a person, a
// schedule or a release asked for is asked once.
func Superseded(e Event) bool {
	return e == Push || e == Request || e == ForkRequest || e == Queue
}

// leads are the events that lead to any of these, of those that are planned.
func (p *Pipeline) leads(modes ...string) []Event {
	var out []Event
	for _, e := range Events() {
		if single(e) {
			continue
		}
		for _, m := range modes {
			if p.Mode(e) == m {
				out = append(out, e)
			}
		}
	}
	return out
}

// single tells whether an event leads to one job alone, and to no plan.
func single(e Event) bool {
	return e == ForkRequest || e == ScheduleLock || e == ScheduleRescan || e == Closed || e == Merged
}

func (p *Pipeline) planned() []Event {
	return p.leads(model.TriggerPlan, model.TriggerBuild, model.TriggerPromote)
}

func (p *Pipeline) built() []Event { return p.leads(model.TriggerBuild, model.TriggerPromote) }

// listed are those after which the testing channel is written.
func (p *Pipeline) listed() []Event {
	var out []Event
	for _, e := range p.built() {
		if Scope(e) == model.ScopeTesting {
			out = append(out, e)
		}
	}
	return out
}

func (p *Pipeline) forked() []Event { return p.on(ForkRequest) }

func (p *Pipeline) locked() []Event { return p.on(ScheduleLock) }

// on is an event, where it leads to anything.
func (p *Pipeline) on(e Event) []Event {
	if m := p.Mode(e); m == model.TriggerOff || m == "" {
		return nil
	}
	return []Event{e}
}

// forkTargets is how many targets a request from a fork may build.
func (p *Pipeline) forkTargets() int {
	if p.Mode(ForkRequest) == model.TriggerPlan {
		return 0
	}
	return p.Fork.MaxTargets
}

// lockSteps look the lock up anew. They need no history: the request is one
// commit on top of the newest.
func (p *Pipeline) lockSteps() []Step {
	offer := p.run("Offer what moved", lockScript(p.settingsFlags(), path.Join(path.Dir(p.Config), lockFile), p.Counted), VarForgeToken, VarToken, VarLogin)
	offer.Values = append(offer.Values, Value{VarBase, p.DefaultBranch})
	return append(p.compileFor(model.ProgramNames(), Step{Verb: Checkout, Name: "Check out"}), offer)
}

// VarKeep is true where no newer commit may stop a pipeline, for one that it
// starts.
const VarKeep Var = "ROOTFSGEN_KEEP"

// VarBase is the branch that a request is for.
const VarBase Var = "ROOTFSGEN_BASE"

// lockFile lies beside the settings.
const lockFile = "images.lock"
