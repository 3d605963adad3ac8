package oracle

import (
	"fmt"
	"maps"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// settled is what of an edit leaves the same files there, and those that say
// what the fleet is: only then can a part of it be planned.
func settled(then, now files) files {
	out := maps.Clone(then)
	for p, f := range then {
		other, found := now[p]
		if found && other.Mode == f.Mode && !strings.HasSuffix(p, ".yaml") && p != "images.lock" {
			out[p] = other
		}
	}
	return out
}

// difference is what a part is found by, as a plan finds it out.
func difference(t *rapid.T, then, now *side) graph.Difference {
	plain := map[string]*dockerfile.Plain{}
	var d graph.Difference
	for _, e := range now.tree.Entries() {
		old, _ := then.tree.Lookup(e.Path)
		if old != e {
			d.Paths = append(d.Paths, e.Path)
		}
		if !strings.Contains(path.Base(e.Path), "ockerfile") {
			continue
		}
		text, err := now.tree.Read(t.Context(), e.Path)
		if err != nil {
			t.Fatal(err)
		}
		if p, isPlain := dockerfile.ReadPlain(text); isPlain {
			plain[e.OID] = p
		}
		if text, err = then.tree.Read(t.Context(), e.Path); err != nil {
			t.Fatal(err)
		}
		if old != e {
			d.Older = append(d.Older, text)
		}
	}
	d.Plain = func(oid string) *dockerfile.Plain { return plain[oid] }
	return d
}

// What an edit affects is in the part that a plan resolves, whatever the
// constructs, and has there the key that it has in the whole fleet.
func TestAffectedIsInThePart(t *testing.T) {
	t.Parallel()
	w := paper()
	parts, affects, of := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := samples().Draw(t, "sample")
		for i := range 3 { // of which an edit of the others can concern none
			dir := fmt.Sprintf("images/plain%d", i)
			s.then.put(dir+"/Dockerfile", rapid.SampledFrom([]string{"FROM scratch\nCOPY x /\n", "FROM base\n", "FROM tool AS t\nFROM scratch\nCOPY --from=t /a /b\n"}).Draw(t, "plain"))
			s.then.put(dir+"/x", "x\n")
		}
		s.now = settled(s.then, s.now)
		then, before := w.digests(t, s.then)
		now, after := w.digests(t, s.now)
		fleet, _, err := source.Load(t.Context(), after.tree, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		of++
		part, err := graph.PartOf(t.Context(), fleet, after.tree, graph.NewCache(), difference(t, before, after))
		if err != nil || part == nil {
			return
		}
		changed := affected(then, now)
		for id := range changed {
			if _, found := part.Fleet.Node(id); !found {
				t.Fatalf("%s is affected and left out of the part:\n%s", id, s.archive())
			}
		}
		g, list, err := graph.Build(t.Context(), part.Fleet, after.tree, graph.Options{Among: fleet})
		if err != nil || list.HasErrors() {
			t.Fatal(list, err)
		}
		if !g.Closed() {
			return // then all is loaded
		}
		keys, _, err := key.Compute(t.Context(), part.Fleet, g, after.tree)
		if err != nil {
			t.Fatal(err)
		}
		for id, k := range keys {
			if now[id] != k.Digest {
				t.Fatalf("%s has another key in the part:\n%s", id, s.archive())
			}
		}
		if part.Apart() > 0 {
			parts++
			if len(changed) > 0 {
				affects++
			}
		}
	})
	t.Logf("%d of %d are planned in part, %d with something affected", parts, of, affects)
	if affects*20 < of {
		t.Errorf("only %d of %d plans in part affect something: the test says little", affects, of)
	}
}
