package key

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
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
		c := model.NamedContext{Ref: b.Context, Inherits: b.Kind == dockerfile.RefFrom && b.Config == nil}
		if b.Locked {
			c.Source = b.Repository + "@" + b.Digest.String()
		} else if b.Under != "" {
			c.Image = b.Ref
		}
		r.Contexts = append(r.Contexts, c)
		rewrite(r, b.Use)
	}
	for _, f := range n.Folders {
		r.Contexts = append(r.Contexts, model.NamedContext{Ref: f.Context, Folder: f.Dir, Files: f.Files})
	}
	slices.SortFunc(r.Contexts, func(a, b model.NamedContext) int {
		inherits := func(c model.NamedContext) int {
			if c.Inherits {
				return 0
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.Ref, b.Ref), strings.Compare(a.Parent, b.Parent), strings.Compare(a.Source, b.Source), cmp.Compare(inherits(a), inherits(b)))
	})
	r.Contexts = slices.CompactFunc(r.Contexts, func(a, b model.NamedContext) bool {
		return a.Ref == b.Ref && a.Parent == b.Parent && a.Source == b.Source && a.Folder == b.Folder
	})
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
