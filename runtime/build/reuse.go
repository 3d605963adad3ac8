package build

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// fits tells whether content was made of the inputs that were resolved now.
// Its receipt says so, where receipts must be signed nothing else. Where the
// receipt was lost, or speaks of other content,
// content whose key determines all of its inputs fits anyway, and so does
// content that begins with the layers of its only parent; of any other nothing
// is known, and it does not.
// The receipt is nil where there is none that speaks of the content.
func (j *job) fits(ctx context.Context, e *model.Entry, c content, in inputs) (*model.Receipt, bool, error) {
	r, found, err := j.Registry.Receipt(ctx, c.repo, model.ReceiptTag(model.StepBuild, model.BuildStepKey(e.Key, c.Generation)))
	if err != nil {
		return nil, false, err
	}
	if found && r.Digest == c.Digest {
		return &r, slices.Equal(r.Inputs, in.materials), nil
	}
	switch {
	case j.Registry.JudgesReceipts(c.repo): // nobody who is trusted says that these are its bytes
		return nil, false, nil
	case in.unlocked > 0:
		return nil, false, nil
	case len(in.parents) == 0:
		return nil, true, nil
	case len(in.parents) == 1:
		fits, err := builtOn(ctx, j.Registry, c.repo, c.Digest, in.parents[0])
		return nil, fits, err
	}
	return nil, false, nil
}

// adopt makes content that is there the content of a generation, in the plan's
// own scope. How long it took to make goes with it.
func (j *job) adopt(ctx context.Context, e *model.Entry, c content, generation int, in inputs) (model.Receipt, error) {
	repo := j.plan.Prefix + "/" + e.Repository
	if c.repo != repo {
		if err := j.Registry.Copy(ctx, c.repo, repo, c.Digest); err != nil {
			return model.Receipt{}, err
		}
	}
	var took time.Duration
	before, found, err := j.Registry.Receipt(ctx, c.repo, model.ReceiptTag(model.StepBuild, model.BuildStepKey(e.Key, c.Generation)))
	if err != nil {
		return model.Receipt{}, err
	}
	if found && before.Digest == c.Digest {
		took = time.Duration(before.Seconds * float64(time.Second))
	}
	return j.publish(ctx, e, c.Digest, generation, in, took)
}

// lift brings the other platforms of the target to a generation that the plan
// did not foresee, as far as their content is made of today's parents. Their
// own jobs may have ended already; without it the index could not be merged
// before the next run. What has to be built is left to their own jobs.
func (j *job) lift(ctx context.Context, generation int) error {
	if generation <= j.entry.Generation {
		return nil
	}
	after := newLook(ctx, j.Registry, j.plan) // what was written since the first look counts
	for _, e := range siblings(j.plan, j.entry) {
		c, err := after.find(ctx, e.Repository, e.Key, generation)
		if err != nil {
			return err
		}
		if !c.Found || c.Generation >= generation && c.repo == j.repo || asked(e) && c.Generation < e.Generation {
			continue
		}
		in, err := j.resolve(ctx, e)
		if _, missing := errors.AsType[*MissingParent](err); missing {
			continue
		}
		if err != nil {
			return err
		}
		if _, fits, err := j.fits(ctx, e, c, in); err != nil || !fits {
			return err
		}
		if _, err := j.adopt(ctx, e, c, max(generation, in.generation), in); err != nil {
			return err
		}
		j.Log.Info("carried over to the new generation", "target", e.ID(), "generation", generation)
	}
	return nil
}
