package graph

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Part is some images of a fleet, and all that they are built from. Of the
// others it is certain, before anything of them is resolved, that nothing is
// wrong with them and that they are the same in two trees.
type Part struct {
	Fleet *model.Fleet // these images only, with all else of the whole fleet
	Whole *model.Fleet
}

// Apart is how many images the part leaves out.
func (p *Part) Apart() int { return len(p.Whole.Images) - len(p.Fleet.Images) }

// Difference is what a part is found by: how a tree differs from another in
// which the same images lie, with the same settings and the same images.lock.
type Difference struct {
	Paths []string // of the files that differ, sorted; both trees have them
	Older [][]byte // what those of them that can be build files hold in the other tree
	// Plain is what dockerfile.ReadPlain said of a blob; nil where it is not
	// known to be plain.
	Plain func(oid string) *dockerfile.Plain
}

// PartOf finds the images that a difference can concern, those of which only
// resolving them can tell, and what these are built from. It is nil where
// nothing is certain.
func PartOf(ctx context.Context, fleet *model.Fleet, tree model.Tree, cache *Cache, d Difference) (*Part, error) {
	if len(fleet.Aliases)+len(fleet.Settings.References) > 0 {
		return nil, nil // links and rules make names of what lies anywhere
	}
	p := &parting{
		builder: newBuilder(ctx, fleet, tree, Options{CI: true, Cache: cache}), d: d,
		parents: make([][]int, len(fleet.Images)), known: make([]bool, len(fleet.Images)), in: make([]bool, len(fleet.Images)), meanings: map[use]found{},
	}
	p.selector = dockerfile.NewSelector(tree, nil)
	for i := range fleet.Images {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.in[i] = !p.certain(i) || p.touched(&fleet.Images[i])
		if p.err != nil {
			return nil, p.err
		}
	}
	p.dependants()
	if err := p.ancestors(); err != nil {
		return nil, err
	}
	return p.part(), nil
}

// parting is the state of one PartOf. Images are named by their place in the
// fleet.
type parting struct {
	*builder
	d        Difference
	parents  [][]int // of the images in known
	known    []bool  // whose parents are all of them, certain or not
	in       []bool  // the part
	meanings map[use]found
}

// use is a reference on a platform, and found what it means.
type (
	use struct {
		ref      string
		platform model.Platform
	}
	found struct {
		parent int // -1 for an image outside
		clear  bool
	}
)

// touched tells whether a file of an image that is certain differs: all of them
// lie in its folder.
func (p *parting) touched(image *model.Image) bool {
	if image.Dir == "." {
		return len(p.d.Paths) > 0
	}
	at, _ := slices.BinarySearch(p.d.Paths, image.Dir+"/")
	return at < len(p.d.Paths) && strings.HasPrefix(p.d.Paths[at], image.Dir+"/")
}

// certain tells whether it is known what an image is built from, that nothing
// is wrong with it, and that what it depends on lies in its folder. It notes the
// parents.
func (p *parting) certain(i int) bool {
	image := &p.fleet.Images[i]
	if len(image.Inputs)+len(image.Contexts)+len(image.Args) > 0 || image.Stage != "" {
		return false
	}
	if image.Builder == model.BuilderDebian || image.Refresh != "" {
		p.list = nil
		for _, platform := range image.Platforms {
			id := image.Node()
			id.Platform = platform
			p.archive(&Node{ID: id, Image: image})
		}
		if len(p.list) > 0 {
			return false
		}
	}
	if image.Builder == model.BuilderDebian {
		return true
	}
	if path.Clean(image.Context) != image.Dir || path.Dir(image.Dockerfile) != image.Dir {
		return false
	}
	e, found := p.tree.Lookup(image.Dockerfile)
	if !found || e.Mode != model.ModeFile && e.Mode != model.ModeExecutable {
		return false
	}
	text := p.d.Plain(e.OID)
	return text != nil && p.frontend(text.Syntax) && p.reads(image, text.Sources) && p.builtFrom(i, text.Images)
}

// frontend tells whether nothing is wrong with what "# syntax=" asks for.
func (p *parting) frontend(written string) bool {
	if written == "" || p.fleet.Settings.Syntax == model.SyntaxBuiltin {
		return true
	}
	named, err := reference.ParseNormalizedNamed(written)
	if err != nil {
		return false
	}
	_, locked := p.fleet.Lock.Bases[reference.TagNameOnly(named).String()]
	return locked
}

// many is how many files a folder has that are not looked at one by one.
const many = 4096

// reads tells whether the sources are there, and are what they seem: files, in
// a folder without links and submodules.
func (p *parting) reads(image *model.Image, sources []string) bool {
	files := dockerfile.Below(p.tree, image.Dir)
	if len(files) > many {
		return false
	}
	prefix := image.Dir + "/"
	if image.Dir == "." {
		prefix = ""
	}
	ignores := false
	for _, e := range files {
		if e.Mode != model.ModeFile && e.Mode != model.ModeExecutable || model.CheckPath(e.Path) != nil || !utf8.ValidString(e.Path) {
			return false
		}
		ignores = ignores || strings.HasSuffix(e.Path, ".dockerignore")
	}
	if ignores {
		return p.selects(image, sources)
	}
	return !slices.ContainsFunc(sources, func(source string) bool {
		return source != "." && !slices.ContainsFunc(files, func(e model.TreeEntry) bool {
			rest, begins := strings.CutPrefix(e.Path[len(prefix):], source)
			return begins && (rest == "" || rest[0] == '/')
		})
	})
}

