package oracle

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// The laws hold for the same fleets that BuildKit judges, and need no engine.

// digests are the keys of a tree's targets. It ends the test when the tree
// cannot be planned.
func (w *world) digests(t *rapid.T, f files) (map[model.TargetID]model.Digest, *side) {
	s, err := w.load(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.list) > 0 {
		t.SkipNow()
	}
	return digestsOf(s.keys), s
}

func digestsOf(keys map[model.TargetID]*key.Key) map[model.TargetID]model.Digest {
	out := map[model.TargetID]model.Digest{}
	for id, k := range keys {
		out[id] = k.Digest
	}
	return out
}

// affected are the targets that are new or have another key.
func affected(then, now map[model.TargetID]model.Digest) map[model.TargetID]bool {
	out := map[model.TargetID]bool{}
	for id, k := range now {
		if then[id] != k {
			out[id] = true
		}
	}
	return out
}

// reordered is a tree whose files mean the same and are written in another
// order: the maps of image.yaml, and its lists where order has no meaning.
func reordered(f files) files {
	out := maps.Clone(f)
	for p, file := range f {
		if path.Base(p) != "image.yaml" {
			continue
		}
		var blocks []string
		for line := range strings.Lines(strings.Replace(file.Content, "arch: amd64\n", "arch: [arm64, amd64]\n", 1)) {
			switch {
			case strings.HasPrefix(line, " ") && strings.HasPrefix(strings.TrimSpace(line), "-"):
				blocks[len(blocks)-1] += line // of tests, whose order counts
			case strings.HasPrefix(line, " "):
				head, rest, _ := strings.Cut(blocks[len(blocks)-1], "\n")
				blocks[len(blocks)-1] = head + "\n" + line + rest
			default:
				blocks = append(blocks, line)
			}
		}
		slices.Reverse(blocks)
		file.Content = strings.Join(blocks, "")
		out[p] = file
	}
	return out
}

// skipIfRead leaves out fleets that copy what describes them: there its bytes count.
func (s *side) skipIfRead(t *rapid.T) {
	for _, k := range s.keys {
		for _, l := range k.Form() {
			if strings.HasSuffix(l.Path, ".yaml") && l.Kind == key.LineFile {
				t.SkipNow()
			}
		}
	}
}

func TestOrderOfInputNeverMatters(t *testing.T) {
	t.Parallel()
	w := paper()
	rapid.Check(t, func(t *rapid.T) {
		s := samples().Draw(t, "sample")
		for p, file := range s.then { // both platforms, in the order that people write
			file.Content = strings.Replace(file.Content, "arch: amd64\n", "arch: [amd64, arm64]\n", 1)
			if path.Base(p) == "image.yaml" {
				s.then[p] = file
			}
		}
		want, side := w.digests(t, s.then)
		side.skipIfRead(t)
		other := maps.Clone(s.then)
		for p, file := range other {
			file.Content = strings.Replace(file.Content, "arch: [amd64, arm64]\n", "arch: amd64\n", 1)
			if path.Base(p) == "image.yaml" {
				other[p] = file
			}
		}
		alone, _ := w.digests(t, other)
		for id, k := range alone {
			if want[id] != k {
				t.Fatalf("the key of %s depends on what else is built:\n%s", id, s.archive())
			}
		}
		other = reordered(other)
		if got, _ := w.digests(t, other); !maps.Equal(want, got) {
			t.Fatalf("another order in image.yaml gives other keys:\n%s", s.archive())
		}
		for _, settings := range []string{
			"version: 1\nrepositories: [\"\", other.example.com/t]\nargs: {A: a, B: b}\n",
			"version: 1\nargs: {B: b, A: a}\nrepositories: [other.example.com/t, \"\"]\n",
		} {
			other.put("rootfsgen.yaml", settings)
			if got, _ := w.digests(t, other); !maps.Equal(want, got) {
				t.Fatalf("another order in rootfsgen.yaml gives other keys:\n%s", s.archive())
			}
		}
	})
}

// What is built from something new is new, in keys and in plans; a plan that
// is made again is the same bytes.
func TestAffectedIsClosedUpwards(t *testing.T) {
	t.Parallel()
	w := paper()
	rapid.Check(t, func(t *rapid.T) {
		s := samples().Draw(t, "sample")
		then, before := w.digests(t, s.then)
		now, after := w.digests(t, s.now)
		changed := affected(then, now)
		for id := range after.graph.Dependants(changed) {
			if !changed[id] {
				t.Fatalf("%s is built from something new and is not new itself:\n%s", id, s.archive())
			}
		}
		p, text := w.plan(t, before, after)
		for _, e := range p.Entries {
			if e.Action == model.ActionBuild != changed[e.ID()] {
				t.Fatalf("the plan says %s of %s, whose key changed: %t\n%s", e.Action, e.ID(), changed[e.ID()], s.archive())
			}
			if len(e.Reasons) == 0 {
				t.Fatalf("the plan gives no reason for %s", e.ID())
			}
		}
		_, again := w.digests(t, maps.Clone(s.now))
		if _, other := w.plan(t, before, again); text != other {
			t.Fatalf("the same trees gave two plans:\n%s\n%s", text, other)
		}
	})
}

// plan compares two sides without a registry.
func (w *world) plan(t *rapid.T, then, now *side) (*model.Plan, string) {
	p, err := plan.Make(then.snapshot(t, "v1"), now.snapshot(t, "HEAD"), model.RegistryState{}, plan.Request{
		Scope: model.ScopeTesting, Prefix: w.registry + "/testing", Date: "2026.11.21",
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, string(text)
}

func (s *side) snapshot(t *rapid.T, ref string) *plan.Snapshot {
	fleet, _, err := source.Load(context.Background(), s.tree, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Snapshot{
		Revision: model.Revision{Ref: ref, Commit: strings.Repeat("c", 40), Tree: strings.Repeat("d", 40)}, Fleet: fleet, Graph: s.graph, Keys: s.keys,
	}
}

// A folder that moves as it is takes its keys along; what went and came back
// is what it was.
func TestMovedFolderKeepsItsKeys(t *testing.T) {
	t.Parallel()
	w := paper()
	rapid.Check(t, func(t *rapid.T) {
		s := samples().Draw(t, "sample")
		for _, uses := range s.uses {
			if slices.Contains(uses, "context-elsewhere") || slices.Contains(uses, "named-context-folder") {
				t.SkipNow() // it can see the folder's name
			}
		}
		s.then.put("images/base/image.yaml", s.then["images/base/image.yaml"].Content+"id: base\n")
		want, _ := w.digests(t, s.then)
		moved := files{}
		for p, f := range s.then {
			if rest, found := strings.CutPrefix(p, "images/base/"); found {
				p = "images/moved/" + rest
			}
			moved[p] = f
		}
		if got, _ := w.digests(t, moved); !maps.Equal(want, got) {
			t.Fatalf("moving the folder of base changes keys:\n%s", s.archive())
		}
	})
}
