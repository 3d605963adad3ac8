package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Unset are the arguments that images of FROM need and nothing gives a value,
// sorted.
func (f *File) Unset(o Options) []string {
	r := &resolver{file: f, o: o, out: &Resolved{}, platform: o.Platform.String(), scratch: &Scratch{}}
	r.globals()
	var out []string
	for i := range f.stages {
		x := r.global.expand(f.stages[i].from.BaseName, f.escape, true)
		out = append(out, x.unknown...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Defaults are the global arguments that have a default, as it is written.
func (f *File) Defaults() map[string]string {
	out := map[string]string{}
	for _, i := range f.meta {
		cmd, isArg := i.cmd.(*instructions.ArgCommand)
		if !isArg {
			continue
		}
		for _, arg := range cmd.Args {
			if arg.Value != nil {
				out[arg.Key] = *arg.Value
			}
		}
	}
	return out
}

// Ends tells whether an argument stands in images of FROM at the very end of a
// tag that is not made of it alone, and nowhere else in them.
func (f *File) Ends(name string) bool {
	found := false
	for i := range f.stages {
		base := f.stages[i].from.BaseName
		rest, ends := strings.CutSuffix(base, "$"+name)
		if !ends {
			rest, ends = strings.CutSuffix(base, "${"+name+"}")
		}
		switch {
		case ends && strings.LastIndexByte(rest, ':') > strings.LastIndexByte(rest, '/') && !strings.HasSuffix(rest, ":") && !strings.Contains(rest, name):
			found = true
		case strings.Contains(base, name):
			return false
		}
	}
	return found
}
