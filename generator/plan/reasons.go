package plan

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// explained is what many entries say alike, made once: a plan of a hundred
// thousand targets must not cost as many sentences.
type explained struct {
	since     string                      // how From is called; empty where there is none
	unchanged []model.Reason              // of what the registry has, or was not asked about
	unjudged  []model.Reason              // of what the registry has, and a policy is still to judge
	leftAlone []model.Reason              // of what it has not wholly, and a request leaves alone
	causes    map[*target]string          // "because images/base/motd", see cause
	before    map[string][]model.TargetID // the targets of From by image; nil until somebody asks
}

func newExplained(then *Snapshot, known bool) explained {
	x := explained{causes: map[*target]string{}}
	unchanged := "unchanged"
	if then != nil {
		x.since = RefName(then.Revision)
		unchanged += " since " + x.since
	}
	x.leftAlone = []model.Reason{registry(unchanged + "; what is not done for it yet, this request leaves alone")}
	x.unjudged = []model.Reason{registry(unchanged + ", and not merged yet under this scan policy")}
	if known {
		x.unchanged = []model.Reason{registry(unchanged + ", and the registry has it")}
	} else {
		x.unchanged = []model.Reason{registry(unchanged + "; the registry was not asked")}
	}
	return x
}

// said is what an entry says. An entry to which nothing happens says why:
// its key is what it was, and what the registry answered. That is of kind
// "registry", as the kinds of edits would say that there was one.
func (m *maker) said(v *verdict, merging bool) []model.Reason {
	switch {
	case len(v.reasons) > 0:
		return v.reasons
	case v.unfinished:
		return m.leftAlone[:1:1]
	case merging && m.req.Policy != "" && m.state.Known:
		return m.unjudged[:1:1]
	}
	return m.unchanged[:1:1]
}

// RefName is a revision for people: a tag or a branch without its folder, a
// commit in twelve digits.
func RefName(r model.Revision) string {
	name := r.Ref
	for _, folder := range []string{"refs/tags/", "refs/heads/", "refs/remotes/"} {
		name = strings.TrimPrefix(name, folder)
	}
	if len(name) >= 40 && strings.Trim(name, "0123456789abcdef") == "" {
		return name[:12]
	}
	return name
}

// because are the reasons of git and of the request; the registry's are the
// target's already. Parents have theirs already: they come first.
func (m *maker) because(t *target) []model.Reason {
	var reasons []model.Reason
	switch {
	case t.old == nil:
		reasons = append(reasons, m.isNew(t))
	case t.changed():
		reasons = m.edits(t)
	case t.testsChanged():
		reasons = append(reasons, model.Reason{Kind: model.ReasonOption, Name: "tests", Detail: "its tests were edited; nothing is built for that"})
	}
	if t.renamed != "" {
		reasons = append(reasons, model.Reason{Kind: model.ReasonOption, Name: "component_version", Old: t.renamed, New: t.id.Tag, Detail: "nothing is built for that"})
	}
	switch {
	case t.withdrawn:
		reasons = append(reasons, model.Reason{Kind: model.ReasonForced, Name: t.id.Image, Detail: "what the registry has was withdrawn"})
	case t.forced && m.req.RebuildTag != "":
		reasons = append(reasons, model.Reason{Kind: model.ReasonRebuildAll, Name: m.req.RebuildTag, Detail: `the tag ends in "a"`})
	case t.forced && m.req.All:
		reasons = append(reasons, model.Reason{Kind: model.ReasonRebuildAll, Detail: "asked for"})
	case t.forced && m.req.Bases && len(t.parents) == 0:
		reasons = append(reasons, model.Reason{Kind: model.ReasonForced, Name: t.id.Image, Detail: "every base is built anew"})
	case t.forced:
		reasons = append(reasons, model.Reason{Kind: model.ReasonForced, Name: t.id.Image, Detail: "asked for"})
	case t.action == model.ActionBuild:
		for _, p := range t.newer {
			r := model.Reason{Kind: model.ReasonParent, Name: p.id.Node(), Detail: "it is built anew"}
			if m.state.Known {
				r.Detail = fmt.Sprintf("it is, or will be, of generation %d", p.generation)
			}
			reasons = append(reasons, r)
		}
	}
	return reasons
}

