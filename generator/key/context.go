package key

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// contexts fills in what each reference of the Dockerfile stands for, and how
// the Dockerfile must be rewritten so that BuildKit finds it.
func contexts(n *graph.Node, r *model.Recipe) {
	for _, e := range n.Parents {
		c := model.NamedContext{Ref: e.Context, Parent: e.To.Node()}
		if e.To.Platform != n.ID.Platform {
			c.Platform = e.To.Platform
		}
		r.Contexts = append(r.Contexts, c)
		rewrite(r, e.Use)
	}
	for _, b := range n.Bases {
		c := model.NamedContext{Ref: b.Context}
		if b.Locked {
			c.Source = b.Repository + "@" + b.Digest.String()
		}
		r.Contexts = append(r.Contexts, c)
		rewrite(r, b.Use)
	}
	slices.SortFunc(r.Contexts, func(a, b model.NamedContext) int {
		return cmp.Or(strings.Compare(a.Ref, b.Ref), strings.Compare(a.Parent, b.Parent), strings.Compare(a.Source, b.Source))
	})
	r.Contexts = slices.Compact(r.Contexts)
	slices.SortFunc(r.Rewrites, func(a, b model.Rewrite) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	r.Rewrites = slices.Compact(r.Rewrites)
}

func rewrite(r *model.Recipe, u graph.Use) {
	if u.Rewrite != nil && u.Rewrite.Old != "" {
		r.Rewrites = append(r.Rewrites, *u.Rewrite)
	}
}
