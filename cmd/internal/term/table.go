package term

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table lays rows out in columns: padded and with a heading for a person,
// separated by tabs and without one for a program.
type Table struct {
	heading []string
	rows    [][]string
}

// NewTable begins a table with the given column names.
func NewTable(heading ...string) *Table { return &Table{heading: heading} }

// Row adds a row; missing cells are empty.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Write prints the table for whoever reads w.
func (t *Table) Write(w io.Writer, person bool) error {
	if !person {
		for _, r := range t.rows {
			if _, err := fmt.Fprintln(w, strings.Join(r, "\t")); err != nil {
				return err
			}
		}
		return nil
	}
	rows := append([][]string{t.heading}, t.rows...)
	widths := make([]int, len(t.heading))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, c := range r {
			b.WriteString(c)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}
