package gencmd

import (
	"context"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/tree"
)

// past answers from a repository what generated files were.
type past struct{ *history.Repo }

var _ tree.Past = past{}

// Merge joins an edit of before with what is generated now.
func (p past) Merge(ctx context.Context, before, edited, now []byte) (text []byte, conflict bool, err error) {
	return p.Repo.Merge(ctx,
		history.Side{Name: "as it was generated", Text: before},
		history.Side{Name: "edited by hand", Text: edited},
		history.Side{Name: "as it is generated now", Text: now})
}
