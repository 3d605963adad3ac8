package render_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// limitsPage is where people read the limits.
const limitsPage = "../../docs/reference/limits.md"

// TestLimitsPage keeps the page as the table of limits has it.
func TestLimitsPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Limits of the forges\n\nWhat generated pipelines can meet. `rootfsgen generate` prints how near a fleet is to those that it counts: all but *never* and *run*.\n" +
		"*Split*: more is divided among several jobs or waves, or handed on in another way. *Waves*: a graph with more becomes waves ([ADR 17](../adr/0017-layouts.md)); waves that have more, too, are an\n" +
		"error, exit code 3. *Refuse*: more is an error. *Tell*: more is said and not refused, because only some installations have the limit. *Never*: no fleet comes near, as pipelines have none of it or all have the\n" +
		"same little. *Run*: it is about when pipelines run, and generating cannot count it.\n\n" +
		"| Forge | What | Most | Where it holds | More is | Told by |\n|---|---|---|---|---|---|\n")
	for _, l := range render.Bounds {
		on := l.On
		if on == "" {
			on = "everywhere"
		}
		source := l.Source
		if strings.HasPrefix(source, "https://") {
			source = "<" + source + ">"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s |\n", l.Forge, l.What, l.Max, on, l.Does, source)
	}
	if *update {
		if err := os.WriteFile(limitsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(limitsPage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(got)); d != "" {
		t.Errorf("go test ./generator/render -run TestLimitsPage -update\n-table +page:\n%s", d)
	}
}
