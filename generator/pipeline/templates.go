package pipeline

import (
	"maps"
	"slices"
)

// Templates are people's own, which lay a pipeline out instead of the built-in
// ones of the same name.
type Templates struct {
	Dir   string            // where they lie, from the root of the tree
	Texts map[string][]byte // by path in Dir
}

// Digest tells templates from others: it is empty where there are none.
func (t Templates) Digest() []byte {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(t.Texts)) {
		all = append(all, name...)
		all = append(all, 0)
		all = append(all, t.Texts[name]...)
		all = append(all, 0)
	}
	return all
}
