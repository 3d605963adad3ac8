package plan

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// entry writes down one target's verdict. x is the index that it will be part
// of, nil when none is made.
func (m *maker) entry(t *target, x *model.Index) model.Entry {
	id, k, image := t.id, t.key, t.image
	e := model.Entry{
		Image: id.Image, Dir: image.Dir, Tag: id.Tag, Variant: id.Variant, Platform: id.Platform,
		Action: t.action, Steps: m.steps(&t.verdict, x != nil),
		Key: k.Digest, Generation: t.generation, Digest: t.digest, Repository: image.ImageName,
		Parents: []model.Parent{}, Wave: t.wave, Refs: m.refs(t, x), Runner: runner(image, id.Platform),
		Device: image.Device(), TestRunner: m.testClass(t),
		Reasons: m.said(&t.verdict, x != nil), TestsKey: k.TestsKey, Tests: append([]model.Test{}, image.Tests...),
	}
	if !m.req.Brief {
		recipe := k.Recipe()
		e.Recipe = &recipe
	}
	if len(t.parents) > 0 {
		e.Parents = make([]model.Parent, len(t.parents))
	}
	for i, p := range t.parents {
		e.Parents[i] = t.parent(p)
	}
	return e
}

// steps are the states of a target's steps; merging tells whether its index is
// to be made. Entries share them, as nobody may change an entry's.
func (m *maker) steps(v *verdict, merging bool) map[string]string {
	gate := ""
	if m.req.Policy != "" {
		gate = model.StepDone
		if merging || v.test != model.StepDone { // what is not tested is not judged either
			gate = model.StepRun
		}
	}
	state := [3]string{v.build, v.test, gate}
	shared := m.states[state]
	if shared == nil {
		shared = map[string]string{model.StepBuild: v.build, model.StepTest: v.test}
		if gate != "" {
			shared[model.StepGate] = gate
		}
		m.states[state] = shared
	}
	return shared
}

// parent is one of t's as its entry has it.
func (t *target) parent(p *target) model.Parent {
	parent := model.Parent{
		Image: p.id.Image, Tag: p.id.Tag, Variant: p.id.Variant, Key: p.key.Digest,
		Generation: p.generation, Repository: p.image.ImageName,
	}
	if p.id.Platform != t.id.Platform {
		parent.Platform = p.id.Platform
	}
	return parent
}

// refs are what merging will publish for the target. The .N of a version is
// chosen then, so it is left open, but for a snapshot, whose name is known.
func (m *maker) refs(t *target, x *model.Index) []string {
	if x == nil {
		return []string{}
	}
	version := x.Version
	if m.req.SnapshotID == "" {
		version += "[.?]"
	}
	base := reference(m.req.Prefix, t.image.ImageName) + ":" + version
	return []string{base, base + "-" + t.id.Platform.Dashed()}
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

// hasNode tells whether the fleet has the node that a target is of.
func (m *maker) hasNode(id model.TargetID) bool {
	image, found := m.now.Fleet.Node(id)
	return found && slices.ContainsFunc(image.Targets(), func(t model.TargetID) bool { return m.now.Keys[t] != nil })
}

// retired are the targets of then that are no longer there. A request for some
// images has none.
func (m *maker) retired() []model.Entry {
	if m.then == nil || m.gone == 0 || len(m.req.Images) > 0 {
		return nil
	}
	paired := map[model.TargetID]bool{}
	for _, old := range m.renamed {
		paired[old] = true
	}
	var out []model.Entry
	for t, k := range m.then.Keys {
		if m.now.Keys[t] != nil || paired[t] {
			continue
		}
		r := model.Reason{Kind: model.ReasonRemoved, Name: t.Image, Detail: "it is no longer in the fleet"}
		if len(m.now.Fleet.Tags(t.Image)) > 0 {
			r.Name, r.Detail = t.Platform.String(), "the image is no longer made for this"
			if !m.hasNode(t) {
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
