package dockerfile

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// byPlatform are the words without which a Dockerfile says the same on every
// platform: the arguments of BuildKit's that differ, TARGETARCH and its like,
// and the flag of a FROM.
var byPlatform = []string{"TARGET", "BUILD", "--platform"}

// neutral tells whether the file cannot mean different things on different
// platforms. A name may be continued on the next line, so the instructions are
// looked at as well as the text.
func (f *File) neutral(data []byte) bool {
	for _, word := range byPlatform {
		if bytes.Contains(data, []byte(word)) {
			return false
		}
	}
	if !slices.Contains(data, byte(f.escape)) {
		return true
	}
	for _, i := range f.meta {
		if !neutral(i.node.Original) {
			return false
		}
	}
	for _, s := range f.stages {
		if !neutral(s.node.Original) || slices.ContainsFunc(s.body, func(i instruction) bool { return !neutral(i.node.Original) }) {
			return false
		}
	}
	return true
}

func neutral(text string) bool {
	return !slices.ContainsFunc(byPlatform, func(word string) bool { return strings.Contains(text, word) })
}

// On is what the Dockerfile comes to on another platform. It is false where
// that must be found out by resolving it again. Whoever asks must know that
// what the bases give to their children is the same there.
func (r *Resolved) On(from, to model.Platform) (*Resolved, bool) {
	if !r.Neutral {
		return nil, false
	}
	same := *r
	same.Refs = slices.Clone(r.Refs)
	for i := range same.Refs {
		if same.Refs[i].Platform != from.String() {
			return nil, false
		}
		same.Refs[i].Platform = to.String()
	}
	return &same, true
}
