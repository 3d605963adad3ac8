package pipeline

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Hosted tells by its labels whether the machines of a class are a forge's
// own: what holds for those holds for its jobs, whatever the class is called.
func Hosted(r model.Runner, forge string) bool {
	labels := Labels(r, forge)
	return slices.ContainsFunc(labels, provided[forge].MatchString) && !slices.Contains(labels, "self-hosted")
}

// MinutesOn is how long a job that wants so many minutes may run on a machine
// of a class.
func (p *Pipeline) MinutesOn(class string, minutes int) int { return bound(minutes, p.Runners[class]) }

// LastClass is the class that has the last attempt of a job that a machine of
// a class lost; empty where that is the same one.
func (p *Pipeline) LastClass(class string) string {
	r := p.Runners[class]
	if _, has := p.Runners[r.OnDemand]; has && r.Spot && p.Spot.Attempts > 1 {
		return r.OnDemand
	}
	return ""
}
