package doctor

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// lost says which classes of machines that may be taken away have no other for
// the last attempt of a job: on GitHub it may be lost a last time.
func (f *Forge) lost() Report {
	var r Report
	for _, class := range slices.Sorted(maps.Keys(f.Pipeline.Runners)) {
		machines := f.Pipeline.Runners[class]
		if !f.github() || !machines.Spot || f.Pipeline.Spot.Attempts < 2 || len(machines.GitHub) == 0 || pipeline.Hosted(machines, f.Name) {
			continue
		}
		x := Finding{Area: f.Name, Check: "last attempts of class " + class, State: OK, Says: "they run on " + f.Pipeline.LastClass(class), Why: "a job that was lost with its machine often enough needs one that stays"}
		if f.Pipeline.LastClass(class) == "" {
			x.State, x.Says = Warn, "they run on machines that may be taken away, too"
			x.Mend = []string{"write runners." + class + ".on_demand: CLASS into rootfsgen.yaml, a class whose machines stay, then rootfsgen generate"}
		}
		r = append(r, x)
	}
	return r
}
