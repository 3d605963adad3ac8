package index

import (
	"context"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// untested says what it means that a target's tests have no receipt.
func untested(e *model.Entry) string {
	if e.Device == "" {
		return "its tests have not passed"
	}
	return "its tests have not passed: they need a machine with " + e.Device
}

// above lists what the platforms are built from that must not be published:
// what no machine of the plan tests, as long as no receipt says that some other
// machine did, and what the plan has still to judge, as long as no receipt says
// that it has passed.
func (m *merging) above(ctx context.Context) ([]string, error) {
	targets := make(map[model.TargetID]*model.Entry, len(m.plan.Entries))
	for n := range m.plan.Entries {
		targets[m.plan.Entries[n].ID()] = &m.plan.Entries[n]
	}
	seen := map[model.TargetID]bool{}
	var missing []string
	var check func(of *model.Entry) error
	check = func(of *model.Entry) error {
		for _, p := range of.Parents {
			id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: p.Platform}
			if id.Platform == (model.Platform{}) {
				id.Platform = of.Platform
			}
			parent := targets[id]
			if parent == nil || seen[id] {
				continue
			}
			seen[id] = true
			lack, err := m.lacks(ctx, parent)
			if err != nil {
				return err
			}
			if lack != "" {
				missing = append(missing, fmt.Sprintf("%s, which it is built from: %s", id, lack))
			}
			if err := check(parent); err != nil {
				return err
			}
		}
		return nil
	}
	for _, p := range m.parts {
		if err := check(p.entry); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// unjudged says what it means that a target has no receipt of the gate.
const unjudged = "it has not passed the scan policy"

// judged tells whether the repository has a receipt that a manifest has passed
// the plan's policy.
func (m *merging) judged(manifest model.Digest) bool {
	return m.plan.Policy == "" || m.has(model.ReceiptTag(model.StepGate, model.GateStepKey(manifest, m.plan.Policy)))
}

// lacks says what the receipts do not prove of a target that something is
// built from, empty where nothing is lacking or the plan has it done.
func (m *merging) lacks(ctx context.Context, e *model.Entry) (string, error) {
	isUntested := e.Steps[model.StepTest] == model.StepUntested
	isUnjudged := m.plan.Policy != "" && e.Steps[model.StepGate] == model.StepRun
	if !isUntested && !isUnjudged {
		return "", nil
	}
	repo := m.plan.Prefix + "/" + e.Repository
	d, found, err := m.Registry.Resolve(ctx, repo, model.ContentTag(e.Key, e.Generation))
	if err != nil {
		return "", err
	}
	for _, c := range []struct {
		wanted bool
		check
	}{
		{isUntested, check{model.StepTest, model.TestStepKey(d.Digest, e.TestsKey), untested(e)}},
		{isUnjudged, check{model.StepGate, model.GateStepKey(d.Digest, m.plan.Policy), unjudged}},
	} {
		if !c.wanted {
			continue
		}
		passed := false
		if found {
			_, passed, err = m.Registry.Receipt(ctx, repo, model.ReceiptTag(c.step, c.key))
		}
		if err != nil || !passed {
			return c.lack, err
		}
	}
	return "", nil
}
