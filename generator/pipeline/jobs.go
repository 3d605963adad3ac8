package pipeline

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// eventNames are what people call events, where they name some.
var eventNames = map[Event]string{
	Push: "push", Request: "request", Queue: "queue", Release: "tag", Manual: "manual", ScheduleBases: "schedule",
}

// OwnJobs are the jobs that people added to the pipelines of an event, in
// their order. A request from a fork has none: they are jobs with rights.
func (p *Pipeline) OwnJobs(e Event) []model.OwnJob {
	var out []model.OwnJob
	for _, j := range p.Own {
		name, known := eventNames[e]
		if known && (len(j.Events) == 0 || slices.Contains(j.Events, name)) {
			out = append(out, j)
		}
	}
	return out
}
