package planning

import (
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/graph"
)

// Outside are the references that look as if they meant an image of the fleet
// and are taken for one outside of it, each with its place and why: a person
// who wrote a rule wants to see what it did not find.
func Outside(g *graph.Graph) []string {
	var out []string
	for _, t := range g.Targets() {
		n, found := g.Node(t)
		if !found {
			continue
		}
		for _, b := range n.Bases {
			if b.Note != "" {
				out = append(out, plain(fmt.Sprintf("%s: %s is taken for an image outside: %s", b.Pos, b.Ref, b.Note)))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
