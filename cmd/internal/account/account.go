// Package account says what carrying out a plan takes: machine time and money,
// as far as earlier runs and the settings tell.
package account

import (
	"cmp"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/runtime/earlier"
)

// Bill is what the targets of a plan are expected to take.
type Bill struct {
	Targets []Target // those with a step to run, the longest first, then those that are not known
	Seconds float64  // of machines, with the time that they take to boot, for the targets that are known
	Cost    float64  // of these, in the currency of the settings
	Unknown int      // targets whose time is not known
	Free    int      // targets whose time is known, on machines whose price is not
}

// Target is one line of a bill.
type Target struct {
	ID      model.TargetID
	Class   string
	Seconds float64 // with the boot; 0 is not known
	Cost    float64 // 0 is not known
}

// Of is the bill of a plan. A target that was never measured is counted and
// not guessed.
func Of(p *model.Plan, classes map[string]model.Runner, times earlier.Times) Bill {
	var b Bill
	for n := range p.Entries {
		e := &p.Entries[n]
		if !pipeline.Runs(e) {
			continue
		}
		t := Target{ID: e.ID(), Class: e.Runner}
		class := classes[e.Runner]
		switch seconds := times[e.ID()]; {
		case seconds <= 0:
			b.Unknown++
		default:
			t.Seconds = seconds + float64(class.BootSeconds)
			t.Cost = t.Seconds / secondsOfAnHour * class.Price
			if class.Price <= 0 {
				b.Free++
			}
		}
		b.Seconds += t.Seconds
		b.Cost += t.Cost
		b.Targets = append(b.Targets, t)
	}
	slices.SortFunc(b.Targets, func(x, y Target) int { return cmp.Or(cmp.Compare(y.Seconds, x.Seconds), x.ID.Compare(y.ID)) })
	return b
}

const secondsOfAnHour = 3600
