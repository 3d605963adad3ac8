// Package graph holds what is built from what: every target of a fleet with
// its Dockerfile resolved, its parents in the fleet, its bases outside, and
// the files that it reads.
package graph

import (
	"context"
	"slices"
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The rules of this package's diagnostics.
const (
	RuleCycle      = "cycle"           // images that are built from each other
	RuleUnknown    = "unknown-image"   // a reference below one of our prefixes that no image has
	RuleUnlocked   = "base-unlocked"   // an outside base that images.lock does not have
	RuleOrphan     = "parent-removed"  // a reference whose image left the fleet
	RulePlatform   = "parent-platform" // a parent that is not made for the child's platform
	RuleRewrite    = "name-collision"  // a stage and an image of one name, where BuildKit cannot tell them apart
	RuleMissing    = "dockerfile-missing"
	RuleInput      = "input-missing"
	RuleUndeclared = "argument-undeclared"
	RuleReserved   = "argument-reserved"
)

// Options change what is an error.
type Options struct {
	CI      bool                   // what is not locked is an error, not a warning
	Ignored func(path string) bool // whether git ignores a path from the root of the tree, for hints; may be nil
	Cache   *Cache                 // shared between graphs; may be nil
	Lenient bool                   // a Dockerfile that cannot be read is a warning: its image is what its text is, and cannot be built; so is a reference that looks like ours and means nothing
	Like    *Like                  // what need not be resolved again; may be nil
	Among   *model.Fleet           // the whole fleet, where the one to resolve is a Part of it; nil where it is not
	Drop    bool                   // leave out the images that have errors, and what is built from them
	Spare   bool                   // forget the Reads of targets whose context is their own folder, when its files are picked: they are a tenth of a large graph
}

// Edge leads to a target of the fleet that another is built from.
type Edge struct {
	To  model.TargetID
	Ref string // as the Dockerfile has it, arguments expanded
	Pos diag.Pos
	Use
}

// Use is how a reference is given to the builder.
type Use struct {
	Kind    string         // one of dockerfile's Ref constants
	Context string         // the name of its named context
	Under   string         // see dockerfile.Ref: the reference that the image's own named context takes the place of
	Rewrite *model.Rewrite // see dockerfile.Ref
}

// Base is an image outside the fleet.
type Base struct {
	Ref        string // as the Dockerfile has it, arguments expanded
	Normalized string // "docker.io/library/busybox:1.36": how images.lock names it
	Repository string // "docker.io/library/busybox"
	Platform   string // "linux/amd64"; empty for a frontend
	Locked     bool
	Digest     model.Digest      // where it is locked
	Config     *model.BaseConfig // where it is locked and known
	Note       string            // why it is none of ours, where it looks like one
	Pos        diag.Pos
	Use
}

// Folder is a named context that is a folder of the tree.
type Folder struct {
	Context string            // its name
	Dir     string            // from the root of the tree
	Files   []model.TreeEntry // that are read, relative to Dir, sorted
}

// Node is one target.
type Node struct {
	ID       model.TargetID
	Image    *model.Image
	Resolved *dockerfile.Resolved // nil for an image without a Dockerfile
	Parents  []Edge               // sorted by context; an image that is used under two names is there twice
	Bases    []Base               // sorted by context
	Syntax   *Base                // the frontend that "# syntax=" asks for
	Files    []model.TreeEntry    // of the build context, relative to it, sorted
	Folders  []Folder             // named contexts that are folders and that it reads, sorted
	Inputs   []model.TreeEntry    // further files, from the root of the tree, sorted
	Source   model.TreeEntry      // the Dockerfile: where links lead to, if it is one
	Wave     int                  // 0 has no parents in the fleet
}

// Graph is the targets of a fleet and what leads from one to another.
type Graph struct {
	own        map[model.TargetID]*Node // nil for what base has and this graph has not
	base       *Graph                   // has all other nodes; nil where own has all
	order      []*Node
	tree       model.Tree // that the fleet lies in
	missed     bool       // an image was asked for that the Part does not have
	once       sync.Once
	dependants map[model.TargetID][]model.TargetID // made when first asked for
}

// Has tells whether the tree that the graph was made of has a file, read or
// not.
func (g *Graph) Has(file string) bool {
	if g.tree == nil {
		return false
	}
	_, found := g.tree.Lookup(file)
	return found
}

// Build resolves every target of the fleet. The graph is complete when the
// list holds no error; otherwise it holds what could be found out. The error
// is one of reading the tree.
func Build(ctx context.Context, fleet *model.Fleet, tree model.Tree, o Options) (*Graph, diag.List, error) {
	b := newBuilder(ctx, fleet, tree, o)
	var units []*unit
	if o.Like != nil {
		units = b.share(o.Like)
	} else {
		b.graph.own = make(map[model.TargetID]*Node, 2*len(fleet.Images))
		units = make([]*unit, len(fleet.Images))
		for i := range fleet.Images {
			units[i] = &unit{id: fleet.Images[i].Node(), image: &fleet.Images[i]}
		}
	}
	b.run(units)
	for _, u := range units {
		if u.err != nil {
			return nil, nil, u.err
		}
		b.list = append(b.list, u.list...)
		for _, n := range u.nodes {
			b.graph.own[n.ID] = n
		}
	}
	b.resolved = units
	b.finish()
	if o.Drop {
		b.drop(units)
	}
	b.graph.missed = b.schedule.missed.Load()
	return b.graph, b.list.Sorted(), nil
}

// drop takes the images that have mistakes out of the graph, and what is built
// from them.
func (b *builder) drop(units []*unit) {
	g, wrong := b.graph, map[model.TargetID]bool{}
	for _, u := range units {
		for _, n := range u.nodes {
			if u.list.HasErrors() || b.circular[n.ID] {
				wrong[n.ID] = true
			}
		}
	}
	if len(wrong) == 0 {
		return
	}
	wrong = g.Dependants(wrong)
	order := slices.DeleteFunc(slices.Clone(g.order), func(n *Node) bool { return wrong[n.ID] })
	own := make(map[model.TargetID]*Node, len(order))
	for _, n := range order {
		own[n.ID] = n
	}
	b.graph = &Graph{own: own, order: order, tree: b.tree}
}

// Node finds a target.
func (g *Graph) Node(id model.TargetID) (*Node, bool) {
	n := g.node(id)
	return n, n != nil
}

func (g *Graph) node(id model.TargetID) *Node {
	if n, own := g.own[id]; own || g.base == nil {
		return n
	}
	return g.base.node(id)
}

// Nodes are all targets, parents before children: by wave, then by id. The
// slice must not be changed.
func (g *Graph) Nodes() []*Node { return g.order }

// Apart are the nodes of g, in their order, that were not taken from another
// graph as they are.
func (g *Graph) Apart(other *Graph) []*Node {
	var apart []*Node
	for i, n := range g.order {
		if i < len(other.order) && n == other.order[i] {
			continue // nearly all, as a rule
		}
		if other.node(n.ID) != n {
			apart = append(apart, n)
		}
	}
	return apart
}

// Targets are the ids of Nodes.
func (g *Graph) Targets() []model.TargetID {
	ids := make([]model.TargetID, len(g.order))
	for i, n := range g.order {
		ids[i] = n.ID
	}
	return ids
}

// Children are the targets that are built from id directly, sorted.
func (g *Graph) Children(id model.TargetID) []model.TargetID { return slices.Clone(g.built()[id]) }

// Dependants are the targets that are built from one of ids, directly or not,
// and those ids that the graph has. The argument is not changed.
func (g *Graph) Dependants(ids map[model.TargetID]bool) map[model.TargetID]bool {
	out := make(map[model.TargetID]bool, len(ids))
	var visit func(model.TargetID)
	visit = func(id model.TargetID) {
		if out[id] {
			return
		}
		out[id] = true
		for _, child := range g.built()[id] {
			visit(child)
		}
	}
	for id, isIn := range ids {
		if isIn && g.node(id) != nil {
			visit(id)
		}
	}
	return out
}

// finish orders the targets, and reports cycles.
func (b *builder) finish() {
	g := b.graph
	if b.ordered() {
		return
	}
	g.order = make([]*Node, 0, 2*len(b.fleet.Images)) // as most are for two platforms
	for i := range b.fleet.Images {
		image := &b.fleet.Images[i]
		id := image.Node()
		for _, id.Platform = range image.Platforms {
			g.order = append(g.order, g.node(id))
		}
	}
	byID := func(a, b *Node) int { return a.ID.Compare(b.ID) }
	if !slices.IsSortedFunc(g.order, byID) {
		slices.SortFunc(g.order, byID)
	}
	w := waves{graph: g, wave: make(map[*Node]int, len(g.order))}
	for _, n := range g.order {
		if wave := w.of(n); n.Wave != wave { // a node that two graphs share has its wave already
			n.Wave = wave
		}
	}
	if w.cyclic {
		b.cycles()
	}
	g.byWave()
}

// byWave puts parents before children. The order was that of the ids.
func (g *Graph) byWave() {
	var next []int // of each wave: how many it has, then where its next target goes
	for _, n := range g.order {
		for len(next) <= n.Wave {
			next = append(next, 0)
		}
		next[n.Wave]++
	}
	first := 0
	for wave, size := range next {
		next[wave], first = first, first+size
	}
	order := make([]*Node, len(g.order))
	for _, n := range g.order {
		order[next[n.Wave]] = n
		next[n.Wave]++
	}
	g.order = order
}

// waves finds how many targets are built one after another before each.
type waves struct {
	graph  *Graph
	wave   map[*Node]int
	cyclic bool
}

func (w *waves) of(n *Node) int {
	const open = -1
	if known, done := w.wave[n]; done {
		w.cyclic = w.cyclic || known == open
		return max(known, 0) // a cycle is reported, and must end
	}
	w.wave[n] = open
	wave := 0
	for _, e := range n.Parents {
		if parent := w.graph.node(e.To); parent != nil {
			wave = max(wave, w.of(parent)+1)
		}
	}
	w.wave[n] = wave
	return wave
}

// built are the targets by what they are built from directly, sorted.
func (g *Graph) built() map[model.TargetID][]model.TargetID {
	g.once.Do(func() {
		g.dependants = map[model.TargetID][]model.TargetID{}
		for _, n := range slices.SortedFunc(slices.Values(g.order), func(a, b *Node) int { return a.ID.Compare(b.ID) }) {
			for i, e := range n.Parents {
				same := func(o Edge) bool { return o.To == e.To }
				if g.node(e.To) != nil && !slices.ContainsFunc(n.Parents[:i], same) {
					g.dependants[e.To] = append(g.dependants[e.To], n.ID)
				}
			}
		}
	})
	return g.dependants
}
