package graph

import (
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

// share divides the fleet: what is the same as in the other graph is taken from
// there, and the rest is returned to be resolved.
func (b *builder) share(like *Like) []*unit {
	g := b.graph
	edited := b.edited(like)
	fresh := map[model.TargetID]bool{}
	for image := range edited {
		for _, id := range image.Targets() {
			fresh[id] = true
		}
	}
	for _, n := range like.Graph.order { // parents come first
		if len(fresh) > 0 && !fresh[n.ID] && slices.ContainsFunc(n.Parents, func(e Edge) bool { return fresh[e.To] }) {
			fresh[n.ID] = true
		}
	}
	g.own = map[model.TargetID]*Node{}
	if like.Settled { // all of it but what is fresh
		g.base = like.Graph
	}
	var units []*unit
	for i := range b.fleet.Images {
		image := &b.fleet.Images[i]
		id, differs := image.Node(), false
		for _, id.Platform = range image.Platforms {
			differs = differs || fresh[id]
		}
		for _, id.Platform = range image.Platforms {
			switch {
			case differs:
				g.own[id] = nil // it is not known yet
			case !like.Settled:
				g.own[id] = like.Graph.node(id)
			}
		}
		if differs {
			units = append(units, like.unit(image, edited[image]))
		}
	}
	return units
}

// edited are the images of which more than the parents may be different.
func (b *builder) edited(like *Like) map[*model.Image]bool {
	edited := map[*model.Image]bool{}
	if like.Settled { // the images are those of the other graph
		for _, n := range like.Graph.order {
			if !edited[n.Image] && like.Touched(n) {
				edited[n.Image] = true
			}
		}
		return edited
	}
	lock := reflect.DeepEqual(b.fleet.Lock, like.Fleet.Lock)
	args := sameRules(&b.fleet.Settings, &like.Fleet.Settings)
	for i := range b.fleet.Images {
		if image := &b.fleet.Images[i]; !b.same(image, like, lock, args) {
			edited[image] = true
		}
	}
	return edited
}

// unit is an image that is resolved, unless its parents give it the same as in
// the other graph and it was not edited.
func (l *Like) unit(image *model.Image, edited bool) *unit {
	u := &unit{id: image.Node(), image: image}
	if !edited {
		for _, id := range image.Targets() {
			u.like = append(u.like, l.Graph.node(id))
		}
	}
	return u
}

// ordered tells whether the targets have the order that they have in the other
// graph, and takes it: the same are there, and are built from the same.
func (b *builder) ordered() bool {
	like := b.o.Like
	if like == nil || !like.Settled {
		return false
	}
	now := map[*Node]*Node{} // by what they are in the other graph
	for _, u := range b.resolved {
		for _, n := range u.nodes {
			old := like.Graph.node(n.ID)
			if old == nil || !slices.EqualFunc(n.Parents, old.Parents, func(a, c Edge) bool { return a.To == c.To }) {
				return false
			}
			n.Wave, now[old] = old.Wave, n
		}
	}
	if b.graph.order = like.Graph.order; len(now) == 0 {
		return true // nobody changes it
	}
	b.graph.order = slices.Clone(b.graph.order)
	for i, n := range b.graph.order {
		if own := now[n]; own != nil {
			b.graph.order[i] = own
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
		if n.Resolved == nil {
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
