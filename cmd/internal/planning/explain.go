package planning

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// Explanation is why one target is what it is.
type Explanation struct {
	Image       string            `json:"image"`
	Tag         string            `json:"tag"`
	Variant     string            `json:"variant"`
	Platform    model.Platform    `json:"platform"`
	Action      model.Action      `json:"action"`
	Steps       map[string]string `json:"steps"`
	Summary     string            `json:"summary"`
	Generation  int               `json:"generation"`
	Digest      model.Digest      `json:"digest,omitempty"`  // of its manifest, where the registry has it
	OldKey      model.Digest      `json:"old_key,omitempty"` // at From
	Key         model.Digest      `json:"key"`
	Because     []model.Reason    `json:"because"`     // as in the plan
	Causes      []Cause           `json:"causes"`      // what lies behind them, nearest first
	Differences []model.Reason    `json:"differences"` // of the two keys
	Dockerfile  []string          `json:"dockerfile"`  // what differs in its instructions, as a unified diff
}

// Cause is a reason that no parent's reasons lie behind.
type Cause struct {
	Chain  []string     `json:"chain"` // parents, from the target's own to the one that Reason is about; empty for the target itself
	Reason model.Reason `json:"reason"`
}

// Explain says why each target of a plan that match accepts is what it is.
// What differs is known where the snapshots of both sides are; then may be nil.
func Explain(p *model.Plan, then, now *plan.Snapshot, match func(model.TargetID) bool) []Explanation {
	x := explainer{entries: map[model.TargetID]*model.Entry{}, plan: p, then: then, now: now}
	for i := range p.Entries {
		x.entries[p.Entries[i].ID()] = &p.Entries[i]
	}
	out := []Explanation{}
	for i := range p.Entries {
		if e := &p.Entries[i]; match(e.ID()) {
			out = append(out, x.explain(e))
		}
	}
	return out
}

type explainer struct {
	entries   map[model.TargetID]*model.Entry
	plan      *model.Plan
	then, now *plan.Snapshot
}

func (x *explainer) explain(e *model.Entry) Explanation {
	out := Explanation{
		Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform, Action: e.Action, Steps: e.Steps,
		Generation: e.Generation, Digest: e.Digest, Key: e.Key, Because: e.Reasons, Causes: x.causes(e),
		Differences: []model.Reason{}, Dockerfile: []string{},
	}
	if old, now := x.forms(e); old != nil && now != nil {
		out.OldKey = old.Digest
		if old.Digest != now.Digest {
			out.Differences = append(out.Differences, plan.Differences(x.now, old, now)...)
			out.Dockerfile = append(out.Dockerfile, key.DiffInstructions(old.Form(), now.Form())...)
		}
	}
	out.Summary = x.summary(e, &out)
	return out
}

// forms are the keys of both sides; a side that does not have the target, or
// has it under another tag, is nil.
func (x *explainer) forms(e *model.Entry) (old, now *key.Key) {
	if x.then != nil {
		old = x.then.Keys[e.ID()]
		if old == nil { // under its former tag, which the plan names
			for _, r := range e.Reasons {
				if r.Kind == model.ReasonOption && r.Name == "component_version" {
					was := e.ID()
					was.Tag = r.Old
					old = x.then.Keys[was]
				}
			}
		}
	}
	if x.now != nil && e.Action != model.ActionRetire {
		now = x.now.Keys[e.ID()]
	}
	return old, now
}

// causes are what lies behind an entry's reasons, each once, along the
// shortest way. It looks at each ancestor once, so a diamond costs no more.
func (x *explainer) causes(e *model.Entry) []Cause {
	type step struct {
		entry *model.Entry
		chain []string
	}
	out := []Cause{}
	known := map[string]bool{}
	seen := map[model.TargetID]bool{e.ID(): true}
	for queue := []step{{e, []string{}}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		reasons := at.entry.Reasons
		if len(at.chain) > 0 {
			reasons = effective(at.entry)
		}
		for _, r := range reasons {
			if parent := x.parent(at.entry, r); parent != nil && len(effective(parent)) > 0 {
				if !seen[parent.ID()] {
					seen[parent.ID()] = true
					name := parent.ID().Node()
					if parent.Platform != at.entry.Platform {
						name = parent.ID().String()
					}
					queue = append(queue, step{parent, append(slices.Clone(at.chain), name)})
				}
				continue
			}
			if id := causeID(at.entry, r); !known[id] {
				known[id] = true
				out = append(out, Cause{Chain: at.chain, Reason: r})
			}
		}
	}
	return out
}

// causeID is the same for one cause on two ways: a file that two images read,
// a wish for everything. Anything else is a cause of its image's.
func causeID(e *model.Entry, r model.Reason) string {
	switch {
	case r.Path != "":
		return r.Kind + "\x00" + r.Path
	case r.Kind == model.ReasonRebuildAll:
		return r.Kind
	}
	return strings.Join([]string{r.Kind, r.Name, r.Old, r.New, r.Detail, e.ID().Node()}, "\x00")
}

// effective are the reasons of an entry that may lie behind its children's:
// neither what the registry has nor its tests do.
func effective(e *model.Entry) []model.Reason {
	var out []model.Reason
	for _, r := range e.Reasons {
		isAnswer := r.Kind == model.ReasonRegistry && e.Action != model.ActionBuild
		isTests := r.Kind == model.ReasonOption && r.Name == "tests"
		if !isAnswer && !isTests {
			out = append(out, r)
		}
	}
	return out
}

// parent is the entry that a reason names, nil when it names none.
func (x *explainer) parent(e *model.Entry, r model.Reason) *model.Entry {
	if r.Kind != model.ReasonParent {
		return nil
	}
	parents := make([]model.TargetID, len(e.Parents))
	for i, p := range e.Parents {
		parents[i] = model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: p.Platform}
		if p.Platform == (model.Platform{}) {
			parents[i].Platform = e.Platform
		}
	}
	id, found := plan.ParentNamed(e.ID(), parents, r.Name)
	if !found || r.Old == "" && r.New != "" || r.Detail == key.DetailVersion { // it came: that is the whole cause
		return nil
	}
	return x.entries[id]
}

// summary is one sentence about what happens to the entry.
func (x *explainer) summary(e *model.Entry, known *Explanation) string {
	sinceRef := ""
	if x.plan.From != nil {
		sinceRef = " since " + plan.RefName(*x.plan.From)
	}
	same := known.OldKey != "" && known.OldKey == e.Key
	switch e.Action {
	case model.ActionBuild:
		if same {
			return "It is built and tested, although nothing that it is made of changed" + sinceRef + "."
		}
		return "It is built and tested."
	case model.ActionRetire:
		return "It leaves the channels; what was published stays where it is."
	case model.ActionReuse:
		s := "It is not built again: the registry has its bytes."
		if e.Steps[model.StepTest] == model.StepRun {
			s += " Its tests are run."
		}
		return s
	}
	switch e.Steps[model.StepTest] {
	case model.StepRun:
		return "It is not built again; its tests are run."
	case model.StepUntested:
		return "It is not built again, and stays untested: no class of machines has " + e.Device + "."
	}
	s := "It is not built: nothing that it is made of changed" + sinceRef
	switch {
	case x.plan.Registry != "known":
		return s + "; the registry was not asked."
	case e.Digest != "":
		return s + ", and the registry has it as " + e.Digest.String() + "."
	}
	return s + "."
}
