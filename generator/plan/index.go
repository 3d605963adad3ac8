package plan

import (
	"slices"
	"strings"

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
		platforms []model.TargetID
	}
	all := make([]named, 0, len(m.nodes))
	for node, platforms := range m.nodes {
		if m.chosen[platforms[0]] {
			all = append(all, named{node.Node(), platforms})
		}
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	out := make([]model.Index, len(all))
	for i, n := range all {
		out[i] = m.index(n.platforms)
	}
	return out
}

func (m *maker) index(platforms []model.TargetID) model.Index {
	t := platforms[0]
	image := m.image(t)
	parts := make([]model.IndexPart, len(platforms))
	for i, p := range platforms {
		parts[i] = model.IndexPart{Platform: p.Platform, Key: m.keys[p].Digest, Generation: m.generation[p]}
	}
	x := model.Index{
		Image: t.Image, Tag: t.Tag, Variant: t.Variant, Repository: image.ImageName,
		Identity: model.IndexIdentity(t.Node(), parts), Generation: m.generation[t],
		Version: version(t, m.req), Meta: meta(image, platforms),
	}
	for _, p := range platforms {
		x.Platforms = append(x.Platforms, p.Platform)
	}
	x.Action = m.merging(platforms, &x)
	return x
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
func (m *maker) merging(platforms []model.TargetID, x *model.Index) string {
	affected := false
	for _, p := range platforms {
		v := m.verdicts[p]
		if v.build == model.StepRun || v.test == model.StepRun {
			return model.StepRun
		}
		affected = affected || v.affected
		if was, renamed := m.renamed[p]; renamed && was.Tag != p.Tag && !m.state.Known {
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
// today's platforms, each of which has passed today's tests.
func (m *maker) merged(platforms []model.TargetID, x *model.Index) bool {
	tests := make([]model.Digest, len(platforms))
	for i, p := range platforms {
		tests[i] = model.TestStepKey(m.verdicts[p].digest, m.keys[p].TestsKey)
	}
	first, found := m.content(m.state.Repositories, platforms[0])
	return found && first.Generation == x.Generation && first.Has(model.StepMerge, model.MergeStateKey(x.Identity, tests))
}

func meta(image *model.Image, platforms []model.TargetID) model.ImageMeta {
	arch := []string{}
	for _, p := range platforms {
		arch = append(arch, p.Platform.Arch)
	}
	return model.ImageMeta{
		Label: image.Label, Image: image.Image, Description: image.Description, GPU: image.GPU, Priority: image.Priority,
		Tags: append([]string{}, image.Tags...), Prepull: image.Prepull, Arch: arch, ComponentVersion: image.ComponentVersion,
		SizeGB: image.SizeGB, Deprecated: image.Deprecated, DeprecatedReason: image.DeprecatedReason,
	}
}
