package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a place in a file. The zero node is one that is not there: it has no
// text, no items and no entries.
type node struct{ *yaml.Node }

// entry is one entry of a mapping.
type entry struct{ key, value node }

// parse reads a file of one document. Aliases, merge keys and keys that are
// there twice are refused: two readers could see two files.
func parse(path string, text []byte) (node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return node{}, fmt.Errorf("auditing %s: %w", path, err)
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return node{}, fmt.Errorf("auditing %s: it has more than one document", path)
	}
	if err := plainNode(doc.Content[0]); err != nil {
		return node{}, fmt.Errorf("auditing %s: %w", path, err)
	}
	return node{doc.Content[0]}, nil
}

func plainNode(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Tag == "!!merge" {
		return fmt.Errorf("line %d: an anchor, alias or merge key", n.Line)
	}
	keys := map[string]bool{}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; keys[k] {
			return fmt.Errorf("line %d: the key %q is there twice", n.Content[i].Line, k)
		}
		keys[n.Content[i].Value] = true
	}
	for _, c := range n.Content {
		if err := plainNode(c); err != nil {
			return err
		}
	}
	return nil
}

func (n node) there() bool { return n.Node != nil }

// line is where the node is, 1 for one that is not there.
func (n node) line() int {
	if n.Node == nil {
		return 1
	}
	return n.Line
}

// text is a scalar's value.
func (n node) text() string {
	if n.Node == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// comment is what stands behind the node in its line, without the #.
func (n node) comment() string {
	if n.Node == nil {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(n.LineComment, "#"))
}

func (n node) isMapping() bool { return n.Node != nil && n.Kind == yaml.MappingNode }

func (n node) entries() []entry {
	if !n.isMapping() {
		return nil
	}
	var out []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, entry{node{n.Content[i]}, node{n.Content[i+1]}})
	}
	return out
}

// get is what a path of keys leads to.
func (n node) get(keys ...string) node {
	for _, key := range keys {
		next := node{}
		for _, e := range n.entries() {
			if e.key.text() == key {
				next = e.value
			}
		}
		n = next
	}
	return n
}

// items are those of a list; a scalar is a list of one.
func (n node) items() []node {
	switch {
	case n.Node == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		var out []node
		for _, c := range n.Content {
			out = append(out, node{c})
		}
		return out
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []node{n}
	}
	return nil
}

// texts are the scalars of items.
func (n node) texts() []string {
	var out []string
	for _, i := range n.items() {
		out = append(out, i.text())
	}
	return out
}

// scalars calls do for every scalar at and below n, keys left out.
func (n node) scalars(do func(node)) {
	if n.Node == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		do(n)
		return
	}
	for _, e := range n.entries() {
		e.value.scalars(do)
	}
	if n.Kind == yaml.SequenceNode {
		for _, i := range n.items() {
			i.scalars(do)
		}
	}
}
