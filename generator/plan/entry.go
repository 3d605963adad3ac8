package plan

import (
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// reasons are those of git and of the request; the registry's are the
// verdict's own.
func (m *maker) reasons(t model.TargetID, v *verdict) []model.Reason {
	reasons := []model.Reason{}
	old := m.oldKey(t)
	switch {
	case old == nil:
		reasons = append(reasons, m.isNew(t))
	case m.changed(t):
		diff := key.Diff(old.Form, m.keys[t].Form)
		if len(diff) == 0 {
			diff = []model.Reason{{Kind: model.ReasonOption, Name: "key", Old: old.Digest.String(), New: m.keys[t].Digest.String()}}
		}
		reasons = append(reasons, diff...)
	case m.testsChanged(t):
		reasons = append(reasons, model.Reason{Kind: model.ReasonOption, Name: "tests", Detail: "its tests were edited; nothing is built for that"})
	}
	if was, paired := m.old[t]; paired && was.Tag != t.Tag {
		reasons = append(reasons, model.Reason{Kind: model.ReasonOption, Name: "component_version", Old: was.Tag, New: t.Tag, Detail: "nothing is built for that"})
	}
	switch {
	case m.forcedSet[t] && m.req.RebuildTag != "":
		reasons = append(reasons, model.Reason{Kind: model.ReasonRebuildAll, Name: m.req.RebuildTag, Detail: `the tag ends in "a"`})
	case m.forcedSet[t] && m.req.All:
		reasons = append(reasons, model.Reason{Kind: model.ReasonRebuildAll, Detail: "asked for"})
	case m.forcedSet[t]:
		reasons = append(reasons, model.Reason{Kind: model.ReasonForced, Name: t.Image, Detail: "asked for"})
	case v.action == model.ActionBuild:
		for _, p := range m.newer[t] {
			r := model.Reason{Kind: model.ReasonParent, Name: p.Node(), Detail: "it is built anew"}
			if m.state.Known {
				r.Detail = fmt.Sprintf("it is, or will be, of generation %d", m.generation[p])
			}
			reasons = append(reasons, r)
		}
	}
	return reasons
}

func (m *maker) isNew(t model.TargetID) model.Reason {
	r := model.Reason{Kind: model.ReasonNew, Name: t.Image}
	if m.then == nil {
		r.Detail = "there is nothing to compare with"
		return r
	}
	for old := range m.then.Keys {
		if old.Image == t.Image {
			r.Name, r.Detail = t.Platform.String(), "the image was not made for this before"
			if old.Tag != t.Tag || old.Variant != t.Variant {
				r.Name = t.Node()
			}
		}
	}
	return r
}

// entry writes down one target's verdict. x is the index that it will be part
// of, nil when none is made.
func (m *maker) entry(t model.TargetID, x *model.Index) model.Entry {
	v, k, image := m.verdicts[t], m.keys[t], m.image(t)
	recipe := k.Recipe
	e := model.Entry{
		Image: t.Image, Dir: image.Dir, Tag: t.Tag, Variant: t.Variant, Platform: t.Platform,
		Action: v.action, Steps: map[string]string{model.StepBuild: v.build, model.StepTest: v.test},
		Key: k.Digest, Generation: m.generation[t], Digest: v.digest, Repository: image.ImageName,
		Parents: []model.Parent{}, Wave: m.wave[t], Refs: m.refs(t, x), Runner: runner(image, t.Platform),
		Reasons: v.reasons, TestsKey: k.TestsKey, Tests: append([]model.Test{}, image.Tests...), Recipe: &recipe,
	}
	for _, p := range k.Parents {
		e.Parents = append(e.Parents, m.parent(t, p))
	}
	return e
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
	for _, old := range m.old {
		paired[old] = true
	}
	var out []model.Entry
	for t, k := range m.then.Keys {
		if paired[t] {
			continue
		}
		r := model.Reason{Kind: model.ReasonRemoved, Name: t.Image, Detail: "it is no longer in the fleet"}
		if len(m.now.Fleet.Tags(t.Image)) > 0 {
			r.Name, r.Detail = t.Platform.String(), "the image is no longer made for this"
			if len(m.nodes[t.Node()]) == 0 {
				r.Name = t.Node()
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
