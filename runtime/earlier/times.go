package earlier

import (
	"context"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Times are how many seconds targets took to build and to test, when they were
// last published. One that is not in it is not known.
type Times map[model.TargetID]float64

// The bounds of what Measured asks.
const (
	// measuredIndexes is how many indexes are looked at; of others nothing is
	// known. Each takes a handful of requests.
	measuredIndexes = 300
	measuredAtOnce  = 8
)

// Measured reads the times of those targets of a plan that have something to
// run. What could be read is in it also where there is an error.
func Measured(ctx context.Context, c *registry.Client, p *model.Plan) (Times, error) {
	all := Times{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(measuredAtOnce)
	asked := 0
	runs := running(p)
	for n := range p.Indexes {
		i := &p.Indexes[n]
		if !runs[i.ID()] {
			continue
		}
		if asked++; asked > measuredIndexes {
			break
		}
		g.Go(func() error {
			v, found, err := Newest(ctx, c, p, i, "")
			if err != nil || !found {
				return err
			}
			times, err := v.times(ctx, c, i.ID())
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all, times)
			return err
		})
	}
	err := g.Wait()
	return all, err
}

// running are the nodes with a step to run.
func running(p *model.Plan) map[model.TargetID]bool {
	out := map[model.TargetID]bool{}
	for n := range p.Entries {
		e := &p.Entries[n]
		if e.Action != model.ActionRetire && (e.Steps[model.StepBuild] == model.StepRun || e.Steps[model.StepTest] == model.StepRun) {
			out[e.ID().AllPlatforms()] = true
		}
	}
	return out
}

// times reads how long the platforms of a version took: its merge names the
// receipts of what it merged.
func (v *Version) times(ctx context.Context, c *registry.Client, node model.TargetID) (Times, error) {
	if !v.identity.Valid() {
		return nil, nil
	}
	merge, found, err := c.Receipt(ctx, v.Repository, model.ReceiptTag(model.StepMerge, model.MergeStepKey(v.identity)))
	if err != nil || !found {
		return nil, err
	}
	keys := map[string]model.Digest{}
	for _, in := range merge.Inputs {
		keys[in.Name] = in.Digest
	}
	out := Times{}
	for _, image := range v.Images {
		id := node
		id.Platform = image.Platform
		for _, step := range []string{model.StepBuild, model.StepTest} {
			key := keys[step+" "+image.Platform.String()]
			if !key.Valid() {
				continue
			}
			r, found, err := c.Receipt(ctx, v.Repository, model.ReceiptTag(step, key))
			if err != nil {
				return out, err
			}
			if found && r.Seconds > 0 && (step == model.StepBuild || out[id] > 0) { // the tests alone say little
				out[id] += r.Seconds
			}
		}
	}
	return out, nil
}
