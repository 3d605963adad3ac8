package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// builder is the state of one Build.
type builder struct {
	ctx   context.Context //nolint:containedctx // of one call: the callbacks of the Dockerfile's resolver have none
	fleet *model.Fleet
	among *model.Fleet // which references are to, and files belong to; see Options
	tree  model.Tree
	o     Options
	names *names

	graph    *Graph
	cache    *Cache
	schedule *schedule
	circular map[model.TargetID]bool // targets that are built from themselves
	resolved []*unit                 // all that were not shared

	// Of one worker:
	picks    []picked // of the unit
	selector *dockerfile.Selector
	scratch  *dockerfile.Scratch
	active   map[model.TargetID]bool
	owner    func(file string) string // see folder
	unit     *unit                    // that is being resolved
	blocked  *unit                    // that must be resolved before
	alone    bool                     // the only worker: it may resolve what others wait for
	list     diag.List
	err      error // the first one of reading the tree
}

// picked is what a selection came to. What is wrong with it was reported.
type picked struct {
	of     dockerfile.Selection
	files  []model.TreeEntry
	beyond []model.TreeEntry // outside of the context
}

func newBuilder(ctx context.Context, fleet *model.Fleet, tree model.Tree, o Options) *builder {
	cache, among := cmp.Or(o.Cache, NewCache()), cmp.Or(o.Among, fleet)
	return &builder{
		ctx: ctx, fleet: fleet, among: among, tree: tree, o: o, names: cache.namesOf(among, tree, o.Like != nil && o.Like.Settled),
		graph: &Graph{tree: tree}, cache: cache,
		circular: map[model.TargetID]bool{},
	}
}

// node resolves one target of the unit, and those of the same image that it
// needs to know. It is nil while the target is being resolved: that is a cycle.
func (b *builder) node(id model.TargetID, image *model.Image) *Node {
	u := b.unit
	if !u.id.Is(id) {
		if u = b.schedule.find(id); u == nil {
			return nil
		}
		if len(u.nodes) == 0 {
			u.nodes = make([]*Node, len(image.Platforms))
		}
	}
	if n := u.node(id.Platform); n != nil {
		return n
	}
	if b.active[id] {
		return nil
	}
	b.active[id] = true
	defer delete(b.active, id)
	n := &Node{ID: id, Image: image}
	if image.Builder == model.BuilderDockerfile {
		b.resolve(n)
	}
	if b.blocked != nil {
		return nil // all of it is done again
	}
	b.archive(n)
	b.inputs(n)
	if i := slices.Index(image.Platforms, id.Platform); i >= 0 {
		u.nodes[i] = n
	}
	return n
}

// parent is a target that another needs to know of, or the unit that must be
// resolved before it is known. It is nil for one that is not there, and in a
// cycle.
func (b *builder) parent(id model.TargetID) (n *Node, waitsFor *unit) {
	if n := b.graph.node(id); n != nil {
		return n, nil
	}
	u := b.schedule.find(id)
	switch {
	case u == nil:
		b.schedule.missed.Store(true)
		return nil, nil
	case b.alone || u == b.unit:
		return b.node(id, u.image), nil
	case u.done.Load():
		return u.node(id.Platform), nil
	}
	return nil, u
}

// resolve reads the target's Dockerfile.
func (b *builder) resolve(n *Node) {
	file := b.unit.file
	if n.Source = b.unit.source; file == nil || b.alone {
		file = b.parse(n)
	}
	if file == nil {
		return
	}
	b.unit.file, b.unit.source = file, n.Source
	b.syntax(n, file)
	resolved, list := file.Resolve(dockerfile.Options{
		Args: n.Image.Args, Fallback: b.fleet.Settings.Args, Platform: n.ID.Platform, Stage: n.Image.Stage, CI: b.o.CI,
		Contexts: n.Image.Contexts, BaseConfig: b.config, Scratch: b.scratch,
	})
	if b.o.Lenient && illegible(list) {
		n.Syntax = nil
		b.excuse(n.Image, list)
		return
	}
	b.list = append(b.list, list...)
	n.Resolved = resolved
	for _, name := range resolved.Undeclared {
		b.list.Warnf(RuleUndeclared, b.yaml(n.Image), "declare it with ARG "+name+", or remove it", "no ARG of %s declares %q", n.Image.Dockerfile, name)
	}
	for _, name := range resolved.Reserved {
		b.list.Errorf(RuleReserved, b.yaml(n.Image), "remove it from args:", "%q is not for images: the builder sets it itself", name)
	}
	for _, ref := range resolved.Refs {
		b.reference(n, ref)
	}
	n.sort()
	if b.blocked == nil {
		b.pick(n)
	}
}

func (n *Node) sort() {
	slices.SortStableFunc(n.Parents, func(a, c Edge) int { return strings.Compare(a.Context, c.Context) })
	slices.SortStableFunc(n.Bases, func(a, c Base) int { return strings.Compare(a.Context, c.Context) })
}

