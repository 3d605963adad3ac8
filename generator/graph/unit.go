package graph

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// unit is one image: its targets are resolved together, by one worker.
type unit struct {
	id    model.TargetID // without a platform
	image *model.Image
	nodes []*Node // by platform, as the image has them; nil while unknown
	list  diag.List
	err   error
	like  []*Node // of an older graph: the same unless a parent gives it something else
	done  atomic.Bool

	file   *dockerfile.File // until it is resolved
	source model.TreeEntry  // of the file

	waiting []*unit // for this one; guarded by the schedule
}

// node finds a target of the unit; nil while it is not known.
func (u *unit) node(p model.Platform) *Node {
	for _, n := range u.nodes {
		if n != nil && n.ID.Platform == p {
			return n
		}
	}
	return nil
}

// schedule hands units to workers, parents before children as far as that
// can be foreseen. A unit that turns out to need one that is not resolved yet
// is put aside until that is.
type schedule struct {
	units []*unit // sorted
	names map[string]int

	missed atomic.Bool // a worker asked for a target that is in no unit

	mu    sync.Mutex
	idle  *sync.Cond
	ready []*unit
	busy  int
}

func newSchedule(units []*unit) *schedule {
	s := &schedule{units: units, names: make(map[string]int, 2*len(units)), ready: slices.Clone(units)}
	s.idle = sync.NewCond(&s.mu)
	for i, u := range units {
		s.names[u.image.ImageName] = i
	}
	for i, u := range units {
		s.names[u.id.Image] = i
	}
	return s
}

// find is the unit that a target is of; nil where there is none.
func (s *schedule) find(t model.TargetID) *unit {
	t = t.AllPlatforms()
	i, found := slices.BinarySearchFunc(s.units, t, func(u *unit, t model.TargetID) int { return u.id.Compare(t) })
	if !found {
		return nil
	}
	return s.units[i]
}

// batch is how many units a worker takes at most at once.
const batch = 32

// next waits for units to resolve; there are none when none will come any
// more.
func (s *schedule) next() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 && s.busy > 0 {
		s.idle.Wait()
	}
	if len(s.ready) == 0 {
		return nil
	}
	n := min(batch, len(s.ready)/runtime.GOMAXPROCS(0)+1)
	units := s.ready[:n:n]
	s.ready = s.ready[n:]
	s.busy += n
	return units
}

// end notes what became of a unit that next gave: it is resolved, or waits for
// another.
func (s *schedule) end(u, waitsFor *unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	switch {
	case waitsFor == nil:
		u.done.Store(true)
		s.ready = append(s.ready, u.waiting...)
		u.waiting = nil
	case waitsFor.done.Load():
		s.ready = append(s.ready, u)
	default:
		waitsFor.waiting = append(waitsFor.waiting, u)
	}
	s.idle.Broadcast()
}

// foresee guesses the unit that a Dockerfile begins with, from its text alone,
// so that little is resolved in vain.
func (s *schedule) foresee(data []byte) *unit {
	for line := range bytes.Lines(data) {
		var words [2][]byte
		n := 0
		for word := range bytes.FieldsSeq(line) {
			if words[n] = word; n == 1 || !bytes.EqualFold(word, []byte("from")) {
				break
			}
			n++
		}
		if words[1] == nil {
			continue
		}
		name, _ := cutTag(string(words[1]))
		if i, found := s.names[name]; found && !s.units[i].done.Load() {
			return s.units[i]
		}
	}
	return nil
}

// run resolves all units. What remains waits for itself, and is resolved one
// by one: these are cycles, which are reported later.
func (b *builder) run(units []*unit) {
	b.schedule = newSchedule(units)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		w := b.worker()
		workers.Go(func() {
			for units := b.schedule.next(); len(units) > 0; units = b.schedule.next() {
				w.parseAll(units)
				for _, u := range units {
					b.schedule.end(u, w.resolveUnit(u))
				}
			}
		})
	}
	workers.Wait()
	w := b.worker()
	w.alone = true
	for _, u := range units {
		if !u.done.Load() {
			w.resolveUnit(u)
			u.done.Store(true)
		}
	}
}

// parseAll parses the Dockerfiles of units that can probably be resolved now.
// It only spares time: what it leaves out is parsed, and reported, by itself.
func (b *builder) parseAll(units []*unit) {
	var fresh []*unit
	var texts [][]byte
	for _, u := range units {
		e, found := b.tree.Lookup(u.image.Dockerfile)
		if u.file != nil || u.like != nil || !found || e.Mode != model.ModeFile || b.cache.get(e.OID) != nil {
			continue
		}
		data, err := b.tree.Read(b.ctx, e.Path)
		if err != nil {
			continue
		}
		if before := b.schedule.foresee(data); before == nil || before == u {
			u.source = e
			fresh, texts = append(fresh, u), append(texts, data)
		}
	}
	for i, file := range b.cache.parseAll(texts) {
		if u := fresh[i]; file != nil {
			u.file = file.At(u.image.Dockerfile)
		}
	}
}

// worker is a copy that shares what is safe to share.
func (b *builder) worker() *builder {
	w := *b
	w.selector, w.scratch, w.active = dockerfile.NewSelector(b.tree, b.o.Ignored), &dockerfile.Scratch{}, map[model.TargetID]bool{}
	return &w
}

// resolveUnit resolves the targets of an image. It returns the unit that must
// be resolved before, if there is one.
func (b *builder) resolveUnit(u *unit) (waitsFor *unit) {
	b.unit, b.blocked, b.list, b.err, b.picks = u, nil, nil, b.ctx.Err(), nil
	if u.like != nil && !b.alone {
		if waitsFor, same := b.alike(u); same || waitsFor != nil {
			return waitsFor
		}
	}
	if len(u.nodes) == 0 {
		u.nodes = make([]*Node, len(u.image.Platforms))
	}
	for i, p := range u.image.Platforms {
		if b.err != nil {
			break
		}
		id := u.id
		id.Platform = p
		if i > 0 && u.nodes[i] == nil {
			u.nodes[i] = b.again(u.nodes[0], id)
		}
		if u.nodes[i] == nil && b.blocked == nil {
			b.node(id, u.image)
		}
		if b.blocked != nil {
			u.nodes = nil
			return b.blocked
		}
	}
	u.list, u.err, u.file = b.list, b.err, nil
	return nil
}

// again is what a target comes to whose Dockerfile says the same on its
// platform as on another; nil where that is not known.
func (b *builder) again(first *Node, id model.TargetID) *Node {
	if first == nil || first.Resolved == nil || len(b.list) > 0 {
		return nil
	}
	resolved, same := first.Resolved.On(first.ID.Platform, id.Platform)
	if !same {
		return nil
	}
	n := &Node{ID: id, Image: first.Image, Source: first.Source, Resolved: resolved, Syntax: first.Syntax, Files: first.Files, Folders: first.Folders, Inputs: first.Inputs}
	for i, ref := range resolved.Refs {
		if ref.Kind == dockerfile.RefFrom {
			a, knownA := b.config(first.Resolved.Refs[i])
			c, knownC := b.config(ref)
			if knownA != knownC || !sameConfig(&a, &c) {
				return nil
			}
		}
		b.reference(n, ref)
	}
	b.archive(n)
	if len(b.list) > 0 || b.blocked != nil {
		b.list = nil // it is all found again
		return nil
	}
	n.sort()
	return n
}

func sameConfig(a, b *model.BaseConfig) bool { return a == b || reflect.DeepEqual(a, b) }
