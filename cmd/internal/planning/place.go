package planning

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Place is where in the repository a reason stands. A zero Line is the file as
// a whole, a zero File nowhere.
type Place struct {
	diag.Pos
	Reader diag.Pos // the instruction that reads the file, where the place is in the file itself
}

// placer finds places. It looks only for what is shown, which is little: files
// are read again for it, and what cannot be read has no line.
type placer struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one print
	s    *Session
	from model.Tree // nil where there is nothing to compare with
}

// places finds the lines that reasons of p stand at.
func (s *Session) places(ctx context.Context, p *model.Plan) *placer {
	w := &placer{ctx: ctx, s: s}
	if p.From != nil {
		if tree, err := s.Repo.Files(ctx, *p.From); err == nil {
			w.from = tree
		}
	}
	return w
}

// of is the place of a target's reason.
func (w *placer) of(id model.TargetID, r model.Reason) Place {
	if w == nil || w.s == nil {
		return Place{Pos: diag.Pos{File: fileOf(r)}}
	}
	n, found := w.s.Now.Graph.Node(id)
	switch {
	case !found: // it is no more
		return Place{Pos: diag.Pos{File: fileOf(r)}}
	case r.Kind == model.ReasonFile:
		return Place{Pos: diag.Pos{File: r.Path, Line: w.edited(r.Path)}, Reader: w.reader(n, r.Path)}
	case r.Kind == model.ReasonTemplate:
		return Place{Pos: diag.Pos{File: r.Path, Line: w.edited(r.Path)}}
	case r.Kind == model.ReasonRemoved && r.Path != "":
		return Place{Pos: w.reader(n, r.Path)}
	case r.Kind == model.ReasonBase || r.Kind == model.ReasonParent:
		return Place{Pos: reference(n, r.Name)}
	case r.Kind == model.ReasonArgument:
		return Place{Pos: w.argument(n, r.Name)}
	case r.Kind == model.ReasonNew && n.Source.Path != "":
		return Place{Pos: diag.Pos{File: n.Source.Path, Line: 1}}
	}
	return Place{Pos: diag.Pos{File: fileOf(r)}}
}

// fileOf is the file that a reason is about, if it is one and still there.
func fileOf(r model.Reason) string {
	if r.Kind == model.ReasonRemoved {
		return ""
	}
	return r.Path
}

// edited is the first line of a file that is not as it was; 0 where that is
// not known, or what it has is no text.
func (w *placer) edited(file string) int {
	if w.from == nil {
		return 0
	}
	now, err := w.s.Tree.Read(w.ctx, file)
	if err != nil || bytes.IndexByte(now, 0) >= 0 {
		return 0
	}
	then, err := w.from.Read(w.ctx, file)
	if err != nil {
		return 0
	}
	a, b := bytes.Split(then, []byte("\n")), bytes.Split(now, []byte("\n"))
	for i, line := range b {
		if i >= len(a) || !bytes.Equal(a[i], line) {
			return i + 1
		}
	}
	return len(b)
}

// reader is the first instruction of a target that reads a file.
func (w *placer) reader(n *graph.Node, file string) diag.Pos {
	for _, read := range w.reads(n) {
		root := n.Image.Context
		if read.From != "" {
			root = read.Folder
		}
		if covers(path.Join(root, read.Source), file) {
			return diag.Pos{File: n.Source.Path, Line: read.Pos.Line}
		}
	}
	return diag.Pos{}
}

// covers tells whether a source of COPY, which may be a pattern, means a file,
// or a folder that the file is in.
func covers(source, file string) bool {
	for {
		if hit, err := path.Match(source, file); source == "." || source == file || err == nil && hit {
			return true
		}
		if file = path.Dir(file); file == "." {
			return false
		}
	}
}

// reads are what the instructions of a target read. A graph does not keep them.
func (w *placer) reads(n *graph.Node) []dockerfile.Read {
	if n.Resolved == nil {
		return nil
	}
	if len(n.Resolved.Reads) > 0 {
		return n.Resolved.Reads
	}
	content, err := w.s.Tree.Read(w.ctx, n.Source.Path)
	if err != nil {
		return nil
	}
	file, list := dockerfile.Parse(n.Source.Path, content)
	if list.HasErrors() {
		return nil
	}
	r, _ := file.Resolve(dockerfile.Options{
		Args: n.Image.Args, Fallback: w.s.Now.Fleet.Settings.Args, Platform: n.ID.Platform, Stage: n.Image.Stage, Contexts: n.Image.Contexts,
	})
	return r.Reads
}

// reference is where a target names a base or a parent.
func reference(n *graph.Node, name string) diag.Pos {
	name, _, _ = strings.Cut(name, " ")
	at := diag.Pos{}
	if i := slices.IndexFunc(n.Bases, func(b graph.Base) bool { return b.Normalized == name }); i >= 0 {
		at = n.Bases[i].Pos
	}
	if i := slices.IndexFunc(n.Parents, func(e graph.Edge) bool { return e.To.Node() == name }); i >= 0 {
		at = n.Parents[i].Pos
	}
	return diag.Pos{File: at.File, Line: at.Line}
}

// argument is the first ARG of a name in a target's Dockerfile.
func (w *placer) argument(n *graph.Node, name string) diag.Pos {
	content, err := w.s.Tree.Read(w.ctx, n.Source.Path)
	if err != nil {
		return diag.Pos{}
	}
	for i, line := range strings.Split(string(content), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || !strings.EqualFold(words[0], "ARG") {
			continue
		}
		for _, word := range words[1:] {
			if declared, _, _ := strings.Cut(word, "="); declared == name {
				return diag.Pos{File: n.Source.Path, Line: i + 1}
			}
		}
	}
	return diag.Pos{File: n.Source.Path}
}
