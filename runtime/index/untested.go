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

// untestedAbove lists what the platforms are built from that no machine of the
// plan tests, as long as no receipt says that some other machine did.
func (m *merging) untestedAbove(ctx context.Context) ([]string, error) {
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
			if parent.Steps[model.StepTest] == model.StepUntested {
				passed, err := m.passed(ctx, parent)
				if err != nil {
					return err
				}
				if !passed {
					missing = append(missing, fmt.Sprintf("%s, which it is built from: %s", id, untested(parent)))
				}
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

// passed tells whether today's tests of a target have passed on the bytes that
// its registry has.
func (m *merging) passed(ctx context.Context, e *model.Entry) (bool, error) {
	repo := m.plan.Prefix + "/" + e.Repository
	d, found, err := m.Registry.Resolve(ctx, repo, model.ContentTag(e.Key, e.Generation))
	if err != nil || !found {
		return false, err
	}
	_, found, err = m.Registry.Receipt(ctx, repo, model.ReceiptTag(model.StepTest, model.TestStepKey(d.Digest, e.TestsKey)))
	return found, err
}
