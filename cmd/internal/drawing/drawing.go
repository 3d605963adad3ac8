// Package drawing draws what is built from what: as text, as JSON, and for
// Graphviz and Mermaid. The same graph gives the same drawing.
package drawing

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Node is an image of one tag and variant with all its platforms, or an image
// outside the fleet.
type Node struct {
	Name      string   `json:"name"` // "python:3.13"; a base's full reference
	Image     string   `json:"image,omitempty"`
	Tag       string   `json:"tag,omitempty"`
	Variant   string   `json:"variant,omitempty"`
	Dir       string   `json:"dir,omitempty"`
	Wave      int      `json:"wave"` // of an image of the fleet: 0 has no parents in it
	Platforms []string `json:"platforms,omitempty"`
	Outside   bool     `json:"outside,omitempty"` // a base
	Changed   bool     `json:"changed,omitempty"`
}

// Edge leads from what is built first to what is built from it.
type Edge struct {
	From      string   `json:"from"`
	To        string   `json:"to"`
	Kinds     []string `json:"kinds"`               // how it is used, sorted
	Platforms []string `json:"platforms,omitempty"` // of To, where it is not all of them
}

// Drawing is what is drawn.
type Drawing struct {
	Nodes []Node `json:"nodes"` // images by wave and name, then bases by name
	Edges []Edge `json:"edges"` // sorted
}

// Options choose what is drawn.
type Options struct {
	Only    map[model.TargetID]bool // nodes, without their platform; nil is all
	Changed map[model.TargetID]bool // nodes to mark
	Bases   bool                    // also images outside the fleet
}

// New draws a graph. Platforms that agree are one node and one edge.
func New(g *graph.Graph, o Options) *Drawing {
	b := &builder{o: o, nodes: map[string]*Node{}, edges: map[[2]string]*Edge{}}
	for _, id := range g.Targets() {
		if n, found := g.Node(id); found && b.wanted(id) {
			b.add(n)
		}
	}
	return b.drawing()
}

type builder struct {
	o     Options
	nodes map[string]*Node
	edges map[[2]string]*Edge
}

func (b *builder) wanted(id model.TargetID) bool {
	return b.o.Only == nil || b.o.Only[id.AllPlatforms()]
}

func (b *builder) add(n *graph.Node) {
	name := n.ID.Node()
	at := b.nodes[name]
	if at == nil {
		at = &Node{
			Name: name, Image: n.ID.Image, Tag: n.ID.Tag, Variant: n.ID.Variant, Dir: n.Image.Dir, Wave: n.Wave,
			Changed: b.o.Changed[n.ID.AllPlatforms()],
		}
		b.nodes[name] = at
	}
	at.Wave = max(at.Wave, n.Wave)
	platform := n.ID.Platform.String()
	at.Platforms = append(at.Platforms, platform)
	for _, e := range n.Parents {
		if b.wanted(e.To) {
			b.edge(e.To.Node(), name, e.Kind, platform)
		}
	}
	if !b.o.Bases {
		return
	}
	for _, base := range n.Bases {
		if b.nodes[base.Normalized] == nil {
			b.nodes[base.Normalized] = &Node{Name: base.Normalized, Outside: true}
		}
		b.edge(base.Normalized, name, base.Kind, platform)
	}
}

func (b *builder) edge(from, to, kind, platform string) {
	e := b.edges[[2]string{from, to}]
	if e == nil {
		e = &Edge{From: from, To: to}
		b.edges[[2]string{from, to}] = e
	}
	if !slices.Contains(e.Kinds, kind) {
		e.Kinds = append(e.Kinds, kind)
	}
	if !slices.Contains(e.Platforms, platform) {
		e.Platforms = append(e.Platforms, platform)
	}
}

func (b *builder) drawing() *Drawing {
	d := &Drawing{Nodes: []Node{}, Edges: []Edge{}}
	for _, n := range b.nodes {
		slices.Sort(n.Platforms)
		d.Nodes = append(d.Nodes, *n)
	}
	slices.SortFunc(d.Nodes, func(x, y Node) int {
		outside := map[bool]int{true: 1}
		return cmp.Or(cmp.Compare(outside[x.Outside], outside[y.Outside]), cmp.Compare(x.Wave, y.Wave), strings.Compare(x.Name, y.Name))
	})
	for _, e := range b.edges {
		slices.Sort(e.Kinds)
		slices.Sort(e.Platforms)
		if len(e.Platforms) == len(b.nodes[e.To].Platforms) {
			e.Platforms = nil
		}
		d.Edges = append(d.Edges, *e)
	}
	slices.SortFunc(d.Edges, func(x, y Edge) int {
		return cmp.Or(strings.Compare(x.From, y.From), strings.Compare(x.To, y.To))
	})
	return d
}
