package gencmd

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/tree"
)

func finishGenerate(a *app.App, o *generateOptions, root *os.Root, changes []tree.Change, kept []string, limits []render.Limit) error {
	for _, name := range kept {
		a.Log.Info(name + " is your own and stays as it is")
		if name == render.GitLabFile {
			a.Log.Info("it must have these lines:\n" + render.IncludeLines())
		}
	}
	writes := !o.check && !o.diff
	if writes {
		if err := tree.Apply(root, changes); err != nil {
			return err
		}
	}
	var err error
	switch {
	case a.JSON:
		err = printJSON(a, generatedOf(o, writes, changes, kept, limits))
	case writes:
		err = printWritten(a, root, changes, limits)
	default:
		err = printDifferences(a, o, changes)
	}
	if err != nil || !o.check || len(changes) == 0 {
		return err
	}
	for _, c := range changes {
		if c.Kind == tree.Foreign { // which generating would not repair
			return app.Fail(app.ExitDrift, &tree.ForeignError{Path: c.Path})
		}
	}
	return app.Fail(app.ExitDrift, fmt.Errorf("%d files differ from what is generated: run \"rootfsgen generate\" and commit what it writes", len(changes)))
}

// generated is the result of `generate --json`.
type generated struct {
	Written bool          `json:"written"` // false with --check and --diff
	Changes []changeJSON  `json:"changes"` // sorted by path
	Kept    []string      `json:"kept"`    // people's own files, which stay as they are
	Limits  []limitReport `json:"limits"`
}

type changeJSON struct {
	Path string    `json:"path"`
	Kind tree.Kind `json:"kind"`
	Diff string    `json:"diff,omitempty"` // with --diff
}

type limitReport struct {
	Forge string `json:"forge"`
	What  string `json:"what"`
	Where string `json:"where,omitempty"`
	Used  int    `json:"used"`
	Max   int    `json:"max"`
}

func generatedOf(o *generateOptions, writes bool, changes []tree.Change, kept []string, limits []render.Limit) generated {
	g := generated{Written: writes, Changes: []changeJSON{}, Kept: append([]string{}, kept...), Limits: []limitReport{}}
	for _, c := range changes {
		j := changeJSON{Path: c.Path, Kind: c.Kind}
		if o.diff {
			j.Diff = string(c.Diff())
		}
		g.Changes = append(g.Changes, j)
	}
	for _, l := range limits {
		g.Limits = append(g.Limits, limitReport{Forge: l.Forge, What: l.What, Where: l.Where, Used: l.Used, Max: l.Max})
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

func printWritten(a *app.App, root *os.Root, changes []tree.Change, limits []render.Limit) error {
	for _, c := range changes {
		verb := "wrote"
		if c.New == nil {
			verb = "removed"
		}
		if _, err := fmt.Fprintln(a.Out, verb, c.Path); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		a.Log.Info("every file below " + filepath.ToSlash(root.Name()) + " is as it is generated")
	}
	for _, l := range limits {
		a.Log.Info(l.String())
	}
	return nil
}
