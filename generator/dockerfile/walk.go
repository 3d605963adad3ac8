package dockerfile

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// walk goes through the stages that are reached, in the order of the file.
func (r *resolver) walk() {
	size := 0
	for _, s := range r.stages {
		size += 1 + len(s.body)
	}
	body := make([]string, 0, size)
	for _, s := range r.stages {
		if !s.reached {
			continue
		}
		r.from(s)
		s.env = r.beginning(s)
		body = append(body, s.shownFrom(canonicalFrom(s.stage)))
		if s.replaced {
			r.replaced(s)
			continue
		}
		for j, in := range s.body {
			if !in.trigger {
				body = append(body, s.shownText(in))
			}
			r.instruction(s, in, s.deps[j])
		}
	}
	head := r.metaInstructions()
	if r.file.escape != '\\' {
		head = slices.Insert(head, 0, "# escape="+quoted(string(r.file.escape)))
	}
	if r.out.Instructions = body; len(head) > 0 {
		r.out.Instructions = append(head, body...)
	}
}

// from notes the image that a stage begins with.
func (r *resolver) from(s *resolvedStage) {
	pos := r.file.fromPos(s.stage)
	if s.context != "" {
		r.fromContext(s, pos)
	}
	if s.replaced {
		return
	}
	for _, name := range s.used {
		r.need(name)
	}
	if r.unresolved(s.stage, pos) || s.parent >= 0 || s.base == scratch || s.context != "" {
		return
	}
	r.ref(Ref{Name: s.base, Platform: s.platform, Kind: RefFrom, Pos: pos}, s.from.BaseName, s.node)
}

// defaultPath is the PATH of a stage whose image has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// beginning is the environment before a stage's first instruction.
func (r *resolver) beginning(s *resolvedStage) *environment {
	if s.parent >= 0 {
		e := r.scratch.clone(r.stages[s.parent].env)
		// What the image has set comes before what its ARGs were at the end, so
		// these are not known if it may have set them.
		for name, v := range e.vars {
			e.vars[name] = variable{value: v.value, unknown: v.unknown || e.open}
		}
		maps.Copy(e.vars, e.image)
		return e
	}
	e := r.scratch.environment()
	e.open = !s.configKnown
	e.setAll(s.config.Env)
	if _, found := e.vars["PATH"]; !found {
		// BuildKit gives one to every stage whose image has none.
		v := variable{value: defaultPath, unknown: e.open}
		e.vars["PATH"], e.image["PATH"] = v, v
	}
	return e
}

// instruction notes what one instruction reads and sets.
func (r *resolver) instruction(s *resolvedStage, in instruction, deps []dependency) {
	pos := r.file.pos(in.node)
	switch cmd := in.cmd.(type) {
	case *instructions.ArgCommand:
		for _, arg := range cmd.Args {
			r.arg(s, arg, pos)
		}
	case *instructions.EnvCommand:
		r.setEnv(s, cmd, pos)
	case *instructions.CopyCommand:
		src := source{paths: cmd.SourcePaths, exclude: cmd.ExcludePatterns, parents: cmd.Parents}
		if len(deps) > 0 {
			src.from, src.folder, _ = r.folderOf(deps[0])
		}
		if cmd.From == "" || src.from != "" {
			r.copied(s, in, src)
		}
		r.images(s, in, RefCopy, deps)
	case *instructions.AddCommand:
		r.copied(s, in, source{paths: cmd.SourcePaths, exclude: cmd.ExcludePatterns, remote: true, checksum: cmd.Checksum})
	case *instructions.RunCommand:
		r.run(s, in, cmd, deps, pos)
		r.images(s, in, RefMount, deps)
	}
}

