package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// fleet is a snapshot with the look-ups that planning needs.
type fleet struct {
	keys     map[model.TargetID]*key.Key
	images   map[model.TargetID]*model.Image // by node
	order    []model.TargetID                // by wave, then target
	wave     map[model.TargetID]int
	children map[model.TargetID][]model.TargetID
	nodes    map[model.TargetID][]model.TargetID // the platforms of each node, sorted; by the target without one
}

func newFleet(s *Snapshot) (*fleet, error) {
	f := &fleet{
		keys: s.Keys, images: make(map[model.TargetID]*model.Image, len(s.Fleet.Images)), wave: make(map[model.TargetID]int, len(s.Keys)),
		children: map[model.TargetID][]model.TargetID{}, nodes: make(map[model.TargetID][]model.TargetID, len(s.Fleet.Images)),
	}
	for i := range s.Fleet.Images {
		image := &s.Fleet.Images[i]
		f.images[image.Node()] = image
	}
	f.order = slices.SortedFunc(maps.Keys(s.Keys), model.TargetID.Compare)
	for _, t := range f.order {
		if f.image(t) == nil {
			return nil, fmt.Errorf("planning %s: the fleet has no such image", t)
		}
		for _, p := range s.Keys[t].Parents {
			if s.Keys[p] == nil {
				return nil, fmt.Errorf("planning %s: its parent %s has no key", t, p)
			}
			f.children[p] = append(f.children[p], t)
		}
	}
	for i := 0; i < len(f.order); { // the platforms of a node stand together
		node, end := f.order[i].AllPlatforms(), i+1
		for end < len(f.order) && f.order[end].Is(node) {
			end++
		}
		f.nodes[node] = f.order[i:end:end]
		i = end
	}
	byWave, highest := map[int][]model.TargetID{}, 0
	for _, t := range f.order {
		if err := f.level(t, map[model.TargetID]bool{}); err != nil {
			return nil, err
		}
		byWave[f.wave[t]] = append(byWave[f.wave[t]], t)
		highest = max(highest, f.wave[t])
	}
	order := make([]model.TargetID, 0, len(f.order))
	for wave := range highest + 1 {
		order = append(order, byWave[wave]...)
	}
	f.order = order
	return f, nil
}

// image is what a target is of, nil where the fleet has no such node.
func (f *fleet) image(t model.TargetID) *model.Image { return f.images[t.AllPlatforms()] }

// level gives t its wave: 0 without parents, else one more than the highest
// of theirs.
func (f *fleet) level(t model.TargetID, open map[model.TargetID]bool) error {
	if _, known := f.wave[t]; known {
		return nil
	}
	if open[t] {
		return fmt.Errorf("planning %s: it is built from itself", t)
	}
	open[t] = true
	wave := 0
	for _, p := range f.keys[t].Parents {
		if err := f.level(p, open); err != nil {
			return err
		}
		wave = max(wave, f.wave[p]+1)
	}
	f.wave[t] = wave
	return nil
}

type targets map[model.TargetID]bool

// Means tells whether a name on a command line means the target: "name",
// "name:tag" or "name:tag:variant".
func Means(name string, t model.TargetID) bool {
	return t.Image == name || t.Node() == name || t.Image+":"+t.Tag == name
}

// named are the targets that the names mean.
func (f *fleet) named(names []string) (targets, error) {
	found := targets{}
	for _, name := range names {
		hit := false
		for _, t := range f.order {
			if Means(name, t) {
				found[t], hit = true, true
			}
		}
		if !hit {
			return nil, Unknown(name, f.order)
		}
	}
	return found, nil
}

// choose is what the request is about: the images and everything that they
// are built from, less what it leaves out.
func (f *fleet) choose(req Request) (targets, error) {
	chosen := targets{}
	if len(req.Images) == 0 {
		for _, t := range f.order {
			chosen[t] = true
		}
	} else {
		named, err := f.named(req.Images)
		if err != nil {
			return nil, err
		}
		for t := range named {
			f.withParents(t, chosen)
		}
	}
	except, err := f.named(req.Except)
	if err != nil {
		return nil, err
	}
	for t := range f.dependants(except) {
		delete(chosen, t)
	}
	return chosen, nil
}

// withParents adds t and, as platforms move together, every platform of each
// ancestor.
func (f *fleet) withParents(t model.TargetID, into targets) {
	if into[t] {
		return
	}
	into[t] = true
	for _, sibling := range f.nodes[t.AllPlatforms()] {
		f.withParents(sibling, into)
	}
	for _, p := range f.keys[t].Parents {
		f.withParents(p, into)
	}
}

// forced are the chosen targets that must be built anew whatever the registry
// has.
func (f *fleet) forced(req Request, chosen targets) (targets, error) {
	if req.All || req.RebuildTag != "" {
		return maps.Clone(chosen), nil
	}
	named, err := f.named(req.Force)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(named, func(t model.TargetID, _ bool) bool { return !chosen[t] })
	return named, nil
}

// dependants are the targets and everything that is built from them.
func (f *fleet) dependants(of targets) targets {
	all := targets{}
	var add func(t model.TargetID)
	add = func(t model.TargetID) {
		if !all[t] {
			all[t] = true
			for _, c := range f.children[t] {
				add(c)
			}
		}
	}
	for t := range of {
		add(t)
	}
	return all
}

// reference joins the parts of an image's address that there are.
func reference(prefix, repository string) string {
	return strings.TrimPrefix(prefix+"/"+repository, "/")
}
