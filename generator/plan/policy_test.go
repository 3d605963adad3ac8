package plan_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestAnotherPolicyMergesAndBuildsNothing plans the same fleet under one
// policy after the other: what has passed is done, what has not is judged.
func TestAnotherPolicyMergesAndBuildsNothing(t *testing.T) {
	t.Parallel()
	now, w := snapshot("HEAD", fleet(nil)), newWorld()
	strict, lenient := model.DigestOf([]byte("strict")), model.DigestOf([]byte("lenient"))
	for _, c := range []struct {
		name   string
		policy model.Digest
		gate   string // of each entry, before it has passed
		reason string
	}{
		{"first", strict, model.StepRun, "new"},
		{"another", lenient, model.StepRun, "registry: unchanged since HEAD, and not merged yet under this scan policy"},
		{"the first again, which is known", strict, model.StepDone, "registry: unchanged since HEAD, and the registry has it"},
		{"none, as never before", "", "", "registry: unchanged since HEAD, and the registry has it"},
	} {
		then := now
		if c.name == "first" {
			then = nil
		}
		p := makePlan(t, then, now, w, plan.Request{Policy: c.policy})
		if p.Policy != c.policy {
			t.Errorf("%s: the plan has the policy %q", c.name, p.Policy)
		}
		merges := 0
		for _, x := range p.Indexes {
			if x.Action == model.StepRun {
				merges++
			}
		}
		if want := map[bool]int{true: len(p.Indexes), false: 0}[c.gate != model.StepDone]; merges != want {
			t.Errorf("%s: %d of %d indexes are to merge, want %d", c.name, merges, len(p.Indexes), want)
		}
		for _, e := range p.Entries {
			if got := e.Steps[model.StepGate]; got != c.gate {
				t.Errorf("%s: %s: the gate is %q, want %q", c.name, e.ID(), got, c.gate)
			}
			if c.name != "first" && (e.Action != model.ActionNone || e.Steps[model.StepBuild] != model.StepDone || e.Steps[model.StepTest] != model.StepDone) {
				t.Errorf("%s: %s is %s, %v", c.name, e.ID(), e.Action, e.Steps)
			}
			if got := e.Reasons[0].Kind + ": " + e.Reasons[0].Detail; !strings.HasPrefix(got, c.reason) && (c.gate != "" || e.Reasons[0].Kind == "") {
				t.Errorf("%s: %s says %q", c.name, e.ID(), got)
			}
		}
		w.run(t, p, always)
		text, err := plan.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Decode(text); err != nil {
			t.Error(err)
		}
	}
}
