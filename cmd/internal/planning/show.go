package planning

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// Formats are the forms in which a plan can be written.
func Formats() []string { return []string{"text", "json", "markdown", "github", "gitlab"} }

// Write writes the plan: a table (text), plan.json (json), a comment for a
// request (markdown), annotations (github) or a section that folds (gitlab).
// person tells whether one reads the text; a program has a line for each
// target. all also lists what has nothing to do.
func Write(w io.Writer, p *model.Plan, format string, person, all bool) error {
	switch format {
	case "json":
		return plan.EncodeTo(w, p)
	case "markdown":
		_, err := io.WriteString(w, Markdown(p, CommentBytes))
		return err
	case "github":
		return writeNotices(w, p, all, nil)
	case "gitlab":
		return writeSection(w, p, all)
	}
	if !person {
		return writeLines(w, p, all)
	}
	if err := writeTable(w, p, all); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, Summary(p, Unlisted(all)))
	return err
}

// WriteWith is Write by a session that the plan was made of, or of the same
// commit: it can tell the lines that annotations stand at.
func (s *Session) WriteWith(ctx context.Context, w io.Writer, p *model.Plan, format string, person, all bool) error {
	if format == "github" {
		return writeNotices(w, p, all, s.places(ctx, p))
	}
	return Write(w, p, format, person, all)
}

// Unlisted says where the images are that a table leaves out.
func Unlisted(all bool) string {
	if all {
		return ""
	}
	return " (-v lists them)"
}

// writeLines is the table for programs: a line for each target.
func writeLines(w io.Writer, p *model.Plan, all bool) error {
	merging := merging(p)
	t := term.NewTable()
	for i := range p.Entries {
		e := &p.Entries[i]
		pending := steps(e, merging)
		if idle(e, pending) && !all {
			continue
		}
		t.Row(e.ID().Node(), e.Platform.String(), string(e.Action), strings.Join(pending, " "), because(e.Reasons))
	}
	return t.Write(w, false)
}

// writeTable is the table for people: platforms that go the same way share a
// line. It is empty when there is nothing to show.
func writeTable(w io.Writer, p *model.Plan, all bool) error {
	rows := rowsOf(p)
	t := term.NewTable("IMAGE", "PLATFORM", "ACTION", "STEPS", "BECAUSE")
	shown := 0
	for i := range rows {
		r := &rows[i]
		if r.idle && !all {
			continue
		}
		shown++
		t.Row(r.node, strings.Join(r.platforms, " "), string(r.action), strings.Join(r.steps, " "), because(r.reasons))
	}
	if shown == 0 {
		return nil
	}
	return t.Write(w, true)
}

// row is the targets of one node to which the same happens.
type row struct {
	id        model.TargetID // of the first of them
	node      string
	platforms []string
	action    model.Action
	steps     []string
	wave      int
	reasons   []model.Reason // of the first of them
	idle      bool           // nothing runs, and nothing goes
}

// rowsOf are the rows of a plan, in its order. The keys of parents differ by
// platform, so reasons are compared without them.
func rowsOf(p *model.Plan) []row {
	merging := merging(p)
	var rows []row
	for i := range p.Entries {
		e := &p.Entries[i]
		pending := steps(e, merging)
		node := e.ID().Node()
		at := len(rows) // platforms of a node stand beside each other
		for j := at - 1; j >= 0 && rows[j].node == node; j-- {
			if r := &rows[j]; r.action == e.Action && slices.Equal(r.steps, pending) && alike(r.reasons, e.Reasons) {
				at = j
			}
		}
		if at == len(rows) {
			rows = append(rows, row{id: e.ID(), node: node, action: e.Action, steps: pending, wave: e.Wave, reasons: e.Reasons, idle: idle(e, pending)})
		}
		rows[at].platforms = append(rows[at].platforms, e.Platform.String())
	}
	return rows
}

// alike tells whether two targets have the same reasons but for what differs
// by platform: digests, and the name of what is new.
func alike(a, b []model.Reason) bool {
	return slices.EqualFunc(a, b, func(x, y model.Reason) bool {
		return x.Kind == y.Kind && x.Path == y.Path && (x.Name == y.Name || x.Kind == model.ReasonNew) && x.Detail == y.Detail
	})
}

