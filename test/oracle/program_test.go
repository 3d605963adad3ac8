package oracle

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// The program derives the older side of a plan from the newer one, and keeps
// what it has read between runs. Its plans are held against keys that were
// computed from each tree alone.
func TestProgramPlansWhatTheTreesSay(t *testing.T) {
	r := gittest.New(t)
	repo, err := history.Open(t.Context(), r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	b := &branches{Repo: r, repo: repo, world: paper()}
	program := enginetest.Programs(t) + "/rootfsgen"
	judged, of := 0, max(*count/2, 10)
	for i := range of {
		seed := int(*base) + *first + i
		s := samples().Example(seed)
		then, now := b.commit(t, s.then), b.commit(t, s.now)
		before, ok := b.keys(t, then)
		if !ok {
			continue
		}
		after, ok := b.keys(t, now)
		if !ok {
			continue
		}
		judged++
		want := affected(before, after)
		text, err := tool.Command{
			Name: program, Dir: r.Dir, Args: []string{"plan", "--from", then, "--to", now, "--registry-state", "off", "--format", "json"},
		}.Output(t.Context())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s.archive())
		}
		p, err := plan.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			id := e.ID()
			if _, found := after[id]; !found {
				continue // retired
			}
			if e.Key != after[id] {
				t.Fatalf("seed %d: the key of %s is %s, the plan has %s\n%s", seed, id, after[id], e.Key, s.archive())
			}
			if (e.Action == model.ActionBuild) != want[id] {
				t.Fatalf("seed %d: %s is affected: %t, the plan says %s: %v\n%s", seed, id, want[id], e.Action, e.Reasons, s.archive())
			}
		}
	}
	if judged*2 < of {
		t.Errorf("%d of %d fleets can be planned: the test says little", judged, of)
	}
}
