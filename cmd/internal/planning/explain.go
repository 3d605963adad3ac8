package planning

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Explanation is why the targets of one image are what they are. Targets that
// have everything but their platform in common share one.
type Explanation struct {
	Image     string            `json:"image"`
	Tag       string            `json:"tag"`
	Variant   string            `json:"variant"`
	Platforms []model.Platform  `json:"platforms"`
	Action    model.Action      `json:"action"`
	Steps     map[string]string `json:"steps"`
	Because   []Because         `json:"because"`
	Summary   string            `json:"summary"`
}

// Because is a reason, and for a parent the reasons of the parent.
type Because struct {
	model.Reason
	Because []Because `json:"because,omitempty"`
}

// Explain says why each target of a plan that match accepts is what it is.
func Explain(p *model.Plan, match func(model.TargetID) bool) []Explanation {
	x := explainer{entries: map[model.TargetID]*model.Entry{}, plan: p}
	for i := range p.Entries {
		x.entries[p.Entries[i].ID()] = &p.Entries[i]
	}
	out := []Explanation{}
	seen := map[string]int{}
	for i := range p.Entries {
		e := &p.Entries[i]
		if !match(e.ID()) {
			continue
		}
		one := Explanation{
			Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platforms: []model.Platform{e.Platform},
			Action: e.Action, Steps: e.Steps, Because: x.reasons(e), Summary: x.summary(e),
		}
		same := fmt.Sprint(e.ID().Node(), one.Action, one.Steps, one.Because, one.Summary)
		if at, found := seen[same]; found {
			out[at].Platforms = append(out[at].Platforms, e.Platform)
			continue
		}
		seen[same] = len(out)
		out = append(out, one)
	}
	return out
}

type explainer struct {
	entries map[model.TargetID]*model.Entry
	plan    *model.Plan
}

// reasons follows parents, whose waves are lower: it ends.
func (x *explainer) reasons(e *model.Entry) []Because {
	out := []Because{}
	for _, r := range e.Reasons {
		b := Because{Reason: r}
		if parent := x.parent(e, r); parent != nil {
			b.Because = x.reasons(parent)
		}
		out = append(out, b)
	}
	return out
}

// parent is the entry that a reason names, nil when it names none.
func (x *explainer) parent(e *model.Entry, r model.Reason) *model.Entry {
	if r.Kind != model.ReasonParent {
		return nil
	}
	i := slices.IndexFunc(e.Parents, func(p model.Parent) bool {
		id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant}
		return id.Node() == r.Name || p.Image == r.Name
	})
	if i < 0 {
		return nil
	}
	p := e.Parents[i]
	id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: p.Platform}
	if id.Platform == (model.Platform{}) {
		id.Platform = e.Platform
	}
	return x.entries[id]
}

// summary is one sentence about what happens to the entry.
func (x *explainer) summary(e *model.Entry) string {
	known := x.plan.Registry == "known"
	switch e.Action {
	case model.ActionBuild:
		return "It is built and tested."
	case model.ActionRetire:
		return "It leaves the channels; what was published stays where it is."
	case model.ActionReuse:
		if e.Steps[model.StepTest] == model.StepRun {
			return "It is not built again: the registry has its bytes. Its tests are run."
		}
		return "It is not built again: the registry has its bytes."
	}
	if e.Steps[model.StepTest] == model.StepRun {
		return "It is not built again; its tests are run."
	}
	s := "Nothing that it is made of changed"
	if x.plan.From != nil {
		s += " since " + x.plan.From.Ref
	}
	if known {
		if e.Digest != "" {
			return s + "; the registry has it."
		}
		return s + "."
	}
	return s + "; the registry was not asked."
}

// Text is the explanation for a person.
func (e *Explanation) Text() string {
	var b strings.Builder
	names := make([]string, len(e.Platforms))
	for i, p := range e.Platforms {
		names[i] = p.String()
	}
	node := model.TargetID{Image: e.Image, Tag: e.Tag, Variant: e.Variant}.Node()
	fmt.Fprintf(&b, "%s (%s): %s\n  %s\n", node, strings.Join(names, ", "), e.Action, e.Summary)
	writeReasons(&b, e.Because, "  ")
	return b.String()
}

func writeReasons(b *strings.Builder, reasons []Because, indent string) {
	for _, r := range reasons {
		fmt.Fprintf(b, "%sbecause %s\n", indent, Long(r.Reason))
		writeReasons(b, r.Because, indent+"  ")
	}
}

// Long is a reason with what it was and what it is.
func Long(r model.Reason) string {
	s := Short(r)
	if r.Kind == model.ReasonNew {
		return s
	}
	switch {
	case r.Old != "" && r.New != "":
		s += ": " + brief(r.Old) + " -> " + brief(r.New)
	case r.New != "":
		s += ": added, " + brief(r.New)
	case r.Old != "":
		s += ": removed, was " + brief(r.Old)
	}
	if r.Detail != "" && !strings.Contains(s, r.Detail) {
		s += " (" + r.Detail + ")"
	}
	return s
}

// brief shortens digests and long values; --json has them whole.
func brief(s string) string {
	const longest = 80
	if d := model.Digest(s).Short(); d != "" {
		return d
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}
