package index

import (
	"context"
	"reflect"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/packages"
)

// Unchanged begins the reason why an index was not published although it was
// built anew.
const Unchanged = "unchanged packages"

// stands tells whether a receipt lets an earlier generation stand for this.
func (m *merging) stands(r model.Receipt) bool {
	return slices.ContainsFunc(m.parts, func(p part) bool {
		return material(r, model.StepBuild+" "+p.Platform.String()) != model.BuildStepKey(p.Key, p.Generation)
	})
}

// unchanged tells whether this index is one of a rebuild that changed no
// package and no configuration, where the plan publishes changes alone. Then
// the version before stands for it: a receipt that says so is written, and no
// tag.
func (m *merging) unchanged(ctx context.Context) (model.Receipt, bool, error) {
	if m.plan.Publish != model.PublishChanged || m.plan.SnapshotID != "" || m.parts[0].Generation == 0 {
		return model.Receipt{}, false, nil
	}
	r, found, err := m.generationBefore(ctx)
	if err != nil || !found || !m.names(r) {
		return model.Receipt{}, false, err
	}
	same := make([]bool, len(m.children))
	g, gctx := errgroup.WithContext(ctx)
	for n, c := range m.children {
		g.Go(func() (err error) {
			same[n], err = m.alike(gctx, material(r, c.Platform.String()), c.desc.Digest)
			return err
		})
	}
	if err := g.Wait(); err != nil || slices.Contains(same, false) {
		return model.Receipt{}, false, err
	}
	r.StepKey, r.Key, r.Generation = model.MergeStepKey(m.identity), m.identity, m.parts[0].Generation
	return r, true, m.Registry.PutReceipt(ctx, m.repo, r)
}

// generationBefore finds the receipt of the newest merge of the same keys, of
// a lower generation, whose version still stands for what it speaks of.
func (m *merging) generationBefore(ctx context.Context) (model.Receipt, bool, error) {
	for generation := m.parts[0].Generation - 1; generation >= 0; generation-- {
		before := slices.Clone(m.parts)
		for n := range before {
			before[n].Generation = generation
		}
		tag := model.ReceiptTag(model.StepMerge, model.MergeStepKey(identity(m.index, before)))
		if !m.has(tag) {
			continue
		}
		r, found, err := m.Registry.Receipt(ctx, m.repo, tag)
		if err != nil || !found {
			return r, false, err
		}
		d, found, err := m.Registry.Resolve(ctx, m.repo, r.VersionTag)
		return r, found && d.Digest == r.Digest, err
	}
	return model.Receipt{}, false, nil
}

// alike tells whether two images of one platform have the same packages and
// configuration. What cannot be read is like nothing.
func (m *merging) alike(ctx context.Context, before, now model.Digest) (bool, error) {
	if before == now {
		return true, nil
	}
	if !before.Valid() {
		return false, nil
	}
	var sets [2]packages.Set
	var configs [2]any
	for n, digest := range []model.Digest{before, now} {
		config, err := m.Registry.Config(ctx, m.repo, digest)
		if err != nil {
			return false, err
		}
		configs[n] = config.Config
		sets[n], err = packages.Of(ctx, m.Registry, m.repo, digest)
		if packages.IsUnreadable(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return reflect.DeepEqual(configs[0], configs[1]) && slices.Equal(sets[0], sets[1]), nil
}