// selects tells whether an ignore file leaves the sources there.
func (p *parting) selects(image *model.Image, sources []string) bool {
	reads := make([]dockerfile.Read, len(sources))
	for i, source := range sources {
		reads[i] = dockerfile.Read{Source: source, By: "COPY"}
	}
	_, list, err := p.selector.Select(p.ctx, dockerfile.Selection{Context: image.Context, Dockerfile: image.Dockerfile, Reads: reads, CI: true})
	if err != nil {
		p.fail(err)
	}
	return err == nil && len(list) == 0
}

// builtFrom notes what an image is built from; false where something is wrong
// with that, or with what it gives.
func (p *parting) builtFrom(i int, refs []string) bool {
	var parents []int
	for _, ref := range refs {
		for _, platform := range p.fleet.Images[i].Platforms {
			m := p.means(use{ref, platform})
			if !m.clear {
				return false
			}
			if m.parent >= 0 && !slices.Contains(parents, m.parent) {
				parents = append(parents, m.parent)
			}
		}
	}
	p.parents[i], p.known[i] = parents, true
	return true
}

// means is what a reference stands for. An image outside is clear where it is
// locked and gives no triggers.
func (p *parting) means(u use) found {
	if m, known := p.meanings[u]; known {
		return m
	}
	m := found{parent: -1}
	if named, err := reference.ParseNormalizedNamed(u.ref); err == nil {
		p.list = nil
		target, base, known := p.classify(dockerfile.Ref{Name: u.ref, Named: named, Platform: u.platform.String(), Kind: dockerfile.RefFrom}, &p.list)
		m.clear = known && len(p.list) == 0
		switch {
		case !m.clear:
		case base == nil:
			m.parent, m.clear = slices.BinarySearchFunc(p.fleet.Images, target.AllPlatforms(), func(i model.Image, t model.TargetID) int { return i.Node().Compare(t) })
		default:
			m.clear = base.Config != nil && len(base.Config.OnBuild) == 0
		}
	}
	p.meanings[u] = m
	return m
}

// dependants adds what is built from the part.
func (p *parting) dependants() {
	children := make([][]int, len(p.parents))
	var next []int
	for i, parents := range p.parents {
		for _, parent := range parents {
			children[parent] = append(children[parent], i)
		}
		if p.in[i] {
			next = append(next, i)
		}
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		for _, child := range children[i] {
			if !p.in[child] {
				p.in[child] = true
				next = append(next, child)
			}
		}
	}
}

// ancestors adds what the part is built from, now and in the other tree. For a
// text that is not plain, that is a guess: Closed tells whether it was right.
func (p *parting) ancestors() error {
	var next []int
	for i, in := range p.in {
		if !in {
			continue
		}
		next = append(next, i)
		image := &p.fleet.Images[i]
		e, found := p.tree.Lookup(image.Dockerfile)
		if !found || p.known[i] && len(image.Contexts)+len(image.Args) == 0 {
			continue
		}
		words := slices.AppendSeq(slices.Collect(maps.Values(image.Args)), maps.Values(image.Contexts))
		text, err := p.tree.Read(p.ctx, e.Path)
		if err != nil {
			continue // which is reported when it is resolved
		}
		p.mentioned(append(words, string(text)), &next)
	}
	for _, text := range p.d.Older {
		p.mentioned([]string{string(text)}, &next)
	}
	p.mentioned(slices.Collect(maps.Values(p.fleet.Settings.Args)), &next)
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		for _, parent := range p.parents[i] {
			if !p.in[parent] {
				p.in[parent] = true
				next = append(next, parent)
			}
		}
	}
	return p.ctx.Err()
}

// mentioned adds the images whose names stand in texts.
func (p *parting) mentioned(texts []string, next *[]int) {
	for _, text := range texts {
		for _, word := range dockerfile.References(text) {
			name, _ := cutTag(word)
			for name != "" {
				for _, c := range append(slices.Clip(p.names.images[name]), p.names.places[name]...) {
					i, _ := slices.BinarySearchFunc(p.fleet.Images, c.image.Node(), func(i model.Image, t model.TargetID) int { return i.Node().Compare(t) })
					if !p.in[i] {
						p.in[i] = true
						*next = append(*next, i)
					}
				}
				_, name, _ = strings.Cut(name, "/") // the repositories that are ours begin it
			}
		}
	}
}

// part is the fleet of it; nil where what is left out is built from itself.
func (p *parting) part() *Part {
	size := 0
	for _, in := range p.in {
		if in {
			size++
		}
	}
	if !p.acyclic() {
		return nil
	}
	some := *p.fleet
	some.Images = make([]model.Image, 0, size)
	for i, in := range p.in {
		if in {
			some.Images = append(some.Images, p.fleet.Images[i])
		}
	}
	return &Part{Fleet: &some, Whole: p.fleet}
}

// acyclic tells whether nothing that is left out is built from itself. It may be
// built from what is in.
func (p *parting) acyclic() bool {
	const open, closed = 1, 2
	state := make([]byte, len(p.parents))
	var visit func(i int) bool
	visit = func(i int) bool {
		state[i] = open
		for _, parent := range p.parents[i] {
			if state[parent] == open || state[parent] == 0 && !p.in[parent] && !visit(parent) {
				return false
			}
		}
		state[i] = closed
		return true
	}
	for i := range p.parents {
		if state[i] == 0 && !p.in[i] && !visit(i) {
			return false
		}
	}
	return true
}

// Closed tells whether the graph has all that its targets are built from, and all
// that was asked for to find that out.
func (g *Graph) Closed() bool {
	return !g.missed && !slices.ContainsFunc(g.order, func(n *Node) bool {
		return slices.ContainsFunc(n.Parents, func(e Edge) bool { return g.node(e.To) == nil })
	})
}
