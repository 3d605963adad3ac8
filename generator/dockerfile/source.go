package dockerfile

import (
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// source is what a COPY or an ADD takes files from.
type source struct {
	from     string // a named context
	folder   string // of from
	paths    []string
	exclude  []string
	parents  bool
	remote   bool // URLs and git references are allowed
	checksum string
}

// copied notes what a COPY or ADD reads from the build context.
func (r *resolver) copied(s *resolvedStage, in instruction, src source) {
	for _, written := range src.paths {
		pos := r.file.wordPos(in.node, written)
		x := s.env.expand(written, r.file.escape, false)
		if x.err != nil && len(x.unknown) == 0 {
			r.mistake(RuleSyntax, pos, "", "%s", message(x.err))
			continue
		}
		if git, isRemote := remote(x.text); isRemote {
			r.remote(s, in, src, git, x, pos)
			continue
		}
		if len(x.unknown) > 0 {
			r.whole(in, src, pos)
			continue
		}
		read := Read{From: src.from, Folder: src.folder, Source: x.text, Exclude: src.exclude, Pos: pos}
		if src.parents {
			read.Source, read.Include = "/", x.text
			if before, after, found := strings.Cut(x.text, "/./"); found {
				read.Source, read.Include = before, after
			}
		}
		r.read(in, read)
	}
}

// whole notes that an instruction may read anything in what it copies from.
func (r *resolver) whole(in instruction, src source, pos diag.Pos) {
	if src.from == "" {
		r.out.Whole = true
		return
	}
	r.read(in, Read{From: src.from, Folder: src.folder, Source: ".", Pos: pos})
}

// read notes one path in the build context, or in a named one.
func (r *resolver) read(in instruction, read Read) {
	read.By = strings.ToUpper(in.node.Value)
	if in.trigger {
		read.By = "ONBUILD " + read.By
	}
	for _, p := range []*string{&read.Source, &read.Include} {
		if p == &read.Include && *p == "" {
			continue
		}
		clean, outside := cleanSource(*p)
		if outside {
			r.mistake(RuleOutside, read.Pos, "copy it into the context, or choose a larger context: in image.yaml", "%s reads %q, which lies outside the build context", read.By, *p)
		}
		*p = clean
	}
	r.reads = append(r.reads, read)
}

// remote tells whether a source is a URL or a git repository; git is nil for
// a URL.
func remote(s string) (git *dfgitutil.GitRef, isRemote bool) {
	if !strings.Contains(s, ":") {
		return nil, false // neither a scheme nor host:path
	}
	if ref, _, err := dfgitutil.ParseGitRef(s); err == nil && !ref.IndistinguishableFromLocal {
		return ref, true
	}
	return nil, strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// remote reports a source that can change though nothing in the repository
// does.
func (r *resolver) remote(s *resolvedStage, in instruction, src source, git *dfgitutil.GitRef, x expansion, pos diag.Pos) {
	if !src.remote {
		r.mistake(RuleRemote, pos, "write ADD", "COPY cannot read %q", x.text)
		return
	}
	sum := s.env.expand(src.checksum, r.file.escape, false)
	pinned := sum.text != "" && len(sum.unknown) == 0
	hint := "write ADD --checksum=sha256:... " + x.text
	if git != nil {
		pinned = pinned && model.IsObjectID(sum.text) || model.IsObjectID(git.Ref) || model.IsObjectID(git.Checksum)
		hint = "name the full commit: #<40 hexadecimal digits>, or --checksum=<commit>"
	}
	if pinned {
		return
	}
	add := r.list.Warnf
	if r.o.CI {
		add = r.list.Errorf
	}
	add(RuleRemote, pos, hint, "%q can change without a commit: the plan would not see it", x.text)
}

// ref notes an image. written is how the file has it, where ref.Pos is.
func (r *resolver) ref(ref Ref, written string, node statement) {
	if !r.name(&ref) {
		return
	}
	if w := ref.Rewrite; w != nil {
		w.Line, w.Col, w.Old = ref.Pos.Line, ref.Pos.Col, written
		if !r.file.fits(w, node) {
			w.Line, w.Col, w.Old = 0, 0, ""
		}
	}
	r.out.Refs = append(r.out.Refs, ref)
}

// fits tells whether a rewrite replaces the reference of an instruction, by
// reading the instruction that comes of it.
func (f *File) fits(w *model.Rewrite, node statement) bool {
	lines := []byte("# escape=" + string(f.escape) + "\n" + strings.Join(f.lines[node.StartLine-1:node.EndLine], "\n") + "\n")
	moved := *w
	moved.Line += 2 - node.StartLine
	recipe := model.Recipe{Rewrites: []model.Rewrite{moved}}
	rewritten, err := recipe.Rewritten(lines)
	if err != nil {
		return false
	}
	result, err := parseTree(rewritten)
	if err != nil || len(result.AST.Children) != 1 {
		return false
	}
	parsed, err := parseInstruction(result.AST.Children[0])
	if err != nil {
		return false
	}
	switch cmd := parsed.(type) {
	case *instructions.Stage:
		return cmd.BaseName == w.New
	case *instructions.CopyCommand:
		return cmd.From == w.New
	case *instructions.RunCommand:
		return slices.ContainsFunc(instructions.GetMounts(cmd), func(m *instructions.Mount) bool { return m.From == w.New })
	}
	return false
}

// refOfTrigger notes an image that the base's ONBUILD names. It stands in
// another image's configuration, so it cannot be rewritten.
func (r *resolver) refOfTrigger(ref Ref) {
	if r.name(&ref) {
		r.out.Refs = append(r.out.Refs, ref)
	}
}

// name fills in how BuildKit looks a reference up.
func (r *resolver) name(ref *Ref) bool {
	var err error
	if ref.Named, err = r.file.named(ref.Name); err != nil {
		r.list.Errorf(RuleRef, ref.Pos, "", "%q cannot name an image: %s", ref.Name, message(err))
		return false
	}
	ref.Context = strings.TrimSuffix(reference.FamiliarString(ref.Named), ":latest")
	if _, isStage := r.names[ref.Context]; isStage {
		ref.Context = model.AliasHost + ref.Context
		ref.Rewrite = &model.Rewrite{New: ref.Context}
	}
	if ref.Platform != r.platform {
		ref.Context += "::" + ref.Platform
	}
	return true
}

// named reads a reference, each once only for all targets of the files that
// one Parser read.
func (f *File) named(name string) (reference.Named, error) { return f.names.parse(name) }