// edits are the differences of two keys, with what lies behind a parent's.
func (m *maker) edits(t *target) []model.Reason {
	old, now := t.old, t.key
	reasons := Differences(m.now, old, now)
	if len(reasons) == 0 {
		return []model.Reason{{Kind: model.ReasonOption, Name: "key", Old: old.Digest.String(), New: now.Digest.String()}}
	}
	for i := range reasons {
		r := &reasons[i]
		if r.Kind != model.ReasonParent || r.Detail != "" || r.Old == "" || r.New == "" {
			continue
		}
		if p, found := ParentNamed(t.id, now.Parents, r.Name); found {
			r.Detail = m.cause(t.from(p))
		}
	}
	return reasons
}

// Differences are those of a target's keys. Files that are gone are told from
// those that are still in the tree of now, and only read no longer: the keys
// alone do not say which.
func Differences(snapshot *Snapshot, old, now *key.Key) []model.Reason {
	reasons := key.Diff(old.Form(), now.Form())
	found := false
	for i := range reasons {
		if r := &reasons[i]; r.Kind == model.ReasonRemoved && r.Path != "" && snapshot.Graph.Has(r.Path) {
			r.Kind, found = model.ReasonFile, true
		}
	}
	if found {
		key.Sort(reasons)
	}
	return reasons
}

// ParentNamed is the parent of t that a reason of kind "parent" names.
func ParentNamed(t model.TargetID, parents []model.TargetID, name string) (model.TargetID, bool) {
	for _, p := range parents {
		if p.Platform == t.Platform && p.Node() == name || p.String() == name {
			return p, true
		}
	}
	return model.TargetID{}, false
}

// cause is what lies behind a target's first reason, "because" before it:
// "because images/base/motd" for all that are built from base, however far.
func (m *maker) cause(t *target) string {
	if s, known := m.causes[t]; known {
		return s
	}
	s := ""
	if t != nil && t.decided {
		for _, r := range t.reasons {
			p, found := model.TargetID{}, false
			if r.Kind == model.ReasonParent {
				p, found = ParentNamed(t.id, t.key.Parents, r.Name)
			}
			switch {
			case found:
				s = m.cause(t.from(p))
			case r.Kind != model.ReasonRegistry || t.action == model.ActionBuild:
				s = "because " + Brief(r)
			}
			if s != "" {
				break
			}
		}
	}
	m.causes[t] = s
	return s
}

// Brief names what a reason is about in as few words as can be.
func Brief(r model.Reason) string {
	switch r.Kind {
	case model.ReasonFile, model.ReasonTemplate:
		return r.Path
	case model.ReasonRemoved:
		if r.Path != "" {
			return r.Path + " (removed)"
		}
		return r.Name + " (removed)"
	case model.ReasonNew:
		return strings.TrimSpace(r.Name + " (new)")
	case model.ReasonForced:
		return r.Name + " (forced)"
	case model.ReasonRebuildAll:
		if r.Name != "" {
			return "the tag " + r.Name
		}
		return "everything is built anew"
	case model.ReasonRegistry:
		return r.Detail
	case model.ReasonArgument, model.ReasonOption:
		return r.Kind + " " + r.Name
	case model.ReasonBase:
		if r.Detail == key.DetailPackage {
			return "package " + r.Name
		}
	}
	return r.Name
}

// isNew says what is new about a target: its image, its tag, its platform.
func (m *maker) isNew(of *target) model.Reason {
	t := of.id
	if m.then == nil && m.req.Unread != "" {
		return model.Reason{Kind: model.ReasonNew, Name: t.Image, Detail: "it could not be read at " + m.req.Unread}
	}
	if m.then == nil {
		return model.Reason{Kind: model.ReasonNew, Name: t.Image, Detail: "there is nothing to compare with"}
	}
	if m.then.Unread[of.image.Dir] {
		return model.Reason{Kind: model.ReasonNew, Name: t.Image, Detail: "it could not be read at " + m.since}
	}
	if m.before == nil {
		m.before = make(map[string][]model.TargetID, len(m.then.Keys))
		for old := range m.then.Keys {
			m.before[old.Image] = append(m.before[old.Image], old)
		}
	}
	r := model.Reason{Kind: model.ReasonNew, Name: t.Image, Detail: "not there at " + m.since}
	for _, old := range m.before[t.Image] {
		if old.Tag == t.Tag && old.Variant == t.Variant {
			return model.Reason{Kind: model.ReasonNew, Name: t.Platform.String(), Detail: "the image was not made for this before"}
		}
		r.Name, r.Detail = t.Node(), "the image was not made as this before"
	}
	return r
}
