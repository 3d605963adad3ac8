package planning

import (
	"context"
	"reflect"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// outlook is what a plan will be about, found out before anything of the tree
// is loaded but the settings.
type outlook struct {
	from *model.Revision // what to compare with; nil for nothing
	req  plan.Request
}

// parts says when a part of the fleet is planned.
type parts int

const (
	partsMostly parts = iota // when it leaves out most of the fleet
	partsAlways
	partsNever
)

// narrows tells whether nothing but the difference of two trees is asked about,
// and images to which nothing happens are only counted.
func (s *Session) narrows() bool {
	if s.ahead == nil || s.ahead.from == nil || s.ahead.from.Ref == LastRunRef || s.lock != nil || !s.o.busy || s.o.parts == partsNever {
		return false
	}
	r := &s.ahead.req
	return !r.All && !r.Bases && r.RebuildTag == "" && len(r.Force)+len(r.Images)+len(r.Except)+len(r.Platforms) == 0
}

// glance reads build files as Prefetch does, and looks at each as it comes.
func (s *Session) glance(ctx context.Context, builds []model.TreeEntry) error {
	s.plain = make(map[string]*dockerfile.Plain, len(builds))
	return s.Repo.Stream(ctx, builds, func(oid string, content []byte) {
		s.Repo.Keep(oid, content)
		if p, isPlain := dockerfile.ReadPlain(content); isPlain {
			s.plain[oid] = p
		}
	})
}

// narrow finds the part of the fleet that the plan is about; nil where that is
// the whole one. What is wrong with the fleet so far is in list.
func (s *Session) narrow(ctx context.Context, fleet *model.Fleet, list diag.List, tree model.Tree) (*graph.Part, error) {
	if s.plain == nil || list.HasErrors() {
		return nil, nil
	}
	changes, err := s.changes(ctx, *s.ahead.from)
	if err != nil {
		return nil, nil //nolint:nilerr // comparing says it
	}
	if s.differ.tree == nil {
		s.differ.tree = s.Repo.Before(tree, changes)
	}
	return s.partOf(ctx, fleet, tree, s.differ.tree, changes)
}

// partOf is the part of a fleet that changes from another tree can concern.
func (s *Session) partOf(ctx context.Context, fleet *model.Fleet, tree, before model.Tree, changes []history.Change) (*graph.Part, error) {
	if !s.settled(changes, nil) {
		return nil, nil
	}
	d := graph.Difference{Plain: func(oid string) *dockerfile.Plain { return s.plain[oid] }}
	differs := make(map[string]bool, len(changes))
	for _, c := range changes {
		d.Paths = append(d.Paths, c.Path)
		differs[c.Path] = true
	}
	for i := range fleet.Images {
		if file := fleet.Images[i].Dockerfile; differs[file] {
			text, err := before.Read(ctx, file)
			if err != nil {
				return nil, nil //nolint:nilerr // comparing says it
			}
			d.Older = append(d.Older, text)
		}
	}
	part, err := graph.PartOf(ctx, fleet, tree, s.cache, d)
	if part != nil && part.Apart() <= len(part.Fleet.Images) && s.o.parts != partsAlways {
		return nil, err // it spares little
	}
	return part, err
}

// changes are the differences between the older side and what is planned.
func (s *Session) changes(ctx context.Context, from model.Revision) ([]history.Change, error) {
	if s.differ != nil && s.differ.from == from.Tree {
		return s.differ.changes, nil
	}
	changes, err := s.Repo.Changes(ctx, from, s.rev)
	if err != nil {
		return nil, err
	}
	s.differ = &difference{from: from.Tree, changes: changes}
	return changes, nil
}

// difference is how the tree to plan differs from another.
type difference struct {
	from    string // the other's id
	changes []history.Change
	tree    model.Tree // nil until somebody asks
}

// enough tells whether a plan of the part is one of the whole fleet: what is
// asked is what was foreseen, and neither side needs what is left out.
func (s *Session) enough(req plan.Request) bool {
	return !s.asked && s.since != nil && *s.since == *s.ahead.from && s.Then != nil && len(s.Then.Unread) == 0 &&
		s.Then.Graph.Closed() && reflect.DeepEqual(req, s.ahead.req)
}

// widen loads the whole fleet where a part of it was not enough. What was
// printed is not printed again.
func (s *Session) widen(ctx context.Context) error {
	s.ahead, s.part, s.plain, s.said = nil, nil, nil, true
	s.Now, s.Then, s.since, s.notes, s.unread, s.tag = nil, nil, nil, nil, "", ""
	s.cache = graph.NewCache()
	return s.load(ctx)
}
