package plan

import (
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Identity is what makes the index of these entries, one for each platform,
// the same as another.
func Identity(entries []model.Entry) model.Digest {
	if len(entries) == 0 {
		return ""
	}
	parts := make([]model.IndexPart, len(entries))
	for i := range entries {
		parts[i] = model.IndexPart{Platform: entries[i].Platform, Key: entries[i].Key, Generation: entries[i].Generation}
	}
	id := entries[0].ID()
	return model.IndexIdentity(id.Node(), parts)
}

// indexes are what the chosen targets become together, by node.
func (m *maker) indexes() []model.Index {
	type named struct {
		name      string
		platforms []*target
	}
	var all []named
	if !m.req.Busy {
		all = make([]named, 0, len(m.order))
	}
	for _, t := range m.order {
		if t.chosen && !t.idle && t.node[0] == t {
			all = append(all, named{t.id.Node(), t.node})
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	out := make([]model.Index, len(all))
	share := len(all)/runtime.GOMAXPROCS(0) + 1
	var workers sync.WaitGroup
	for begin := 0; begin < len(all); begin += share {
		workers.Go(func() {
			for i := begin; i < min(begin+share, len(all)); i++ {
				out[i] = m.index(all[i].name, all[i].platforms)
			}
		})
	}
	workers.Wait()
	return out
}

func (m *maker) index(node string, platforms []*target) model.Index {
	t, id, image := platforms[0], platforms[0].id, platforms[0].image
	x := model.Index{
		Image: id.Image, Tag: id.Tag, Variant: id.Variant, Repository: image.ImageName, Generation: t.generation,
		Version: version(id, m.req), Meta: meta(image, platforms),
	}
	if !m.req.Brief || m.state.Known { // which may have an index of that identity
		x.Identity = identity(node, platforms)
	}
	x.Platforms = make([]model.Platform, len(platforms))
	for i, p := range platforms {
		x.Platforms[i] = p.id.Platform
	}
	x.Action = m.merging(platforms, &x)
	if x.Action == model.StepRun && slices.ContainsFunc(platforms, func(p *target) bool { return p.untested }) {
		x.Action = model.StepUntested
	}
	return x
}

func identity(node string, platforms []*target) model.Digest {
	parts := make([]model.IndexPart, len(platforms))
	for i, p := range platforms {
		parts[i] = model.IndexPart{Platform: p.id.Platform, Key: p.key.Digest, Generation: p.generation}
	}
	return model.IndexIdentity(node, parts)
}

// version is the index's tag, less the .N that merging chooses.
func version(t model.TargetID, req Request) string {
	s := t.Tag
	if t.Variant != "" {
		s += "-" + t.Variant
	}
	s += "-" + req.Date
	if req.SnapshotID != "" {
		s += "-" + req.SnapshotID
	}
	return s
}

// merging tells whether an index is still to be made.
func (m *maker) merging(platforms []*target, x *model.Index) string {
	if slices.ContainsFunc(platforms, func(p *target) bool { return p.postponed }) {
		return model.StepDone // a later plan makes it, when all of them are there
	}
	affected := false
	for _, p := range platforms {
		if p.build == model.StepRun || p.test == model.StepRun {
			return model.StepRun
		}
		affected = affected || p.affected
		if p.renamed != "" && !m.state.Known {
			return model.StepRun // its bytes are there, under another version
		}
	}
	switch {
	case !m.state.Known, m.req.request() && !affected:
		return model.StepDone
	case m.req.SnapshotID != "": // its tag moves, and only asking tells what it stands for
		return model.StepRun
	case m.merged(platforms, x):
		return model.StepDone
	}
	return model.StepRun
}

// merged tells whether the scope has a record that the index was made of
// today's platforms, each of which has passed today's tests and policy.
func (m *maker) merged(platforms []*target, x *model.Index) bool {
	tests := make([]model.Digest, len(platforms))
	for i, p := range platforms {
		tests[i] = model.TestStepKey(p.digest, p.key.TestsKey)
	}
	first, found := m.content(m.state.Repositories, platforms[0])
	return found && first.Generation == x.Generation && first.Has(model.StepMerge, model.MergeStateKey(x.Identity, tests, m.req.Policy))
}

func meta(image *model.Image, platforms []*target) model.ImageMeta {
	arch := make([]string, len(platforms))
	for i, p := range platforms {
		arch[i] = p.id.Platform.Arch
	}
	return model.ImageMeta{
		Label: image.Label, Image: image.Image, Description: image.Description, GPU: image.GPU, Priority: image.Priority,
		Tags: append([]string{}, image.Tags...), Prepull: image.Prepull, Arch: arch, ComponentVersion: image.ComponentVersion,
		SizeGB: image.SizeGB, Deprecated: image.Deprecated, DeprecatedReason: image.DeprecatedReason,
	}
}
