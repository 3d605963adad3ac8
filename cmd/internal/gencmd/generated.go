package gencmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/tree"
)

func finishGenerate(a *app.App, o *generateOptions, root *os.Root, found *tree.Comparison, limits []render.Limit) error {
	for _, name := range found.Own {
		a.Log.Info(name + " is your own and stays as it is")
		if name == render.GitLabFile {
			a.Log.Info("it must have these lines:\n" + render.IncludeLines())
		}
	}
	for _, e := range found.Edits {
		a.Log.Info(e.Path + " keeps an edit by hand: " + e.Lines)
	}
	writes := !o.check && !o.diff
	if writes {
		if err := tree.Apply(root, found.Changes); err != nil {
			return err
		}
	}
	var err error
	switch {
	case a.JSON:
		err = printJSON(a, generatedOf(o, writes, found, limits))
	case writes:
		err = printWritten(a, o, root, found.Changes, limits)
	default:
		err = printDifferences(a, o, found.Changes)
	}
	if err != nil {
		return err
	}
	return disagreement(o, writes, found.Changes)
}

// disagreement is why the disk does not, or did not, agree: with --check every
// difference, else what a person must decide.
func disagreement(o *generateOptions, writes bool, changes []tree.Change) error {
	var undecided []string
	for _, c := range changes {
		switch {
		case c.Kind == tree.Foreign && o.check: // which generating would not repair
			return app.Fail(app.ExitDrift, &tree.ForeignError{Path: c.Path})
		case c.Kind.Open():
			undecided = append(undecided, c.String())
		}
	}
	switch {
	case len(undecided) > 0 && (o.check || writes):
		return app.Fail(app.ExitDrift, fmt.Errorf("a person must decide on %s; resolve it and generate again, or give edits up with \"rootfsgen generate --force\"", strings.Join(undecided, ", and on ")))
	case o.check && len(changes) > 0:
		differ := fmt.Sprintf("%d files differ", len(changes))
		if len(changes) == 1 {
			differ = "1 file differs"
		}
		return app.Fail(app.ExitDrift, fmt.Errorf("%s from what is generated: run \"rootfsgen generate\" and commit what it writes", differ))
	}
	return nil
}

// generated is the result of `generate --json`.
type generated struct {
	Written bool          `json:"written"` // false with --check and --diff
	Changes []changeJSON  `json:"changes"` // sorted by path
	Kept    []string      `json:"kept"`    // people's own files, which stay as they are
	Edits   []editJSON    `json:"edits"`   // edits by hand that are kept, sorted by path
	Limits  []limitReport `json:"limits"`
}

type changeJSON struct {
	Path   string    `json:"path"`
	Kind   tree.Kind `json:"kind"`
	Detail string    `json:"detail,omitempty"`
	Line   int       `json:"line,omitempty"` // where the edit begins
	Open   bool      `json:"open,omitempty"` // a person must decide
	Diff   string    `json:"diff,omitempty"` // with --diff
}

type editJSON struct {
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
}

type limitReport struct {
	Forge string `json:"forge"`
	What  string `json:"what"`
	On    string `json:"on,omitempty"`    // the installations that have the limit, where not all have
	Where string `json:"where,omitempty"` // file, job or image that is nearest
	Used  int    `json:"used"`
	Kept  int    `json:"kept,omitempty"` // must stay free beside it, for the plan
	Max   int    `json:"max"`
	Told  string `json:"told_by"`
}

func generatedOf(o *generateOptions, writes bool, found *tree.Comparison, limits []render.Limit) generated {
	g := generated{Written: writes, Changes: []changeJSON{}, Kept: append([]string{}, found.Own...), Edits: []editJSON{}, Limits: []limitReport{}}
	for _, e := range found.Edits {
		g.Edits = append(g.Edits, editJSON{Path: e.Path, Line: e.Line})
	}
	for _, c := range found.Changes {
		j := changeJSON{Path: c.Path, Kind: c.Kind, Detail: c.Detail, Line: c.Line, Open: c.Kind.Open()}
		if o.diff {
			j.Diff = string(c.Diff())
		}
		g.Changes = append(g.Changes, j)
	}
	for _, l := range limits {
		g.Limits = append(g.Limits, limitReport{Forge: l.Forge, What: l.What, On: l.On, Where: l.Where, Used: l.Used, Kept: l.Kept, Max: l.Max, Told: l.Source})
	}
	return g
}

// printDifferences prints what would change: with --diff how, with --check
// which files and why.
func printDifferences(a *app.App, o *generateOptions, changes []tree.Change) error {
	for _, c := range changes {
		if o.diff {
			if _, err := a.Out.Write(c.Diff()); err != nil {
				return err
			}
		}
		if o.check {
			if _, err := fmt.Fprintln(a.Out, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func printWritten(a *app.App, o *generateOptions, root *os.Root, changes []tree.Change, limits []render.Limit) error {
	for _, c := range changes {
		if _, err := fmt.Fprintln(a.Out, done(c, o.force)); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		a.Log.Info("every file below " + filepath.ToSlash(root.Name()) + " is as it is generated")
	}
	if a.Verbose {
		for _, l := range limits {
			a.Log.Info(l.String())
		}
		return nil
	}
	for _, l := range nearest(limits) {
		a.Log.Info("nearest limit of " + l.String() + "; -v prints all")
	}
	return nil
}

// nearest is of each forge the limit that least is left of, of those that a
// fleet grows towards, and the first of several.
func nearest(limits []render.Limit) []render.Limit {
	var out []render.Limit
	for _, l := range limits {
		at := slices.IndexFunc(out, func(o render.Limit) bool { return o.Forge == l.Forge })
		switch {
		case l.Fixed:
		case at < 0:
			out = append(out, l)
		case l.Nearer(out[at]):
			out[at] = l
		}
	}
	return out
}

// done says what became of a file.
func done(c tree.Change, force bool) string {
	switch {
	case c.Stays():
		return "left " + c.String()
	case c.New == nil:
		return "removed " + c.Path
	case force && c.Kind == tree.Edited && c.Line > 0:
		return "wrote " + c.Path + " without the edit by hand: " + c.Detail
	case c.Kind == tree.Edited || c.Kind == tree.Conflict:
		return "wrote " + c.String()
	}
	return "wrote " + c.Path
}
