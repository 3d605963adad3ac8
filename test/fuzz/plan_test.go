package fuzz

import (
	"bytes"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// small is the plan of two images.
func small(f *testing.F) []byte {
	f.Helper()
	tree := history.Memory(map[string]string{
		"images/a/Dockerfile": "FROM scratch\nCOPY x /\n", "images/a/x": "x", "images/a/image.yaml": "arch: amd64\n",
		"images/b/Dockerfile": "FROM a\n", "images/b/image.yaml": "arch: amd64\ntests:\n  - {name: t, cmd: \"true\"}\n",
	})
	fleet, list, err := source.Load(f.Context(), tree, source.Options{})
	if err != nil || list.HasErrors() {
		f.Fatal(err, list)
	}
	g, list, err := graph.Build(f.Context(), fleet, tree, graph.Options{})
	if err != nil || list.HasErrors() {
		f.Fatal(err, list)
	}
	keys, list, err := key.Compute(f.Context(), fleet, g, tree)
	if err != nil || list.HasErrors() {
		f.Fatal(err, list)
	}
	now := &plan.Snapshot{Revision: model.Revision{Ref: "HEAD", Tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}, Fleet: fleet, Graph: g, Keys: keys}
	p, err := plan.Make(nil, now, model.RegistryState{}, plan.Request{Scope: model.ScopeTesting, Prefix: "r.example.com/t", Date: "2026.11.21"})
	if err != nil {
		f.Fatal(err)
	}
	text, err := plan.Encode(p)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

func FuzzPlan(f *testing.F) {
	f.Add(small(f))
	f.Add([]byte(`{"version": 1}`))
	f.Add([]byte(`{"version": 1, "scope": "pr", "registry": "known", "entries": [{}], "indexes": null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := plan.Decode(b)
		if err != nil {
			return
		}
		once, err := plan.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := plan.Decode(once)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		twice, err := plan.Encode(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("two writings differ: %v\n%s\n%s", err, once, twice)
		}
		if _, err := plan.Decode(bytes.Replace(once, []byte("{"), []byte(`{"no_such_key": 1,`), 1)); err == nil {
			t.Error("a key that nothing knows is taken")
		}
	})
}
