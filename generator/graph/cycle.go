package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// cycles reports images that are built from each other, each cycle once
// however many platforms it has.
func (b *builder) cycles() {
	const (
		unseen = iota
		open
		closed
	)
	state := map[model.TargetID]int{}
	reported := map[string]bool{}
	var path []Edge // from the target where the search began
	var from []model.TargetID
	var visit func(model.TargetID)
	visit = func(id model.TargetID) {
		state[id] = open
		from = append(from, id)
		for _, e := range b.graph.node(id).Parents {
			if b.graph.node(e.To) == nil {
				continue
			}
			path = append(path, e)
			switch state[e.To] {
			case unseen:
				visit(e.To)
			case open:
				begin := slices.Index(from, e.To)
				b.cycle(from[begin:], path[begin:], reported)
			}
			path = path[:len(path)-1]
		}
		from = from[:len(from)-1]
		state[id] = closed
	}
	for _, n := range b.graph.order { // by id, so far
		if state[n.ID] == unseen {
			visit(n.ID)
		}
	}
}

// cycle reports one: from[i] is built from path[i].To.
func (b *builder) cycle(from []model.TargetID, path []Edge, reported map[string]bool) {
	least := 0
	for i := range from {
		b.circular[from[i]] = true
		if from[i].Compare(from[least]) < 0 {
			least = i
		}
	}
	from = slices.Concat(from[least:], from[:least])
	path = slices.Concat(path[least:], path[:least])
	call := callers(from)
	names, places := []string{call(from[0])}, []string{}
	for i, e := range path {
		names = append(names, call(e.To))
		places = append(places, fmt.Sprintf("%s names %s at %s", call(from[i]), e.Ref, e.Pos))
	}
	shown := strings.Join(names, " -> ")
	if reported[shown] {
		return
	}
	reported[shown] = true
	hint := strings.Join(places, "; ")
	if len(path) == 1 {
		hint = "an image cannot be built from itself: if an image outside is meant, write its full name, for example docker.io/library/" + path[0].Ref
	}
	b.list.Errorf(RuleCycle, path[0].Pos, hint, "images are built from each other: %s", shown)
}

// callers names targets by their image, but where an image is there with two
// tags by both.
func callers(targets []model.TargetID) func(model.TargetID) string {
	nodes := map[string]model.TargetID{}
	several := map[string]bool{}
	for _, t := range targets {
		if first, seen := nodes[t.Image]; seen && first != t.AllPlatforms() {
			several[t.Image] = true
		}
		nodes[t.Image] = t.AllPlatforms()
	}
	return func(t model.TargetID) string {
		if several[t.Image] {
			return t.Node()
		}
		return t.Image
	}
}
