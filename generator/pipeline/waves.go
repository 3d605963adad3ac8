package pipeline

import (
	"cmp"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Room is how much of a wave a forge takes at once.
type Room struct {
	Legs  int // jobs of one matrix
	Needs int // groups of one wave, which the next wave waits for; 0 is any number
	Name  int // characters of what tells the legs of a matrix apart; 0 is any number
}

// Batch is the images of one wave whose jobs are legs of the same matrices.
type Batch struct {
	Wave   int // from 1; images of a wave are built from earlier waves only
	Number int // within the wave, from 1
	Images []Image
}

// Group is the legs of a batch that differ in their image alone, so that they
// can share a matrix also where a forge gives a matrix one machine class and
// one time limit.
type Group struct {
	Platform model.Platform
	Runner   string
	Minutes  int
	Target   string // of the only image, where it is too long to tell legs apart; else empty
	Device   string // what their tests need, of legs that test; empty for legs that build
	Images   []Image
}

// Batches lays the images out in waves that fit into the room. A wave that is
// too wide goes on in the next one, and what is built from its rest comes
// later. Images without any leg are in the wave of their level.
func (p *Pipeline) Batches(room Room) []Batch {
	var all []Batch
	done := make(map[string]int, len(p.Images)) // image -> its wave, 0 as long as it waits
	for i := range p.Images {
		done[p.Images[i].ID] = 0
	}
	waiting := p.Images
	for wave := 1; len(waiting) > 0; wave++ {
		w := filling{room: room, wave: wave}
		var later []Image
		for i := range waiting {
			img := &waiting[i]
			if !img.ready(wave, done) || !w.take(img) {
				later = append(later, *img)
				continue
			}
			done[img.ID] = wave
		}
		all = append(all, w.batches...)
		waiting = later
	}
	return all
}

// ready tells whether the image can be in a wave: its level has come, and its
// parents are in earlier waves.
func (i *Image) ready(wave int, done map[string]int) bool {
	if i.Level >= wave {
		return false
	}
	for _, parent := range i.Parents() {
		if at, known := done[parent]; known && (at == 0 || at == wave) {
			return false
		}
	}
	return true
}

// filling is one wave as images are put into it.
type filling struct {
	room    Room
	wave    int
	batches []Batch
	keys    map[groupKey]bool // of the last batch
	groups  int               // of all batches
}

// take puts an image into the last batch, or into a new one; it is false where
// the wave is full.
func (f *filling) take(img *Image) bool {
	last := len(f.batches) - 1
	fresh := last < 0 || len(f.batches[last].Images) == f.room.Legs || len(img.Secrets)+len(f.batches[last].Images[0].Secrets) > 0
	added := 0
	for i := range img.Legs {
		for _, k := range f.room.keys(img, &img.Legs[i]) {
			if fresh || !f.keys[k] {
				added++
			}
		}
	}
	if f.room.Needs > 0 && f.groups > 0 && f.groups+added > f.room.Needs {
		return false
	}
	if fresh {
		f.batches = append(f.batches, Batch{Wave: f.wave, Number: len(f.batches) + 1})
		f.keys = map[groupKey]bool{}
		last++
	}
	for i := range img.Legs {
		for _, k := range f.room.keys(img, &img.Legs[i]) {
			f.keys[k] = true
		}
	}
	f.groups += added
	f.batches[last].Images = append(f.batches[last].Images, *img)
	return true
}

// groupKey is what legs of one matrix have in common.
type groupKey struct {
	platform model.Platform
	runner   string
	minutes  int
	target   string
	device   string
}

// keys are the groups of a leg: that of its build, and that of its tests where
// these run elsewhere.
func (r Room) keys(img *Image, l *Leg) []groupKey {
	k := groupKey{platform: l.Platform, runner: l.Runner, minutes: img.Minutes}
	if r.TooLong(img) {
		k.target = img.Target
	}
	if l.Test == "" {
		return []groupKey{k}
	}
	test := k
	test.runner, test.device = l.Test, l.Device
	return []groupKey{k, test}
}

// TooLong tells whether an image's names do not fit into the name of a leg, so
// that it has jobs of its own. An id alone always fits.
func (r Room) TooLong(img *Image) bool {
	return r.Name > 0 && img.Target != "" && len(img.ID)+len(img.Target) > r.Name
}

// Groups are the build jobs of a batch, by platform, then by what else tells
// them apart, and after them its test jobs.
func (b *Batch) Groups(room Room) []Group {
	groups := map[groupKey]*Group{}
	for i := range b.Images {
		img := &b.Images[i]
		for n := range img.Legs {
			for _, k := range room.keys(img, &img.Legs[n]) {
				if groups[k] == nil {
					groups[k] = &Group{Platform: k.platform, Runner: k.runner, Minutes: k.minutes, Target: k.target, Device: k.device}
				}
				groups[k].Images = append(groups[k].Images, *img)
			}
		}
	}
	out := make([]Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Platform.String(), b.Platform.String()), cmp.Compare(a.Runner, b.Runner), cmp.Compare(a.Minutes, b.Minutes), cmp.Compare(a.Target, b.Target))
	})
	return out
}

// Part is what some of batches come to for a part of their images: those of
// some, with the legs that they have there. Waves and numbers stay.
func Part(batches []Batch, some []Image) []Batch {
	chosen := make(map[string]*Image, len(some))
	for i := range some {
		chosen[some[i].ID] = &some[i]
	}
	var out []Batch
	for _, b := range batches {
		part := Batch{Wave: b.Wave, Number: b.Number}
		for i := range b.Images {
			if img := chosen[b.Images[i].ID]; img != nil {
				part.Images = append(part.Images, *img)
			}
		}
		if len(part.Images) > 0 {
			out = append(out, part)
		}
	}
	return out
}

// Waves cuts batches where the wave changes.
func Waves(batches []Batch) [][]Batch {
	var out [][]Batch
	for i := range batches {
		if i == 0 || batches[i].Wave != batches[i-1].Wave {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], batches[i])
	}
	return out
}
