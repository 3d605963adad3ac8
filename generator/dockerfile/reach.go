package dockerfile

import (
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// scratch is the empty image.
const scratch = "scratch"

// dependency is a stage or an image that an instruction takes files from.
type dependency struct {
	stage int    // -1 for an image
	image string // of an image; empty for none
}

// reach marks the stages that the target needs, itself among them. Those that
// only a trigger needs come after all others: BuildKit finds them late.
func (r *resolver) reach(target int) {
	r.mark(target)
	for len(r.pending) > 0 {
		next := r.pending[0]
		r.pending, r.late = r.pending[1:], true
		r.mark(next)
	}
}

func (r *resolver) mark(i int) {
	s := r.stages[i]
	if s.reached {
		return
	}
	s.reached, s.late = true, r.late
	if s.parent >= 0 {
		r.mark(s.parent)
	}
	r.inherit(s)
	if s.body = s.stage.body; len(s.onBuild) > 0 {
		s.body = append(r.triggers(s), s.stage.body...)
	}
	s.deps = make([][]dependency, 0, len(s.body))
	for _, in := range s.body {
		deps := r.dependencies(i, in)
		s.deps = append(s.deps, deps)
		for _, d := range deps {
			switch {
			case d.stage < 0:
			case in.trigger:
				r.pending = append(r.pending, d.stage)
			default:
				r.mark(d.stage)
			}
		}
	}
}

// inherit finds what the stage's base gives to it.
func (r *resolver) inherit(s *resolvedStage) {
	switch {
	case s.parent >= 0:
		for _, in := range r.stages[s.parent].stage.body {
			if cmd, isTrigger := in.cmd.(*instructions.OnbuildCommand); isTrigger {
				s.onBuild = append(s.onBuild, cmd.Expression)
			}
		}
	case s.context == "" && (s.base == scratch || s.base == ""):
		s.configKnown = true
	default:
		r.config(s)
	}
}

// config asks for what the image of a stage gives to it. A folder gives nothing.
func (r *resolver) config(s *resolvedStage) {
	ref := Ref{Name: s.base, Platform: s.platform, Kind: RefFrom, Pos: r.file.fromPos(s.stage)}
	if s.context != "" {
		ref.Under, ref.Name = s.context, r.contexts[s.context]
		if _, isFolder := folderContext(ref.Name); isFolder {
			s.configKnown = true
			return
		}
	}
	var err error
	if ref.Named, err = r.file.named(ref.Name); err != nil || r.o.BaseConfig == nil {
		return // what is no reference is reported with the others
	}
	s.config, s.configKnown = r.o.BaseConfig(ref)
	s.onBuild = s.config.OnBuild
}

// triggers are the ONBUILD instructions of the stage's base. One that cannot
// be parsed may read anything.
func (r *resolver) triggers(s *resolvedStage) []instruction {
	var out []instruction
	for _, expression := range s.onBuild {
		result, err := parseTree([]byte(expression))
		if err != nil || len(result.AST.Children) != 1 {
			r.out.Whole = true
			continue
		}
		node := result.AST.Children[0]
		parsed, err := parseInstruction(node)
		cmd, isCommand := parsed.(instructions.Command)
		if err != nil || !isCommand {
			r.out.Whole = true
			continue
		}
		out = append(out, instruction{node: statement{node, s.node.StartLine, s.node.EndLine}, cmd: cmd, trigger: true})
	}
	return out
}

// dependencies are what an instruction of stage i takes files from, by
// COPY --from or by its mounts, in their order.
func (r *resolver) dependencies(i int, in instruction) []dependency {
	pos := r.file.pos(in.node)
	switch cmd := in.cmd.(type) {
	case *instructions.CopyCommand:
		if cmd.From == "" {
			return nil
		}
		if strings.Contains(cmd.From, "$") {
			r.mistake(RuleRef, pos, "name the image in a stage of its own: FROM "+cmd.From+" AS name", "COPY --from cannot have variables")
			return nil
		}
		if n, err := strconv.Atoi(cmd.From); err == nil {
			return []dependency{r.byIndex(i, n, pos)}
		}
		return []dependency{r.byName(i, cmd.From, pos)}
	case *instructions.RunCommand:
		var out []dependency
		for _, m := range r.file.mounts(cmd) {
			d := dependency{stage: -1}
			if m.From != "" {
				d = r.byName(i, m.From, pos)
			}
			out = append(out, d)
		}
		return out
	}
	return nil
}

func (r *resolver) byIndex(i, n int, pos diag.Pos) dependency {
	switch {
	case n < 0 || n >= len(r.stages):
		r.tooLate(pos, "there is no stage "+strconv.Itoa(n))
	case r.isLate(i, n):
		r.tooLate(pos, "stage "+strconv.Itoa(n)+" is not built before this one")
	default:
		return dependency{stage: n}
	}
	return dependency{stage: -1}
}

// byName is a stage or, where none has the name, an image.
func (r *resolver) byName(i int, name string, pos diag.Pos) dependency {
	n, found := r.names[strings.ToLower(name)]
	switch {
	case !found && name == scratch:
		return dependency{stage: -1}
	case !found:
		return dependency{stage: -1, image: name}
	case r.isLate(i, n):
		r.tooLate(pos, "stage "+strconv.Quote(name)+" is not built before this one")
		return dependency{stage: -1}
	}
	return dependency{stage: n}
}

// isLate tells whether stage n is not there yet when stage i is built. What
// takes the place of a stage is there from the beginning, and nothing is copied
// into a stage whose place is taken.
func (r *resolver) isLate(i, n int) bool {
	return n == i || n > i && !r.stages[n].replaced && !r.stages[i].replaced
}

func (r *resolver) tooLate(pos diag.Pos, message string) {
	r.mistake(RuleStage, pos, "files come from stages further up, or from images", "%s", message)
}