// images notes the images among an instruction's dependencies.
func (r *resolver) images(s *resolvedStage, in instruction, kind string, deps []dependency) {
	for _, d := range deps {
		if d.image == "" {
			continue
		}
		if _, _, isFolder := r.folderOf(d); isFolder {
			continue
		}
		ref := Ref{Name: d.image, Platform: r.platform, Kind: kind, Pos: r.file.pos(in.node)}
		if r.fromNamed(&ref) {
			r.out.Refs = append(r.out.Refs, ref)
			continue
		}
		if in.trigger {
			r.refOfTrigger(ref)
			continue
		}
		if s.late {
			r.mistake(RuleRef, ref.Pos, "name the image in a stage of its own: FROM "+d.image+" AS name",
				"BuildKit cannot be told which %s is meant in a stage that only an ONBUILD of its base uses", d.image)
		}
		flag := "from="
		if kind == RefCopy {
			flag = "--from="
		}
		if at, found := r.file.find(in.node, flag+d.image); found {
			at.Col += len(flag)
			ref.Pos = at
		}
		r.ref(ref, d.image, in.node)
	}
}

// arg does what BuildKit does with an ARG inside a stage.
func (r *resolver) arg(s *resolvedStage, arg instructions.KeyValuePairOptional, pos diag.Pos) {
	if value, found := r.given(arg.Key); found {
		r.pass(arg.Key)
		s.env.set(arg.Key, value)
		return
	}
	if arg.Value != nil {
		x := s.env.expand(*arg.Value, r.file.escape, false)
		if x.err != nil && len(x.unknown) == 0 {
			r.mistake(RuleSyntax, pos, "", "%s", message(x.err))
		}
		s.env.vars[arg.Key] = variable{value: x.text, unknown: len(x.unknown) > 0}
		return
	}
	if v, found := r.global.get(arg.Key); found {
		r.need(arg.Key)
		s.env.vars[arg.Key] = v
	}
}

// pass notes that a build argument that was given matters. The time is given
// to every build, and is a constant of the key's format.
func (r *resolver) pass(name string) {
	if name != sourceDateEpoch {
		value, _ := r.given(name)
		r.out.argument(name, value)
	}
}

func (r *resolver) setEnv(s *resolvedStage, cmd *instructions.EnvCommand, pos diag.Pos) {
	// All values of one ENV are expanded before the first is set.
	type pair struct {
		name string
		variable
	}
	set := make([]pair, 0, 4)
	for _, kv := range cmd.Env {
		key := s.env.expand(kv.Key, r.file.escape, false)
		value := s.env.expand(kv.Value, r.file.escape, false)
		for _, x := range []expansion{key, value} {
			if x.err != nil && len(x.unknown) == 0 {
				r.mistake(RuleSyntax, pos, "", "%s", message(x.err))
			}
		}
		if len(key.unknown) > 0 {
			s.env.forget()
		}
		set = append(set, pair{key.text, variable{value: value.text, unknown: len(value.unknown) > 0}})
	}
	for _, v := range set {
		s.env.vars[v.name], s.env.image[v.name] = v.variable, v.variable
	}
}

// run notes what a RUN's mounts read from the build context.
func (r *resolver) run(s *resolvedStage, in instruction, cmd *instructions.RunCommand, deps []dependency, pos diag.Pos) {
	unknown := false
	mounts, err := r.file.expandedMounts(cmd, func(word string) (string, error) {
		x := s.env.expand(word, r.file.escape, false)
		unknown = unknown || len(x.unknown) > 0
		return x.text, x.err
	})
	if err != nil && !unknown {
		r.mistake(RuleSyntax, pos, suggestion(in.node.Node, err), "%s", message(err))
		return
	}
	for i, d := range deps {
		if from, folder, isFolder := r.folderOf(d); isFolder {
			read := Read{Source: ".", From: from, Folder: folder, Pos: pos}
			if !unknown && mounts[i].Type != instructions.MountTypeTmpfs {
				read.Source = mounts[i].Source
			}
			r.read(in, read)
		}
	}
	if unknown {
		r.out.Whole = true
		return
	}
	for _, m := range mounts {
		if m.From == "" && m.Type == instructions.MountTypeBind {
			r.read(in, Read{Source: m.Source, Pos: r.file.wordPos(in.node, m.Source)})
		}
	}
}

