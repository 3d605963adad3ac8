package plan

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// entry writes down one target's verdict. x is the index that it will be part
// of, nil when none is made.
func (m *maker) entry(t model.TargetID, x *model.Index) model.Entry {
	v, k, image := m.verdicts[t], m.keys[t], m.image(t)
	e := model.Entry{
		Image: t.Image, Dir: image.Dir, Tag: t.Tag, Variant: t.Variant, Platform: t.Platform,
		Action: v.action, Steps: m.steps(v),
		Key: k.Digest, Generation: m.generation[t], Digest: v.digest, Repository: image.ImageName,
		Parents: []model.Parent{}, Wave: m.wave[t], Refs: m.refs(t, x), Runner: runner(image, t.Platform),
		Reasons: m.because(v), TestsKey: k.TestsKey, Tests: append([]model.Test{}, image.Tests...), Recipe: &k.Recipe,
	}
	for _, p := range k.Parents {
		e.Parents = append(e.Parents, m.parent(t, p))
	}
	return e
}

// steps are the states of a target's steps. Entries share them, as nobody may
// change an entry's.
func (m *maker) steps(v *verdict) map[string]string {
	shared := m.states[[2]string{v.build, v.test}]
	if shared == nil {
		shared = map[string]string{model.StepBuild: v.build, model.StepTest: v.test}
		m.states[[2]string{v.build, v.test}] = shared
	}
	return shared
}

func (m *maker) parent(of, p model.TargetID) model.Parent {
	parent := model.Parent{
		Image: p.Image, Tag: p.Tag, Variant: p.Variant, Key: m.keys[p].Digest,
		Generation: m.generation[p], Repository: m.image(p).ImageName,
	}
	if p.Platform != of.Platform {
		parent.Platform = p.Platform
	}
	return parent
}

// refs are what merging will publish for the target. The .N of a version is
// chosen then, so it is left open, but for a snapshot, whose name is known.
func (m *maker) refs(t model.TargetID, x *model.Index) []string {
	if x == nil {
		return []string{}
	}
	version := x.Version
	if m.req.SnapshotID == "" {
		version += "[.?]"
	}
	base := reference(m.req.Prefix, m.image(t).ImageName) + ":" + version
	return []string{base, base + "-" + t.Platform.Dashed()}
}

// runner is the machine class that a target is built on.
func runner(image *model.Image, p model.Platform) string {
	switch {
	case image.Runner != "":
		return image.Runner
	case p == model.LinuxARM64:
		return model.RunnerSpotARM64
	}
	return model.RunnerSpotAMD64
}

// retired are the targets of then that are no longer there. A request for some
// images has none.
func (m *maker) retired() []model.Entry {
	if m.then == nil || len(m.req.Images) > 0 {
		return nil
	}
	paired := targets{}
	for _, old := range m.renamed {
		paired[old] = true
	}
	var out []model.Entry
	for t, k := range m.then.Keys {
		if m.keys[t] != nil || paired[t] {
			continue
		}
		r := model.Reason{Kind: model.ReasonRemoved, Name: t.Image, Detail: "it is no longer in the fleet"}
		if len(m.now.Fleet.Tags(t.Image)) > 0 {
			r.Name, r.Detail = t.Platform.String(), "the image is no longer made for this"
			if len(m.nodes[t.AllPlatforms()]) == 0 {
				r.Name, r.Detail = t.Node(), "it is no longer in the fleet"
			}
		}
		e := model.Entry{
			Image: t.Image, Tag: t.Tag, Variant: t.Variant, Platform: t.Platform,
			Action: model.ActionRetire, Steps: map[string]string{}, Key: k.Digest,
			Parents: []model.Parent{}, Refs: []string{}, Reasons: []model.Reason{r}, TestsKey: k.TestsKey, Tests: []model.Test{},
		}
		if image, found := m.then.Fleet.Node(t); found {
			e.Dir, e.Repository = image.Dir, image.ImageName
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b model.Entry) int { return a.ID().Compare(b.ID()) })
	return out
}
