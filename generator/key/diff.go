package key

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Diff names everything that differs between two forms, old -> new, in the
// order of the forms. It is empty when they are equal, and one ReasonNew when
// old is empty.
func Diff(old, now Form) []model.Reason {
	if len(old) == 0 && len(now) > 0 {
		return []model.Reason{{Kind: model.ReasonNew}}
	}
	if unreadable(old) != unreadable(now) {
		return []model.Reason{unreadableReason(old, now)}
	}
	var out []model.Reason
	if r, differs := instructionReason(old, now); differs {
		out = append(out, r)
	}
	if sameLines(old, now) {
		out = append(out, diffValues(old, now)...)
	} else {
		out = append(out, diffLines(old, now, len(out) > 0)...)
	}
	out = renamed(out)
	Sort(out)
	return out
}

// Sort brings reasons into the order in which people want to read them.
func Sort(reasons []model.Reason) {
	slices.SortStableFunc(reasons, func(a, b model.Reason) int {
		return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(a.Path, b.Path), strings.Compare(a.Name, b.Name))
	})
}

// sameLines tells whether two forms are about the same things one by one, as
// they mostly are: then nothing has to be looked up.
func sameLines(old, now Form) bool {
	return slices.EqualFunc(old, now, func(o, n Line) bool { return o.Kind == n.Kind && o.Name == n.Name })
}

// diffValues is diffLines for forms that are about the same things.
func diffValues(old, now Form) []model.Reason {
	var out []model.Reason
	for i, n := range now {
		o := old[i]
		if n.Kind == LineInstruction || o.Value == n.Value {
			continue
		}
		if n.Kind == LineConfig && movedBase(old, now, n.Name) {
			continue
		}
		out = append(out, reason(lineID{n.Kind, n.Name}, o, n, true, true))
	}
	return out
}

// movedBase tells whether the digest of a base differs.
func movedBase(old, now Form, name string) bool {
	for i, n := range now {
		if n.Kind == LineBase && n.Name == name && old[i].Value != n.Value {
			return true
		}
	}
	return false
}

// diffLines is what differs beside the instructions, looked up by name.
// edited tells that these differ, which explains references that came or went.
func diffLines(old, now Form, edited bool) []model.Reason {
	var out []model.Reason
	before, after := byName(old), byName(now)
	moved := map[string]bool{} // bases whose digest differs
	parents := false           // whether another set of images is meant
	for _, id := range ids(old, now) {
		o, hadIt := before[id]
		n, hasIt := after[id]
		if id.kind == LineInstruction || hadIt && hasIt && o.Value == n.Value {
			continue
		}
		if id.kind == LineBase {
			moved[id.name] = true
		}
		parents = parents || id.kind == LineParent && hadIt != hasIt
		explained := parents || (edited || len(out) > 0) && hadIt != hasIt
		if id.kind == LineConfig && moved[id.name] || id.kind == LineContext && explained {
			continue
		}
		out = append(out, reason(id, o, n, hadIt, hasIt))
	}
	return out
}

// unreadable tells whether a form stands for a Dockerfile that cannot be read:
// what the image depends on is not known then.
func unreadable(f Form) bool {
	for _, l := range f {
		if l.Kind == LineInstruction {
			return l.Name == instructionUnreadable
		}
	}
	return false
}

func unreadableReason(old, now Form) model.Reason {
	r := model.Reason{Kind: model.ReasonTemplate, Path: cmp.Or(dockerfilePath(now), dockerfilePath(old)), Detail: "it cannot be read"}
	if unreadable(old) {
		r.Detail = "it could not be read before, so nothing else can be compared"
	}
	return r
}

// lineID says which lines of two forms are about the same thing.
type lineID struct{ kind, name string }

func byName(f Form) map[lineID]Line {
	m := make(map[lineID]Line, len(f))
	for _, l := range f {
		m[lineID{l.Kind, l.Name}] = l
	}
	return m
}

