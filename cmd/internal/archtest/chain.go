package archtest

import (
	"slices"
	"strings"
)

// imports maps each package of the module to the packages of the module that
// it imports, sorted.
type imports map[string][]string

func graph(packages []Package) imports {
	g := imports{}
	for _, p := range packages {
		g[p.Path] = nil
		for _, i := range p.Imports {
			if to, own := strings.CutPrefix(i, "./"); own {
				g[p.Path] = append(g[p.Path], to)
			}
		}
		slices.Sort(g[p.Path])
	}
	return g
}

// path is a shortest chain of imports between two packages, both included;
// nil when there is none.
func (g imports) path(from, to string) []string {
	if _, known := g[from]; !known {
		return nil
	}
	cameFrom := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to {
			var chain []string
			for ; at != ""; at = cameFrom[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range g[at] {
			if _, seen := cameFrom[next]; !seen {
				cameFrom[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// fromProgram is how a program reaches the package: what a person needs to
// see why an import matters. A package that no program reaches stands alone.
func (g imports) fromProgram(to string) []string {
	for _, program := range []string{"cmd/rootfsgen", "cmd/rootfsrun"} {
		if chain := g.path(program, to); chain != nil {
			return chain
		}
	}
	return []string{to}
}
