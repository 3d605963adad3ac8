package fleetgen_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
)

// TestWide is a fleet of the shape that is promised: it loads without a
// complaint, is four deep, and no Dockerfile is there twice.
func TestWide(t *testing.T) {
	t.Parallel()
	w, files, seen := fleetgen.Wide{Images: 2700}, map[string]string{}, map[string]bool{}
	w.Each(func(path, content string) {
		files[path] = content
		if strings.HasSuffix(path, "/Dockerfile") {
			seen[content] = true
		}
	})
	tree := history.Memory(files)
	fleet, list, err := source.Load(t.Context(), tree, source.Options{})
	if err != nil || len(list) > 0 || len(fleet.Images) != w.Images || len(seen) != w.Images {
		t.Fatalf("%v, %v, %d images, %d Dockerfiles", err, list, len(fleet.Images), len(seen))
	}
	g, list, err := graph.Build(t.Context(), fleet, tree, graph.Options{CI: true})
	if err != nil || len(list) > 0 {
		t.Fatal(err, list)
	}
	targets := g.Targets()
	last, _ := g.Node(targets[len(targets)-1])
	if last.Wave != 3 || len(g.Children(targets[0])) != fleetgen.Fan {
		t.Errorf("%d waves, %d children", last.Wave+1, len(g.Children(targets[0])))
	}
	if files[w.Edited()] == "" {
		t.Errorf("%s is not there", w.Edited())
	}
}

// TestImport gives git two commits.
func TestImport(t *testing.T) {
	t.Parallel()
	w := fleetgen.Wide{Images: 3}
	for _, tree := range []func(func(path, content string)){w.Each, w.Packages} {
		var b bytes.Buffer
		if err := w.Import(&b, tree); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\nM 100644 inline images/"); n != 3*5+1 {
			t.Errorf("%d files", n)
		}
	}
}
