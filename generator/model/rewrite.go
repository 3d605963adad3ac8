package model

import (
	"bytes"
	"fmt"
	"slices"
)

// AliasHost begins the new names that Rewrites give: the rest is the reference
// that is meant. No such host can exist.
const AliasHost = "rootfsgen.invalid/"

// Rewrite replaces one reference in a Dockerfile before it is built. It is
// needed where an image and a build stage have the same name: BuildKit looks
// both up in one table of named contexts, so the image gets another name.
type Rewrite struct {
	Line int    `json:"line"` // counts from 1
	Col  int    `json:"col"`  // of Old's first byte, counts from 1
	Old  string `json:"old"`  // what the Dockerfile has there
	New  string `json:"new"`  // the Ref of a NamedContext, without its platform
}

// Rewritten is the Dockerfile as it must be given to the builder: content
// with the recipe's Rewrites applied. It is content itself when there are
// none. The error says which rewrite does not fit the content.
func (r *Recipe) Rewritten(content []byte) ([]byte, error) {
	if len(r.Rewrites) == 0 {
		return content, nil
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	for _, w := range slices.Backward(r.Rewrites) {

		if w.Line < 1 || w.Line > len(lines) || w.Col < 1 || w.Col > len(lines[w.Line-1]) ||
			!bytes.HasPrefix(lines[w.Line-1][w.Col-1:], []byte(w.Old)) {
			return nil, fmt.Errorf("rewriting the Dockerfile: %q is not at line %d, column %d", w.Old, w.Line, w.Col)
		}
		line := lines[w.Line-1]
		at := w.Col - 1
		lines[w.Line-1] = bytes.Join([][]byte{line[:at], []byte(w.New), line[at+len(w.Old):]}, nil)
	}
	return bytes.Join(lines, nil), nil
}
