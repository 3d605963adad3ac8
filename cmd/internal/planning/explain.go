package planning

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Explanation is why one target is what it is.
type Explanation struct {
	Image    string            `json:"image"`
	Tag      string            `json:"tag"`
	Variant  string            `json:"variant"`
	Platform model.Platform    `json:"platform"`
	Action   model.Action      `json:"action"`
	Steps    map[string]string `json:"steps"`
	Because  []Because         `json:"because"`
	Summary  string            `json:"summary"`
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
	for i := range p.Entries {
		if e := &p.Entries[i]; match(e.ID()) {
			out = append(out, Explanation{
				Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform,
				Action: e.Action, Steps: e.Steps, Because: x.reasons(e), Summary: x.summary(e),
			})
		}
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

// Text is the explanations for a person. Platforms of an image that differ in
// nothing but their parents' keys share one.
func Text(explained []Explanation) string {
	type group struct {
		platforms []string
		whole     string // with the keys of parents
		loose     string // without them
		same      bool   // whole holds for every platform
	}
	groups := map[string]*group{}
	var order []string
	for i := range explained {
		e := &explained[i]
		node := model.TargetID{Image: e.Image, Tag: e.Tag, Variant: e.Variant}.Node()
		whole, loose := e.text(true), e.text(false)
		id := node + "\n" + string(e.Action) + "\n" + loose
		g := groups[id]
		if g == nil {
			g = &group{whole: whole, loose: loose, same: true}
			groups[id] = g
			order = append(order, id)
		}
		g.platforms = append(g.platforms, e.Platform.String())
		g.same = g.same && g.whole == whole
	}
	var b strings.Builder
	for _, id := range order {
		g := groups[id]
		part := strings.SplitN(id, "\n", 3)
		fmt.Fprintf(&b, "%s (%s): %s\n", part[0], strings.Join(g.platforms, ", "), part[1])
		if g.same {
			b.WriteString(g.whole)
		} else {
			b.WriteString(g.loose)
		}
	}
	return b.String()
}

func (e *Explanation) text(keys bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s\n", e.Summary)
	writeReasons(&b, e.Because, "  ", keys)
	return b.String()
}

func writeReasons(b *strings.Builder, reasons []Because, indent string, keys bool) {
	for _, r := range reasons {
		reason := r.Reason
		if !keys && reason.Kind == model.ReasonParent {
			reason.Old, reason.New = "", ""
		}
		fmt.Fprintf(b, "%sbecause %s\n", indent, Long(reason))
		writeReasons(b, r.Because, indent+"  ", keys)
	}
}

// Long is a reason with what it was and what it is.
func Long(r model.Reason) string {
	s := Short(r)
	if r.Kind == model.ReasonNew {
		return s
	}
	old, now := readable(r.Old, r.New)
	switch {
	case old != "" && now != "":
		s += ": " + old + " -> " + now
	case now != "":
		s += ": added, " + now
	case old != "":
		s += ": removed, was " + old
	}
	if r.Detail != "" && !strings.Contains(s, r.Detail) {
		s += " (" + r.Detail + ")"
	}
	return s
}

// readable shortens what was and what is; --json has them whole. A file's
// mode is left out where it is the same.
func readable(old, now string) (string, string) {
	oldMode, oldID, oldFile := strings.Cut(old, " git:")
	newMode, newID, newFile := strings.Cut(now, " git:")
	if oldFile && newFile && oldMode == newMode {
		return brief(oldID), brief(newID)
	}
	return brief(old), brief(now)
}

func brief(s string) string {
	const longest, id = 80, 12
	if d := model.Digest(s).Short(); d != "" {
		return d
	}
	words := strings.Fields(s)
	for i, w := range words {
		prefix, hex := "", w
		if h, found := strings.CutPrefix(w, "git:"); found {
			prefix, hex = "git:", h
		}
		if (len(hex) == 40 || len(hex) == 64) && strings.Trim(hex, "0123456789abcdef") == "" {
			words[i] = prefix + hex[:id]
		}
	}
	s = strings.Join(words, " ")
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return s
}