// metaInstructions are the global arguments that matter, in the order of the
// file: those that the stages reached use, and those that their defaults use.
func (r *resolver) metaInstructions() []string {
	var out []string
	for _, i := range slices.Backward(r.file.meta) {
		cmd, isArg := i.cmd.(*instructions.ArgCommand)
		if !isArg {
			continue
		}
		matters := false
		for _, arg := range cmd.Args {
			if !r.needed[arg.Key] {
				continue
			}
			matters = true
			_, isGiven := r.given(arg.Key)
			switch {
			case isGiven:
				r.pass(arg.Key)
			case arg.Value != nil:
				for _, name := range r.global.expand(*arg.Value, r.file.escape, false).used {
					r.need(name)
				}
			}
		}
		if matters {
			out = append(out, i.canonical())
		}
	}
	slices.Reverse(out)
	return out
}

// finish fills in what is about the target as a whole.
func (r *resolver) finish(target int) {
	s := r.stages[target]
	if len(r.reads) > 0 {
		r.out.Reads = slices.Clone(r.reads)
	}
	r.out.Config.Env, r.out.ConfigKnown = s.env.config()
	own := s.stage.body
	if s.replaced {
		own = nil
	}
	for _, in := range own {
		if cmd, isTrigger := in.cmd.(*instructions.OnbuildCommand); isTrigger {
			r.out.Config.OnBuild = append(r.out.Config.OnBuild, cmd.Expression)
		}
	}
	for name := range r.needed {
		value, isPredefined := r.global.own.value(name)
		if _, isGiven := r.given(name); !isGiven && isPredefined && strings.HasPrefix(name, "BUILD") {
			r.out.argument(name, value)
		}
	}
	var declared map[string]bool
	if len(r.o.Args) > 0 {
		declared = r.file.declared()
	}
	for name, value := range r.o.Args {
		_, isPredefined := r.global.own.value(name)
		switch {
		case isReserved(name):
			r.out.Reserved = append(r.out.Reserved, name)
		case isProxy(name) || isPredefined:
			r.out.argument(name, value)
		case !declared[name]:
			r.out.Undeclared = append(r.out.Undeclared, name)
		}
	}
	r.spare()
	slices.Sort(r.out.Undeclared)
	slices.Sort(r.out.Reserved)
	r.out.Neutral = r.file.anywhere && !slices.ContainsFunc(r.stages, func(s *resolvedStage) bool {
		return slices.ContainsFunc(s.onBuild, func(trigger string) bool { return !neutral(trigger) })
	})
}

// mounts are a RUN's mounts with their variables as they are written.
func (f *File) mounts(cmd *instructions.RunCommand) []*instructions.Mount {
	f.mu.Lock()
	defer f.mu.Unlock()
	return instructions.GetMounts(cmd)
}

// expandedMounts are a RUN's mounts with their variables expanded.
func (f *File) expandedMounts(cmd *instructions.RunCommand, expand instructions.SingleWordExpander) ([]*instructions.Mount, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(instructions.GetMounts(cmd)) == 0 {
		return nil, nil
	}
	if err := cmd.Expand(expand); err != nil {
		return nil, err
	}
	return instructions.GetMounts(cmd), nil
}

// cleanSource is a source path as BuildKit looks it up, from the context's
// root, and whether it tries to leave the context: BuildKit takes "../x" for
// "x".
func cleanSource(source string) (clean string, outside bool) {
	if fs.ValidPath(source) {
		return source, false // it is clean, as most are
	}
	written := path.Clean(strings.TrimLeft(source, "/"))
	clean = strings.TrimPrefix(path.Clean("/"+source), "/")
	if clean == "" {
		clean = "."
	}
	return clean, written == ".." || strings.HasPrefix(written, "../")
}
