package planning

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// Formats are the forms in which a plan can be written.
func Formats() []string { return []string{"text", "json", "github", "gitlab", "markdown"} }

// Write writes the plan: a table (text), plan.json (json), a notice for each
// image (github), a section that folds (gitlab) or a table for a comment
// (markdown). all also lists what has nothing to do.
func Write(w io.Writer, p *model.Plan, format string, person, all bool) error {
	switch format {
	case "json":
		b, err := plan.Encode(p)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "markdown":
		return writeMarkdown(w, p)
	case "github":
		return writeNotices(w, p)
	case "gitlab":
		return writeSection(w, p)
	}
	return writeTable(w, p, person, all)
}

func writeTable(w io.Writer, p *model.Plan, person, all bool) error {
	t := term.NewTable("IMAGE", "PLATFORM", "ACTION", "STEPS", "BECAUSE")
	merging := merging(p)
	idle := 0
	for i := range p.Entries {
		e := &p.Entries[i]
		if person && !all && e.Action == model.ActionNone && len(steps(e, merging)) == 0 {
			idle++
			continue
		}
		t.Row(e.ID().Node(), e.Platform.String(), string(e.Action), strings.Join(steps(e, merging), " "), because(e))
	}
	if idle < len(p.Entries) {
		if err := t.Write(w, person); err != nil {
			return err
		}
	}
	if !person {
		return nil
	}
	_, err := fmt.Fprintln(w, summary(p, idle))
	return err
}

// summary is one line about the whole plan.
func summary(p *model.Plan, hidden int) string {
	n := map[model.Action]int{}
	test := 0
	for i := range p.Entries {
		e := &p.Entries[i]
		n[e.Action]++
		if e.Steps[model.StepBuild] == model.StepDone && e.Steps[model.StepTest] == model.StepRun {
			test++
		}
	}
	if len(p.Entries) == 0 {
		return "There is nothing to plan."
	}
	parts := []string{}
	for _, c := range []struct {
		n    int
		what string
	}{
		{n[model.ActionBuild], "to build"}, {n[model.ActionReuse], "to reuse"}, {test, "to test only"}, {n[model.ActionRetire], "retired"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("Nothing to do: all %d targets are as they were%s.", len(p.Entries), since(p))
	}
	s := strings.Join(parts, ", ")
	if hidden > 0 {
		s += fmt.Sprintf(", %d unchanged (-v lists them)", hidden)
	}
	return s
}

func since(p *model.Plan) string {
	if p.From == nil {
		return ""
	}
	return " at " + p.From.Ref
}

// merging are the nodes whose index is still to be made.
func merging(p *model.Plan) map[string]bool {
	out := map[string]bool{}
	for _, x := range p.Indexes {
		if x.Action == model.StepRun {
			out[model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}.Node()] = true
		}
	}
	return out
}

// steps are what is still to run for an entry, in order.
func steps(e *model.Entry, merging map[string]bool) []string {
	out := []string{}
	for _, step := range []string{model.StepBuild, model.StepTest} {
		if e.Steps[step] == model.StepRun {
			out = append(out, step)
		}
	}
	if e.Action != model.ActionRetire && merging[e.ID().Node()] {
		out = append(out, model.StepMerge)
	}
	return out
}

// because is the reasons of an entry in one cell.
func because(e *model.Entry) string {
	const shown = 2
	var out []string
	for _, r := range e.Reasons {
		out = append(out, Short(r))
	}
	out = slices.Compact(out)
	if len(out) > shown+1 {
		out = append(out[:shown], fmt.Sprintf("%d more", len(out)-shown))
	}
	return strings.Join(out, "; ")
}

// Short is a reason in a few words.
func Short(r model.Reason) string {
	subject := r.Path
	if subject == "" {
		subject = r.Name
	}
	switch r.Kind {
	case model.ReasonNew:
		if r.Detail == "" {
			return "new"
		}
		return "new: " + r.Detail
	case model.ReasonRegistry, model.ReasonRemoved:
		if r.Path == "" && r.Detail != "" {
			return r.Detail
		}
	case model.ReasonForced:
		return "forced"
	}
	if subject == "" {
		return strings.TrimSpace(r.Kind + " " + r.Detail)
	}
	return r.Kind + " " + subject
}

func writeMarkdown(w io.Writer, p *model.Plan) error {
	var b strings.Builder
	merging := merging(p)
	rows, idle := 0, 0
	for i := range p.Entries {
		e := &p.Entries[i]
		pending := steps(e, merging)
		if e.Action == model.ActionNone && len(pending) == 0 {
			idle++
			continue
		}
		if rows == 0 {
			b.WriteString("| image | platform | action | steps | because |\n|---|---|---|---|---|\n")
		}
		rows++
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(e.ID().Node()), e.Platform, e.Action, strings.Join(pending, ", "), cell(because(e)))
	}
	if rows > 0 {
		b.WriteString("\n")
	}
	b.WriteString(strings.Replace(summary(p, idle), " (-v lists them)", "", 1) + "\n")
	for _, n := range p.Notes {
		b.WriteString("\n> " + cell(n) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps what people wrote from becoming markup.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "`", "\\`", "<", "&lt;", "\n", " ", "\r", " ", "*", `\*`, "_", `\_`, "[", `\[`, "@", "@\u200b").Replace(s)
}

func writeNotices(w io.Writer, p *model.Plan) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	merging := merging(p)
	for i := range p.Entries {
		e := &p.Entries[i]
		pending := steps(e, merging)
		if e.Action == model.ActionNone && len(pending) == 0 {
			continue
		}
		line := fmt.Sprintf("%s: %s", e.ID(), e.Action)
		if len(pending) > 0 {
			line += " (" + strings.Join(pending, ", ") + ")"
		}
		if why := because(e); why != "" {
			line += ": " + why
		}
		if _, err := fmt.Fprintf(w, "::notice title=plan::%s\n", data.Replace(line)); err != nil {
			return err
		}
	}
	for _, n := range p.Notes {
		if _, err := fmt.Fprintf(w, "::notice title=plan::%s\n", data.Replace(n)); err != nil {
			return err
		}
	}
	return nil
}

// writeSection folds the table in a job's log; the time is none, as only its
// difference to the end's is shown.
func writeSection(w io.Writer, p *model.Plan) error {
	if _, err := io.WriteString(w, "\x1b[0Ksection_start:0:rootfsgen_plan\r\x1b[0KPlan\n"); err != nil {
		return err
	}
	if err := writeTable(w, p, true, true); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\x1b[0Ksection_end:0:rootfsgen_plan\r\x1b[0K\n")
	return err
}
