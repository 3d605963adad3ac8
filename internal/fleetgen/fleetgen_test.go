package fleetgen_test

import (
	"maps"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
)

func TestFleetIsSound(t *testing.T) {
	t.Parallel()
	files := fleetgen.Files(fleetgen.Options{Images: 120, Files: 2})
	if !maps.Equal(files, fleetgen.Files(fleetgen.Options{Images: 120, Files: 2})) {
		t.Error("the same options gave other files")
	}
	tree := history.Memory(files)
	fleet, list, err := source.Load(t.Context(), tree, source.Options{})
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	g, list, err := graph.Build(t.Context(), fleet, tree, graph.Options{CI: true})
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	keys, list, err := key.Compute(t.Context(), fleet, g, tree)
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	if len(keys) != 240 {
		t.Errorf("%d targets of 120 images", len(keys))
	}
	deepest := 0
	for id := range keys {
		node, _ := g.Node(id)
		deepest = max(deepest, node.Wave)
	}
	if deepest != 2 {
		t.Errorf("the deepest wave is %d", deepest)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	if err := fleetgen.Write(t.TempDir()+"/new", fleetgen.Options{Images: 2}); err != nil {
		t.Fatal(err)
	}
}
