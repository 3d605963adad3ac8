package graph

import (
	"maps"
	"reflect"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Like is a graph of another tree that the new one resembles. What is the same
// is taken from it.
type Like struct {
	Graph *Graph
	Fleet *model.Fleet
	// Touched tells whether a file that the target may read differs between
	// the trees, or was added or removed.
	Touched func(*Node) bool
	// Settled tells that references mean the same in both trees: the images,
	// the settings and images.lock are the same.
	Settled bool
}

// share divides the fleet: what is the same as in the other graph is put into
// the new one, and the rest is returned to be resolved.
func (b *builder) share(like *Like) []*unit {
	g := like.Graph
	settings := b.fleet.Settings
	lock := like.Settled || reflect.DeepEqual(b.fleet.Lock, like.Fleet.Lock)
	args := like.Settled || reflect.DeepEqual(settings.Args, like.Fleet.Settings.Args) && sameRules(&settings, &like.Fleet.Settings)
	fresh, own := map[model.TargetID]bool{}, map[model.TargetID]bool{} // own: more than its parents may be different
	for i := range b.fleet.Images {
		image := &b.fleet.Images[i]
		if !like.Settled || slices.ContainsFunc(image.Targets(), func(id model.TargetID) bool { n, found := g.Node(id); return !found || like.Touched(n) }) {
			if !b.same(image, like, lock, args) {
				for _, id := range image.Targets() {
					fresh[id], own[id] = true, true
				}
			}
		}
	}
	if like.Settled { // all of it but what is fresh
		b.graph.nodes = maps.Clone(g.nodes)
	}
	for _, id := range g.order { // parents come first
		if len(fresh) == 0 {
			break
		}
		n := g.nodes[id]
		if !fresh[id] && slices.ContainsFunc(n.Parents, func(e Edge) bool { return fresh[e.To] }) {
			fresh[id] = true
		}
	}
	if len(fresh) == 0 && like.Settled {
		return nil
	}
	var units []*unit
	for i := range b.fleet.Images {
		image := &b.fleet.Images[i]
		targets := image.Targets()
		if slices.ContainsFunc(targets, func(id model.TargetID) bool { return fresh[id] }) {
			u := &unit{id: image.Node(), image: image}
			if !slices.ContainsFunc(targets, func(id model.TargetID) bool { return own[id] }) {
				u.like = make([]*Node, len(targets))
				for j, id := range targets {
					u.like[j], _ = g.Node(id)
				}
			}
			for _, id := range targets {
				delete(b.graph.nodes, id)
			}
			units = append(units, u)
			continue
		}
		if like.Settled {
			continue
		}
		for _, id := range targets {
			b.graph.nodes[id], _ = g.Node(id)
		}
	}
	return units
}

// ordered tells whether the targets have the order that they have in the other
// graph: the same are there, and are built from the same.
func (b *builder) ordered() bool {
	like := b.o.Like
	if like == nil || !like.Settled || len(b.graph.nodes) != len(like.Graph.nodes) {
		return false
	}
	for _, u := range b.resolved {
		for _, n := range u.nodes {
			old, found := like.Graph.nodes[n.ID]
			if !found || !slices.EqualFunc(n.Parents, old.Parents, func(a, c Edge) bool { return a.To == c.To }) {
				return false
			}
			n.Wave = old.Wave
		}
	}
	return true
}

// sameRules tells whether the settings that a target's files and references
// depend on are the same; what is about CI does not matter.
func sameRules(a, b *model.Settings) bool {
	return reflect.DeepEqual(a, b)
}

// same tells whether all targets of an image are what they are in the other
// graph, as far as they themselves can be different.
func (b *builder) same(image *model.Image, like *Like, lock, args bool) bool {
	if !args {
		return false
	}
	for _, id := range image.Targets() {
		n, found := like.Graph.Node(id)
		if !found || n.Resolved == nil && !lock || like.Touched(n) || !reflect.DeepEqual(n.Image, image) || n.Image.Refresh != "" && !lock {
			return false
		}
		if n.Syntax != nil && !lock {
			return false
		}
		if like.Settled || n.Resolved == nil {
			continue
		}
		again := &Node{ID: id, Image: image, Resolved: n.Resolved}
		b.list = nil
		for _, ref := range n.Resolved.Refs {
			b.reference(again, ref)
		}
		problems := b.list.HasErrors()
		b.list = nil
		again.sort()
		if problems || !slices.Equal(again.Parents, n.Parents) || !slices.EqualFunc(again.Bases, n.Bases, sameBase) {
			return false
		}
	}
	return true
}

func sameBase(a, b Base) bool {
	if (a.Config == nil) != (b.Config == nil) || a.Config != nil && !sameConfig(a.Config, b.Config) {
		return false
	}
	a.Config, b.Config = nil, nil
	return a == b
}

// alike takes the targets of an image from the other graph, where the parents
// give them there what they give them here. It may have to wait for a parent.
func (b *builder) alike(u *unit) (waitsFor *unit, same bool) {
	for _, n := range u.like {
		if n == nil {
			return nil, false
		}
		for _, e := range n.Parents {
			if e.Kind != dockerfile.RefFrom {
				continue
			}
			was, known := b.o.Like.Graph.Node(e.To)
			now, waitsFor := b.parent(e.To)
			if waitsFor != nil {
				return waitsFor, false
			}
			if !known || now == nil || !sameGift(was, now) {
				return nil, false
			}
		}
	}
	u.nodes = make([]*Node, len(u.like))
	for i, n := range u.like {
		moved := *n
		moved.Image = u.image
		u.nodes[i] = &moved
	}
	return nil, true
}

// sameGift tells whether two parents give the same to their children.
func sameGift(a, b *Node) bool {
	switch {
	case a == b:
		return true
	case a.Resolved == nil || b.Resolved == nil:
		return a.Resolved == nil && b.Resolved == nil && a.Image.Builder == b.Image.Builder
	}
	return a.Resolved.ConfigKnown == b.Resolved.ConfigKnown && sameConfig(&a.Resolved.Config, &b.Resolved.Config)
}
