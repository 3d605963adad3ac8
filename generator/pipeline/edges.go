package pipeline

import (
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// EdgesOf is what each target of a graph is built from.
func EdgesOf(g *graph.Graph) Edges {
	edges := Edges{}
	for _, id := range g.Targets() {
		n, found := g.Node(id)
		if !found {
			continue
		}
		var parents []model.TargetID
		for _, e := range n.Parents {
			parents = append(parents, e.To)
		}
		edges[id] = parents
	}
	return edges
}