// idle tells whether nothing happens to an entry.
func idle(e *model.Entry, pending []string) bool {
	return e.Action == model.ActionNone && len(pending) == 0
}

// Summary is one line about the whole plan. hint follows the number of images
// that nothing happens to.
func Summary(p *model.Plan, hint string) string {
	if len(p.Entries)+p.Idle == 0 {
		return "There is nothing to plan."
	}
	c := tally(p)
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, count(n, "image")+" "+what)
		}
	}
	if c.build > 0 {
		parts = append(parts, fmt.Sprintf("%s to build (%s in %s)", count(c.build, "image"), count(c.targets, "target"), count(c.waves, "wave")))
	}
	add(c.reuse, "to reuse")
	add(c.test, "to test only")
	add(c.merge, "to merge only")
	add(c.retire, "retired")
	add(c.untested, "untested")
	if len(parts) == 0 {
		return "Nothing to do: " + count(c.idle, "image") + " unchanged" + since(p) + hint + "."
	}
	if c.idle > 0 {
		parts = append(parts, count(c.idle, "image")+" unchanged"+hint)
	}
	return strings.Join(parts, ", ") + "."
}

// counts are the images of a plan by what happens to them; one whose platforms
// go different ways counts once, by what is most work.
type counts struct {
	build, reuse, test, merge, retire, idle int
	untested                                int // of any of these
	targets, waves                          int // that are built
}

func tally(p *model.Plan) counts {
	const (
		idles = iota
		untests
		retires
		merges
		tests
		reuses
		builds
	)
	merging := merging(p)
	class := map[string]int{}
	waves := map[int]bool{}
	untested := map[string]bool{}
	var c counts
	for i := range p.Entries {
		e := &p.Entries[i]
		n := idles
		switch pending := steps(e, merging); {
		case e.Action == model.ActionBuild:
			n = builds
			c.targets++
			waves[e.Wave] = true
		case e.Action == model.ActionReuse:
			n = reuses
		case e.Action == model.ActionRetire:
			n = retires
		case e.Steps[model.StepTest] == model.StepRun:
			n = tests
		case e.Steps[model.StepTest] == model.StepUntested:
			n = untests
		case len(pending) > 0:
			n = merges
		}
		node := e.ID().Node()
		class[node] = max(class[node], n)
		if e.Steps[model.StepTest] == model.StepUntested {
			untested[node] = true
		}
	}
	c.waves, c.untested, c.idle = len(waves), len(untested), p.Idle
	for _, n := range class {
		*[]*int{&c.idle, new(int), &c.retire, &c.merge, &c.test, &c.reuse, &c.build}[n]++
	}
	return c
}

func since(p *model.Plan) string {
	if p.From == nil {
		return ""
	}
	return " since " + plain(plan.RefName(*p.From))
}

// merging are the nodes whose index is still to be made.
func merging(p *model.Plan) map[model.TargetID]bool {
	out := map[model.TargetID]bool{}
	for _, x := range p.Indexes {
		if x.Action == model.StepRun {
			out[model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}] = true
		}
	}
	return out
}

// steps are what is still to run for an entry, in order.
func steps(e *model.Entry, merging map[model.TargetID]bool) []string {
	var out []string
	for _, step := range []string{model.StepBuild, model.StepTest} {
		if e.Steps[step] == model.StepRun {
			out = append(out, step)
		}
	}
	if e.Steps[model.StepTest] == model.StepUntested {
		out = append(out, model.StepUntested)
	}
	if e.Action != model.ActionRetire && merging[e.ID().AllPlatforms()] {
		out = append(out, model.StepMerge)
	}
	return out
}

// because is the first of an entry's reasons, and how many follow.
func because(reasons []model.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	first := Short(reasons[0])
	more := 0
	for _, r := range reasons[1:] {
		if Short(r) != first {
			more++
		}
	}
	if more == 0 {
		return first
	}
	return fmt.Sprintf("%s; %d more", first, more)
}
