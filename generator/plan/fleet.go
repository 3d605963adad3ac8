package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// target is one target of a snapshot, and what becomes of it.
type target struct {
	id       model.TargetID
	key      *key.Key
	image    *model.Image
	wave     int       // 0 without parents, else one more than the highest of theirs
	parents  []*target // as the key has them
	children []*target
	node     []*target // the platforms of its node, itself among them, sorted

	old        *key.Key  // what it was in the tree that is compared with, nil where it was not there
	renamed    string    // the tag that it had there, where that was another
	chosen     bool      // the request is about it
	forced     bool      // it must be built anew whatever the registry has
	withdrawn  bool      // because somebody has withdrawn what the registry has
	generation int       // that it must have
	newer      []*target // the parents because of which it is built anew
	decided    bool
	verdict
}

// fleet is a snapshot with the look-ups that planning needs.
type fleet struct {
	order []*target // by wave, then id
}

func newFleet(s *Snapshot) (*fleet, error) {
	f := &fleet{order: make([]*target, 0, len(s.Keys))}
	named := make(map[model.TargetID]*target, len(s.Keys))
	all := make([]target, len(s.Keys))
	for i := range s.Fleet.Images {
		image := &s.Fleet.Images[i]
		id := image.Node()
		for _, id.Platform = range image.Platforms {
			if k := s.Keys[id]; k != nil && len(f.order) < len(all) {
				t := &all[len(f.order)]
				t.id, t.key, t.image = id, k, image
				f.order, named[id] = append(f.order, t), t
			}
		}
	}
	if len(named) < len(s.Keys) {
		for _, id := range slices.SortedFunc(maps.Keys(s.Keys), model.TargetID.Compare) {
			if named[id] == nil {
				return nil, fmt.Errorf("planning %s: the fleet has no such image", id)
			}
		}
	}
	byID := func(a, b *target) int { return a.id.Compare(b.id) }
	if !slices.IsSortedFunc(f.order, byID) {
		slices.SortFunc(f.order, byID)
	}
	if err := f.connect(named); err != nil {
		return nil, err
	}
	slices.SortStableFunc(f.order, func(a, b *target) int { return a.wave - b.wave })
	return f, nil
}

// connect finds what the targets are to each other. They are sorted by id.
func (f *fleet) connect(named map[model.TargetID]*target) error {
	nodes, edges := slices.Clone(f.order), 0
	for i := 0; i < len(f.order); { // the platforms of a node stand together
		end := i + 1
		for end < len(f.order) && f.order[end].id.Is(f.order[i].id) {
			end++
		}
		for _, t := range f.order[i:end] {
			t.node = nodes[i:end:end]
			edges += len(t.key.Parents)
		}
		i = end
	}
	parents := make([]*target, 0, edges)
	for _, t := range f.order {
		first := len(parents)
		for _, id := range t.key.Parents {
			p := named[id]
			if p == nil {
				return fmt.Errorf("planning %s: its parent %s has no key", t.id, id)
			}
			parents = append(parents, p)
			p.children = append(p.children, t)
		}
		t.parents, t.wave = parents[first:len(parents):len(parents)], unknown
	}
	for _, t := range f.order {
		if err := t.level(); err != nil {
			return err
		}
	}
	return nil
}

// from finds one of the targets that t is built from; nil for any other.
func (t *target) from(id model.TargetID) *target {
	if i := slices.IndexFunc(t.parents, func(p *target) bool { return p.id == id }); i >= 0 {
		return t.parents[i]
	}
	return nil
}

// What a target's wave is while it is not known.
const (
	unknown = -1
	open    = -2 // that of its parents is being found
)

// level gives t its wave.
func (t *target) level() error {
	switch t.wave {
	case unknown:
	case open:
		return fmt.Errorf("planning %s: it is built from itself", t.id)
	default:
		return nil
	}
	t.wave = open
	wave := 0
	for _, p := range t.parents {
		if err := p.level(); err != nil {
			return err
		}
		wave = max(wave, p.wave+1)
	}
	t.wave = wave
	return nil
}

// Means tells whether a name on a command line means the target: "name",
// "name:tag", both with all variants, "name:tag:variant", or "name:tag:" where
// it has no variant and those that have one are not meant.
func Means(name string, t model.TargetID) bool {
	return t.Image == name || t.Node() == name || t.Image+":"+t.Tag == name || t.Exactly() == name
}

// named are the targets that the names mean.
func (f *fleet) named(names []string) ([]*target, error) {
	var found []*target
	for _, name := range names {
		before := len(found)
		for _, t := range f.order {
			if Means(name, t.id) {
				found = append(found, t)
			}
		}
		if len(found) == before {
			all := make([]model.TargetID, len(f.order))
			for i, t := range f.order {
				all[i] = t.id
			}
			return nil, Unknown(name, all)
		}
	}
	return found, nil
}

// choose marks what the request is about: the images and everything that they
// are built from, less what it leaves out; and of these what must be built anew
// whatever the registry has.
func (f *fleet) choose(req Request) error {
	named, err := f.named(req.Images)
	if err != nil {
		return err
	}
	for _, t := range named {
		t.choose()
	}
	for _, t := range f.order {
		t.chosen = t.chosen || len(req.Images) == 0
	}
	except, err := f.named(req.Except)
	if err != nil {
		return err
	}
	for t := range dependants(except) {
		t.chosen = false
	}
	if req.All || req.RebuildTag != "" {
		for _, t := range f.order {
			t.forced = t.chosen
		}
		return nil
	}
	forced, err := f.named(req.Force)
	if err != nil {
		return err
	}
	for _, t := range forced {
		t.forced = t.chosen
	}
	if req.Bases {
		for _, t := range f.order {
			if len(t.parents) == 0 {
				t.forced = t.chosen
			}
		}
	}
	return nil
}

// choose marks t and, as platforms move together, every platform of each
// ancestor.
func (t *target) choose() {
	if t.chosen {
		return
	}
	t.chosen = true
	for _, sibling := range t.node {
		sibling.choose()
	}
	for _, p := range t.parents {
		p.choose()
	}
}

// forced are the targets that are.
func (f *fleet) forced() []*target {
	var out []*target
	for _, t := range f.order {
		if t.forced {
			out = append(out, t)
		}
	}
	return out
}

// dependants are the targets and everything that is built from them.
func dependants(of []*target) map[*target]bool {
	all := map[*target]bool{}
	var add func(t *target)
	add = func(t *target) {
		if !all[t] {
			all[t] = true
			for _, c := range t.children {
				add(c)
			}
		}
	}
	for _, t := range of {
		add(t)
	}
	return all
}

// reference joins the parts of an image's address that there are.
func reference(prefix, repository string) string {
	return strings.TrimPrefix(prefix+"/"+repository, "/")
}
