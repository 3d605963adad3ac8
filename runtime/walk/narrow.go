package walk

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Narrow is a plan restricted to the targets that keep accepts and everything
// that they are built from, less those that drop accepts and everything that is
// built from them. A nil keep accepts all, a nil drop none. An index is kept
// while all its platforms are; what leaves is in LeftOut.
func Narrow(p *model.Plan, keep, drop func(model.TargetID) bool) *model.Plan {
	entries := map[model.TargetID]*model.Entry{}
	children := map[model.TargetID][]model.TargetID{}
	for n := range p.Entries {
		e := &p.Entries[n]
		if e.Action == model.ActionRetire {
			continue
		}
		entries[e.ID()] = e
		for _, parent := range parents(e) {
			children[parent] = append(children[parent], e.ID())
		}
	}
	kept := map[model.TargetID]bool{}
	var add func(model.TargetID)
	add = func(id model.TargetID) {
		if e := entries[id]; e != nil && !kept[id] {
			kept[id] = true
			for _, parent := range parents(e) {
				add(parent)
			}
		}
	}
	var remove func(model.TargetID)
	remove = func(id model.TargetID) {
		delete(kept, id)
		for _, c := range children[id] {
			remove(c)
		}
	}
	for id := range entries {
		if keep == nil || keep(id) {
			add(id)
		}
	}
	for id := range entries {
		if drop != nil && drop(id) {
			remove(id)
		}
	}
	return restricted(p, kept)
}

func restricted(p *model.Plan, kept map[model.TargetID]bool) *model.Plan {
	out := *p
	out.Entries = slices.DeleteFunc(slices.Clone(p.Entries), func(e model.Entry) bool {
		return e.Action != model.ActionRetire && !kept[e.ID()]
	})
	out.Indexes = nil
	out.LeftOut = slices.Clone(p.LeftOut)
	for _, i := range p.Indexes {
		whole := true
		node := model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}
		for _, platform := range i.Platforms {
			id := node
			id.Platform = platform
			whole = whole && kept[id]
		}
		if whole {
			out.Indexes = append(out.Indexes, i)
		} else {
			out.LeftOut = append(out.LeftOut, node.Node())
		}
	}
	slices.Sort(out.LeftOut)
	out.LeftOut = slices.Compact(out.LeftOut)
	return &out
}
