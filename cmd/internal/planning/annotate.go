package planning

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// GitHub shows ten notices of a step and drops the others.
const notices = 10

var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeNotices is the plan in the log of a job at GitHub: the table in a group
// that folds, and beside the run a notice for each image, at the file and line
// of its reason where it has one. The last notice counts what does not fit.
func writeNotices(w io.Writer, p *model.Plan, all bool, at *placer) error {
	var b strings.Builder
	var table bytes.Buffer
	if err := writeTable(&table, p, all); err != nil {
		return err
	}
	if table.Len() > 0 {
		fmt.Fprintf(&b, "::group::Plan\n%s::endgroup::\n", table.String())
	}
	fmt.Fprintln(&b, Summary(p, ""))
	for _, n := range p.Notes {
		b.WriteString(plain(n) + "\n")
	}
	rows := slices.DeleteFunc(rowsOf(p), func(r row) bool { return r.idle })
	for i := range rows {
		if i == notices-1 && len(rows) > notices {
			fmt.Fprintf(&b, "::notice title=plan::%s\n", commandData.Replace("and "+count(len(rows)-i, "image")+" more. "+Summary(p, "")))
			break
		}
		b.WriteString(notice(&rows[i], at))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func notice(r *row, at *placer) string {
	properties, reader := "title=plan", ""
	if len(r.reasons) > 0 {
		place := at.of(r.id, r.reasons[0])
		if place.File != "" && place.File == plain(place.File) {
			properties = "file=" + commandProperty.Replace(place.File) + line(place.Line) + "," + properties
		}
		if place.Reader.Line > 0 {
			reader = "; " + place.Reader.String() + " reads it"
		}
	}
	text := fmt.Sprintf("%s (%s): %s", r.node, strings.Join(r.platforms, ", "), r.action)
	if len(r.steps) > 0 {
		text += " (" + strings.Join(r.steps, ", ") + ")"
	}
	if why := because(r.reasons); why != "" {
		text += ": " + why + reader
	}
	return "::notice " + properties + "::" + commandData.Replace(plain(text)) + "\n"
}

// line is the property that says a line, where there is one.
func line(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(",line=%d", n)
}

// writeSection folds the table in the log of a job at GitLab; the time is
// none, as only its difference to the end's is shown. What it comes to stands
// below.
func writeSection(w io.Writer, p *model.Plan, all bool) error {
	var table bytes.Buffer
	if err := writeTable(&table, p, all); err != nil {
		return err
	}
	if table.Len() > 0 {
		const section = "\x1b[0Ksection_start:0:rootfsgen_plan\r\x1b[0KPlan\n%s\x1b[0Ksection_end:0:rootfsgen_plan\r\x1b[0K\n"
		if _, err := fmt.Fprintf(w, section, table.String()); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, Summary(p, ""))
	return err
}
