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
// that folds, and beside the run a notice for each image, at the file that is
// its reason where one is. The last notice counts what does not fit.
func writeNotices(w io.Writer, p *model.Plan, all bool) error {
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
		b.WriteString(notice(&rows[i]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func notice(r *row) string {
	properties := "title=plan"
	if file := fileOf(r.reasons); file != "" && file == plain(file) {
		properties = "file=" + commandProperty.Replace(file) + "," + properties
	}
	line := fmt.Sprintf("%s (%s): %s", r.node, strings.Join(r.platforms, ", "), r.action)
	if len(r.steps) > 0 {
		line += " (" + strings.Join(r.steps, ", ") + ")"
	}
	if why := because(r.reasons); why != "" {
		line += ": " + why
	}
	return "::notice " + properties + "::" + commandData.Replace(plain(line)) + "\n"
}

// fileOf is the file that a notice stands at: of the first reason, if it is
// one and is still there.
func fileOf(reasons []model.Reason) string {
	if len(reasons) == 0 || reasons[0].Kind == model.ReasonRemoved {
		return ""
	}
	return reasons[0].Path
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