// ids are those of both forms: bases before their configurations, as the
// forms have them.
func ids(old, now Form) []lineID {
	seen := map[lineID]bool{}
	var out []lineID
	for _, f := range []Form{old, now} {
		for _, l := range f {
			if id := (lineID{l.Kind, l.Name}); !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	// A base comes before its configuration, parents before the references
	// that mean them: the one explains the other.
	slices.SortStableFunc(out, func(a, b lineID) int { return cmp.Compare(a.late(), b.late()) })
	return out
}

func (id lineID) late() int {
	if id.kind == LineConfig || id.kind == LineContext {
		return 1
	}
	return 0
}

func reason(id lineID, o, n Line, hadIt, hasIt bool) model.Reason {
	r := model.Reason{Name: id.name, Old: o.Value, New: n.Value}
	switch id.kind {
	case LineFile, LineInput:
		r.Kind, r.Name, r.Path = model.ReasonFile, "", cmp.Or(n.Path, o.Path)
		switch {
		case !hadIt:
			r.Detail = "is read now"
		case !hasIt:
			r.Kind, r.Detail = model.ReasonRemoved, "is read no longer"
		default:
			r.Detail = modeChange(o.Value, n.Value)
		}
	case LineArgument:
		r.Kind = model.ReasonArgument
		if Secret(id.name) {
			r.Old, r.New, r.Detail = hidden(r.Old, hadIt), hidden(r.New, hasIt), "its value is not shown"
		}
	case LineParent:
		r.Kind = model.ReasonParent
	case LineContext:
		r.Kind, r.Detail = model.ReasonParent, "means another image"
	case LineBase:
		r.Kind = model.ReasonBase
		r.Old, r.New = locked(r.Old, hadIt), locked(r.New, hasIt)
		if !strings.ContainsAny(id.name, "/ ") { // a reference has its registry, a suite "debian" before it
			r.Detail = DetailPackage
		}
	case LineConfig:
		r.Kind, r.Detail = model.ReasonBase, "what it gives to its children"
	case LineFormat:
		r.Kind, r.Name, r.Detail = model.ReasonOption, "key format", "every image is built anew"
	case LinePlatform:
		r.Kind, r.Name = model.ReasonOption, "platform"
	default:
		r.Kind = model.ReasonOption
	}
	return r
}

// instructionReason names the first instruction that differs; one edit moves
// all that follow, so they are one reason.
func instructionReason(old, now Form) (model.Reason, bool) {
	a, b := values(old), values(now)
	file := cmp.Or(dockerfilePath(now), dockerfilePath(old))
	if slices.Equal(a, b) {
		return model.Reason{}, false
	}
	first := 0
	for first < len(a) && first < len(b) && a[first] == b[first] {
		first++
	}
	for len(a) > first && len(b) > first && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	r := model.Reason{Kind: model.ReasonTemplate, Path: file}
	if len(a) > first {
		r.Old = Redact(a[first])
	}
	if len(b) > first {
		r.New = Redact(b[first])
	}
	if n := max(len(a), len(b)) - first; n > 1 {
		r.Detail = strconv.Itoa(n) + " instructions"
	}
	return r, true
}

// values are the Dockerfile's instructions, in order.
func values(f Form) []string {
	var out []string
	for _, l := range f {
		if l.Kind == LineInstruction {
			out = append(out, l.Value)
		}
	}
	return out
}

// dockerfilePath is where the Dockerfile of a form lies.
func dockerfilePath(f Form) string {
	for _, l := range f {
		if l.Kind == LineInstruction {
			return l.Path
		}
	}
	return ""
}

// rank is the order in which people want to read reasons.
func rank(kind string) int {
	return slices.Index([]string{
		model.ReasonFile, model.ReasonRemoved, model.ReasonTemplate, model.ReasonArgument, model.ReasonOption,
		model.ReasonParent, model.ReasonBase,
	}, kind)
}