// parse reads the Dockerfile of an image; nil when it is not there or wrong.
func (b *builder) parse(n *Node) *dockerfile.File {
	image := n.Image
	entry, found, err := dockerfile.Behind(b.ctx, b.tree, ".", image.Dockerfile)
	if err != nil {
		b.fail(err)
		return nil
	}
	if !found {
		b.list.Errorf(RuleMissing, b.yaml(image), "only files that git tracks can be built: is it committed, or at least not ignored?", "%s has no %s", image.ID, image.Dockerfile)
		return nil
	}
	n.Source = entry
	p := b.cache.get(entry.OID)
	if p == nil {
		data, err := b.tree.Read(b.ctx, entry.Path)
		if err != nil {
			b.fail(fmt.Errorf("reading %s: %w", image.Dockerfile, err))
			return nil
		}
		if !b.alone {
			if u := b.schedule.foresee(data); u != nil && u != b.unit {
				b.blocked = u
				return nil
			}
		}
		p = b.cache.parse(entry.OID, data)
	}
	b.excuse(image, p.list)
	if p.file == nil {
		return nil
	}
	return p.file.At(image.Dockerfile)
}

// excuse notes what is wrong with a Dockerfile: for a lenient build only that
// one image is the worse for it.
func (b *builder) excuse(image *model.Image, list diag.List) {
	for _, d := range list {
		d.Pos.File = image.Dockerfile
		if b.o.Lenient {
			d.Severity = diag.Warning
		}
		b.list = append(b.list, d)
	}
}

// illegible tells whether what was resolved of a Dockerfile means nothing,
// because of what is written in the file alone: a FROM whose argument has no
// value may still mean an image of the fleet.
func illegible(list diag.List) bool {
	bad := false
	for _, d := range list {
		switch {
		case d.Severity != diag.Error:
		case d.Rule == dockerfile.RuleSyntax, d.Rule == dockerfile.RuleRef, d.Rule == dockerfile.RuleStage:
			bad = true
		default:
			return false
		}
	}
	return bad
}

// config is what a FROM gives to the stage that begins with it.
func (b *builder) config(ref dockerfile.Ref) (model.BaseConfig, bool) {
	target, base, known := b.classify(ref, nil)
	switch {
	case !known:
		return model.BaseConfig{}, false
	case base != nil:
		if base.Config == nil {
			return model.BaseConfig{}, false
		}
		return *base.Config, true
	}
	parent, waitsFor := b.parent(target)
	if waitsFor != nil {
		b.blocked = waitsFor
		return model.BaseConfig{}, false
	}
	switch {
	case parent == nil:
		return model.BaseConfig{}, false
	case parent.Image.Builder == model.BuilderDebian:
		return model.BaseConfig{}, true
	case parent.Resolved == nil:
		return model.BaseConfig{}, false
	}
	return parent.Resolved.Config, parent.Resolved.ConfigKnown
}

// archive reports a target whose state of the Debian archive is not locked. A
// snapshot cannot move.
func (b *builder) archive(n *Node) {
	suite := n.Image.Debian.Suite
	what := ""
	switch {
	case n.Image.Debian.Snapshot != "":
	case n.Image.Builder == model.BuilderDebian && b.fleet.Lock.DebianPackages(suite, n.ID) == nil:
		what = fmt.Sprintf("the packages of %s for %s are", n.Image.ID, n.ID.Platform)
	case n.Image.Builder != model.BuilderDebian && n.Image.Refresh == "archive" && b.fleet.Lock.Debian[suite].InRelease == "":
		what = fmt.Sprintf("the state of the suite %q, which refresh: of %s asks for, is", suite, n.Image.ID)
	}
	if what == "" {
		return
	}
	add := b.list.Warnf
	if b.o.CI {
		add = b.list.Errorf
	}
	add(RuleUnlocked, b.yaml(n.Image), "run rootfsgen lock, and commit images.lock", "%s not in images.lock", what)
}

// inputs are the files that image.yaml lists beside what is read.
func (b *builder) inputs(n *Node) {
	for _, input := range n.Image.Inputs {
		if e, found := b.tree.Lookup(input); found {
			n.Inputs = append(n.Inputs, e)
			continue
		}
		below := dockerfile.Below(b.tree, input)
		if len(below) == 0 {
			b.list.Errorf(RuleInput, b.yaml(n.Image), "paths under inputs: begin at the root of the repository", "%s lists %q under inputs:, which is not in the repository", n.Image.ID, input)
		}
		n.Inputs = append(n.Inputs, below...)
	}
	b.folder(n)
	slices.SortFunc(n.Inputs, func(a, c model.TreeEntry) int { return cmp.Compare(a.Path, c.Path) })
	n.Inputs = slices.Compact(n.Inputs)
}

// yaml is where an image is described.
func (b *builder) yaml(image *model.Image) diag.Pos {
	for _, name := range []string{"image.yaml", "image.yml"} {
		if _, found := b.tree.Lookup(path.Join(image.Dir, name)); found {
			return diag.Pos{File: path.Join(image.Dir, name)}
		}
	}
	return diag.Pos{File: cmp.Or(image.Dockerfile, image.Dir)}
}

// fail keeps the first error of reading the tree. A file that was listed and
// is not there is such an error too: the tree changed, or is not complete.
func (b *builder) fail(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("the tree lists a file that cannot be read: %w", err)
	}
	if b.err == nil {
		b.err = err
	}
}
