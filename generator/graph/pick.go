package graph

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// pick selects the files that the target reads: of its context, and of the
// named contexts that are folders.
func (b *builder) pick(n *Node) {
	b.contextNames(n)
	r := n.Resolved
	reads := r.Reads
	var named map[string][]dockerfile.Read
	if slices.ContainsFunc(reads, func(read dockerfile.Read) bool { return read.From != "" }) {
		reads, named = nil, map[string][]dockerfile.Read{}
		for _, read := range r.Reads {
			if read.From == "" {
				reads = append(reads, read)
			} else {
				named[read.From] = append(named[read.From], read)
			}
		}
	}
	if len(reads) > 0 || r.Whole {
		n.Files = b.selected(n, dockerfile.Selection{Context: n.Image.Context, Dockerfile: n.Image.Dockerfile, Reads: reads, Whole: r.Whole, CI: b.o.CI})
	}
	if b.o.Spare && path.Clean(n.Image.Context) == n.Image.Dir {
		r.Reads = nil
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		dir := named[name][0].Folder
		n.Folders = append(n.Folders, Folder{
			Context: name, Dir: dir, Files: b.selected(n, dockerfile.Selection{Context: dir, Reads: named[name], CI: b.o.CI}),
		})
	}
}

// contextNames reports named contexts that no reference can mean, once for all
// platforms.
func (b *builder) contextNames(n *Node) {
	if len(n.Image.Platforms) > 0 && n.ID.Platform != n.Image.Platforms[0] {
		return
	}
	names := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(n.Image.Contexts)) {
		known, ok := dockerfile.ContextName(name)
		if other, taken := names[known]; ok && taken {
			b.list.Errorf(dockerfile.RuleRef, b.yaml(n.Image), "remove one of them", "the contexts %q and %q are of one name", other, name)
		}
		names[known] = name
		if !ok {
			b.list.Errorf(dockerfile.RuleRef, b.yaml(n.Image), "name it as a FROM or --from= does that it is for: in lower case, and neither scratch nor context", "no reference can mean the context %q", name)
		}
	}
}

// selected are the files of one selection; what links lead to outside of it
// becomes an input of n. What is wrong with it is reported once.
func (b *builder) selected(n *Node, s dockerfile.Selection) []model.TreeEntry {
	for i := range b.picks {
		if p := &b.picks[i]; p.of.Same(s) {
			n.Inputs = append(n.Inputs, p.beyond...)
			return p.files
		}
	}
	var beyond []model.TreeEntry
	s.Beyond = func(e model.TreeEntry) { beyond = append(beyond, e) }
	files, list, err := b.selector.Select(b.ctx, s)
	if err != nil {
		b.fail(err)
		return nil
	}
	b.picks = append(b.picks, picked{of: s, files: files, beyond: beyond})
	n.Inputs = append(n.Inputs, beyond...)
	b.list = append(b.list, list...)
	return files
}

// folder adds every file of the image's folder but documentation, where the
// fleet's settings say that they count. A file belongs to the deepest image.
func (b *builder) folder(n *Node) {
	if b.fleet.Settings.Detect != model.DetectFolder {
		return
	}
	if b.owner == nil {
		b.owner = b.among.Owner()
	}
	read := map[string]bool{}
	for _, e := range n.Files {
		read[path.Join(n.Image.Context, e.Path)] = true
	}
	for _, e := range dockerfile.Below(b.tree, n.Image.Dir) {
		rel := e.Path
		if n.Image.Dir != "." {
			rel = strings.TrimPrefix(e.Path, n.Image.Dir+"/")
		}
		if !read[e.Path] && !documentation(rel) && b.owner(e.Path) == n.Image.Dir {
			n.Inputs = append(n.Inputs, e)
		}
	}
}

// documentation tells whether a file of an image's folder is for people only.
func documentation(rel string) bool {
	if strings.HasPrefix(rel, "README") || strings.Contains(rel, "/README") || strings.HasPrefix(rel, "docs/") {
		return true
	}
	base := path.Base(rel)
	return strings.HasPrefix(base, "LICENSE") || strings.HasSuffix(base, ".md")
}
