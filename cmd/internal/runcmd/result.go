package runcmd

import (
	"encoding/json"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// row is one line of a run's result.
type row struct {
	Image    string       `json:"image"`
	Platform string       `json:"platform,omitempty"` // empty for an index
	Action   string       `json:"action"`
	Seconds  float64      `json:"seconds"`
	Digest   model.Digest `json:"digest,omitempty"`
	Tag      string       `json:"tag,omitempty"` // of an index: its version
	Why      string       `json:"why,omitempty"`

	shown string // Seconds, for a table
}

const (
	leftOut = "left out"
	retired = "retired"
)

// rows are the lines of a result: each image's platforms, then its index.
func rows(p *model.Plan, r walk.Result, except []string) []row {
	called := p.Called()
	var out []row
	for n, o := range r.Targets {
		out = append(out, outcome(o, called))
		if last := n+1 == len(r.Targets) || r.Targets[n+1].Target.Node() != o.Target.Node(); !last {
			continue
		}
		for _, i := range r.Indexes {
			if i.Target.Node() == o.Target.Node() && (i.Action != walk.None || i.Version != "") {
				out = append(out, outcome(i, called))
			}
		}
	}
	for n := range p.Entries {
		if e := &p.Entries[n]; e.Action == model.ActionRetire {
			out = append(out, row{Image: called(e.ID()), Platform: e.Platform.String(), Action: retired, Why: "it is no longer in the fleet"})
		}
	}
	if len(except) > 0 {
		for _, node := range p.LeftOut {
			image, _, _ := strings.Cut(node, ":")
			why := "built from what --except names"
			for _, e := range except {
				if e == image || e == node {
					why = "--except " + e
				}
			}
			out = append(out, row{Image: image, Action: leftOut, Why: why})
		}
	}
	return out
}

func outcome(o walk.Outcome, called func(model.TargetID) string) row {
	r := row{
		Image: called(o.Target), Platform: o.Target.Platform.String(), Action: o.Action, Seconds: o.Took.Seconds(),
		Digest: o.Digest, Tag: o.Version, Why: o.Why,
	}
	if o.Took > 0 {
		r.shown = seconds(o.Took)
	}
	return r
}

// printResult prints what became of everything.
func printResult(a *app.App, p *model.Plan, r walk.Result, except []string) error {
	list := rows(p, r, except)
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "results": append([]row{}, list...)})
	}
	heading := []string{"IMAGE", "PLATFORM", "ACTION", "SECONDS", "DIGEST"}
	for _, l := range list {
		if note(l) != "" || !a.OutTTY {
			heading = append(heading, "WHY")
			break
		}
	}
	t := term.NewTable(heading...)
	for _, l := range list {
		cells := []string{l.Image, l.Platform, l.Action, l.shown, digestFor(a, l.Digest)}
		if len(heading) == 6 {
			cells = append(cells, note(l))
		}
		t.Row(cells...)
	}
	return t.Write(a.Out, a.OutTTY)
}

// note is what the last column says: one line.
func note(r row) string {
	if r.Tag != "" && r.Why == "" {
		return "as " + r.Tag
	}
	first, _, _ := strings.Cut(strings.TrimSpace(r.Why), "\n")
	const longest = 120
	if line := []rune(first); len(line) > longest {
		return string(line[:longest-3]) + "..."
	}
	return first
}
