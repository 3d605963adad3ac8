package build

import (
	"context"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// UntestedParent is a parent that is built, and has not passed the tests that
// the plan has for it.
type UntestedParent struct {
	Target model.TargetID
	Parent model.TargetID
}

// Error says what stopped the build, and where to look.
func (u *UntestedParent) Error() string {
	return fmt.Sprintf("building %s: its parent %s has not passed its tests\nhint: see what its own job says, or run: rootfsrun test %s", u.Target, u.Parent, u.Parent.Node())
}

// checkTested makes sure that a parent, which has that digest, has passed the
// tests that the plan runs on it. What the plan does not run has passed before.
func (j *job) checkTested(ctx context.Context, e *model.Entry, p model.Parent, parent model.TargetID, digest model.Digest) error {
	for i := range j.plan.Entries {
		of := &j.plan.Entries[i]
		if of.ID() != parent || of.Steps[model.StepTest] != model.StepRun {
			continue
		}
		tag := model.ReceiptTag(model.StepTest, model.TestStepKey(digest, of.TestsKey))
		_, found, err := j.Registry.Receipt(ctx, j.plan.Prefix+"/"+p.Repository, tag)
		if err != nil {
			return err
		}
		if !found {
			return &UntestedParent{Target: e.ID(), Parent: parent}
		}
	}
	return nil
}

// UnvouchedParent is a parent whose content nobody who is trusted says to have
// built.
type UnvouchedParent struct {
	Target model.TargetID
	Parent model.TargetID
	Ref    string
}

// Error says what stopped the build, and what mends it.
func (u *UnvouchedParent) Error() string {
	return fmt.Sprintf("building %s: its parent %s counts only with a receipt that one of trust.builders has signed, and %s has none\nhint: build it first: rootfsrun build %s", u.Target, u.Parent, u.Ref, u.Parent.Node())
}

// checkVouched makes sure that a parent's content was built by somebody who is
// trusted, where that is asked for: a tag alone can be anybody's.
func (j *job) checkVouched(ctx context.Context, e *model.Entry, p model.Parent, parent model.TargetID, c content) error {
	if !j.Registry.JudgesReceipts(c.repo) {
		return nil
	}
	r, found, err := j.Registry.Receipt(ctx, c.repo, model.ReceiptTag(model.StepBuild, model.BuildStepKey(p.Key, c.Generation)))
	if err != nil {
		return err
	}
	if !found || r.Digest != c.Digest {
		return &UnvouchedParent{Target: e.ID(), Parent: parent, Ref: c.repo + ":" + model.ContentTag(p.Key, c.Generation)}
	}
	return nil
}
