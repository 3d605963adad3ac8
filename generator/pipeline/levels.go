package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// levels tells of each node of a fleet, by name, how many others must be built
// one after the other before it. They depend on the whole fleet, so a part of
// it has the same ones. The error is a cycle, or a parent that is no node.
func levels(edges Edges, names map[model.TargetID]string) (map[string]int, error) {
	w := walk{parents: map[string][]string{}, levels: make(map[string]int, len(names))}
	for id, all := range edges {
		child, node := names[id.AllPlatforms()], id.AllPlatforms()
		for _, p := range all {
			parent := p.AllPlatforms()
			if parent == node {
				continue
			}
			name, known := names[parent]
			if !known {
				return nil, fmt.Errorf("laying out jobs: %s is built from %s, which is not in the fleet", child, parent.Node())
			}
			w.parents[child] = append(w.parents[child], name)
		}
	}
	for name, parents := range w.parents {
		w.parents[name] = sortedSet(parents)
	}
	for _, name := range slices.Sorted(maps.Values(names)) {
		if _, err := w.level(name); err != nil {
			return nil, err
		}
	}
	return w.levels, nil
}

// walk goes from nodes to their parents.
type walk struct {
	parents map[string][]string
	levels  map[string]int // of the nodes that are done
	path    []string       // of those that are not
}

func (w *walk) level(name string) (int, error) {
	if level, known := w.levels[name]; known {
		return level, nil
	}
	if i := slices.Index(w.path, name); i >= 0 {
		return 0, fmt.Errorf("laying out jobs: images need one another: %s", strings.Join(append(w.path[i:], name), " -> "))
	}
	w.path = append(w.path, name)
	level := 0
	for _, parent := range w.parents[name] {
		before, err := w.level(parent)
		if err != nil {
			return 0, err
		}
		level = max(level, before+1)
	}
	w.path = w.path[:len(w.path)-1]
	w.levels[name] = level
	return level, nil
}
