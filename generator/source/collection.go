package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// list is a sequence of values of one shape.
type list struct {
	of      shape
	scalar  bool // one value stands for a list of it
	unique  bool // by text
	nonzero bool // must have an item
}

func (l list) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		_, isText := n.(*ast.StringNode)
		if !l.scalar || !isText {
			f.wrongType(what, n, l.words())
			return v, false
		}
		item, ok := l.of.read(f, what, n)
		v.items = []value{item}
		return v, ok
	}
	good := true
	seen := map[string]bool{}
	for _, e := range seq.Values {
		e, ok := f.resolve(e)
		if !ok {
			good = false
			continue
		}
		item, ok := l.of.read(f, "an item of "+what, e)
		if ok && l.unique && seen[item.text] {
			f.errorf(RuleDuplicateItem, item.pos, "remove one of them", "%s lists %q twice", what, item.text)
			ok = false
		}
		seen[item.text] = true
		good = good && ok
		v.items = append(v.items, item)
	}
	if l.nonzero && len(seq.Values) == 0 {
		f.errorf(RuleBadValue, v.pos, "list something, or remove the key", "%s must not be empty", what)
		return v, false
	}
	return v, good
}

func (l list) schema() map[string]any {
	s := map[string]any{"type": "array", "items": l.of.schema()}
	if l.unique {
		s["uniqueItems"] = true
	}
	if l.nonzero {
		s["minItems"] = 1
	}
	if l.scalar {
		return map[string]any{"oneOf": []any{s, l.of.schema()}}
	}
	return s
}

func (l list) words() string { return "a list of " + plural(l.of.words()) }

// plural is "a path" as "paths"; what does not begin with an article stays.
func plural(s string) string {
	if words, found := strings.CutPrefix(s, "one of "); found {
		return words
	}
	_, rest, found := strings.Cut(s, " ")
	if !found || !strings.HasPrefix(s, "a ") && !strings.HasPrefix(s, "an ") {
		return s
	}
	end := len(rest)
	for _, joint := range []string{" with ", " of ", " such as "} {
		if i := strings.Index(rest, joint); i >= 0 {
			end = min(end, i)
		}
	}
	noun, tail := rest[:end], rest[end:]
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return noun + "s" + tail
}

// dict is a mapping whose keys are the author's.
type dict struct {
	keys text
	of   shape
}

func (d dict) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	entries, good := f.entries(what, n, d.words())
	for _, e := range entries {
		if err := d.keys.verify(e.key); err != nil {
			f.errorf(RuleBadValue, e.pos, d.keys.hint(e.key), "a key of %s: %s", what, err)
			good = false
			continue
		}
		item, ok := d.of.read(f, what+"."+e.key, e.node)
		good = good && ok
		v.pairs = append(v.pairs, pair{key: e.key, pos: e.pos, value: item})
	}
	return v, good
}

func (d dict) schema() map[string]any {
	return map[string]any{"type": "object", "propertyNames": d.keys.schema(), "additionalProperties": d.of.schema()}
}

func (d dict) words() string { return "a mapping of names to " + plural(d.of.words()) }

// field is one key of a record: everything that anything needs to know of it.
type field[T any] struct {
	key      string
	doc      string // what it means, for the schema and the reference
	def      any    // the default, where it is a fixed value
	defWords string // the default in words, where it is not
	required bool
	remedy   string // what to do where a required one is missing
	shape    shape
	set      func(*T, value)
}

// record is a mapping with known keys. The value's record is a T, its pairs
// are the keys that are known.
type record[T any] struct {
	name   string // "an image"
	fields []field[T]
	first  string            // key that must come first, if any
	gone   map[string]string // keys that people look for here, and what to write instead
}

func (r record[T]) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	var out T
	entries, good := f.entries(what, n, r.words())
	have := map[string]bool{}
	for i, e := range entries {
		have[e.key] = true
		field, known := r.field(e.key)
		if !known {
			f.errorf(RuleUnknownKey, e.pos, cmp.Or(r.gone[e.key], didYouMean(e.key, r.keys())), "unknown key %q in %s", e.key, what)
			good = false
			continue
		}
		if e.key == r.first && i > 0 {
			f.errorf(RuleFirstKey, e.pos, "move it to the top", "%s must be the first key", e.key)
			good = false
		}
		item, ok := field.shape.read(f, e.key, e.node)
		v.pairs = append(v.pairs, pair{key: e.key, pos: e.pos, value: item, bad: !ok})
		if !ok {
			good = false
			continue
		}
		field.set(&out, item)
	}
	for _, field := range r.fields {
		if field.required && !have[field.key] {
			f.errorf(RuleMissingKey, v.pos, field.remedy, "%s has no %s", what, field.key)
			good = false
		}
	}
	v.record = out
	return v, good
}

func (r record[T]) field(key string) (field[T], bool) {
	i := slices.IndexFunc(r.fields, func(f field[T]) bool { return f.key == key })
	if i < 0 {
		return field[T]{}, false
	}
	return r.fields[i], true
}

func (r record[T]) keys() []string {
	out := make([]string, 0, len(r.fields))
	for _, f := range r.fields {
		out = append(out, f.key)
	}
	return out
}

func (r record[T]) words() string { return "a mapping with the keys of " + r.name }

func (r record[T]) schema() map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range r.fields {
		s := f.shape.schema()
		s["description"] = f.doc
		if f.def != nil {
			s["default"] = f.def
		}
		properties[f.key] = s
		if f.required {
			required = append(required, f.key)
		}
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// entry is one key of a mapping and the node that it holds.
type entry struct {
	key  string
	pos  diag.Pos
	node ast.Node
}

// entries lists a mapping in its order, with aliases and merge keys followed.
// Duplicate keys are reported; the first counts.
func (f *file) entries(what string, n ast.Node, expected string) ([]entry, bool) {
	values, ok := mappingValues(n)
	if !ok {
		f.wrongType(what, n, expected)
		return nil, false
	}
	var out []entry
	var merged []ast.Node
	good := true
	lines := map[string]int{}
	for _, mv := range values {
		if mv.Key.IsMergeKey() {
			merged = append(merged, mv.Value)
			continue
		}
		key, pos, ok := f.key(mv.Key)
		if !ok {
			good = false
			continue
		}
		if line, twice := lines[key]; twice {
			f.errorf(RuleDuplicateKey, pos, fmt.Sprintf("it is on line %d already", line), "key %q is there twice", key)
			good = false
			continue
		}
		lines[key] = pos.Line
		node, ok := f.resolve(mv.Value)
		if !ok {
			good = false
			continue
		}
		out = append(out, entry{key: key, pos: pos, node: node})
	}
	for _, m := range merged {
		more, ok := f.merge(m)
		good = good && ok
		for _, e := range more {
			if _, there := lines[e.key]; !there {
				lines[e.key] = e.pos.Line
				out = append(out, e)
			}
		}
	}
	return out, good
}

// merge lists what the value of a merge key brings: a mapping, or a list of
// mappings of which the first that has a key wins.
func (f *file) merge(n ast.Node) ([]entry, bool) {
	n, ok := f.resolve(n)
	if !ok {
		return nil, false
	}
	if f.merging++; f.merging > maxMerges {
		f.errorf(RuleTooComplex, f.pos(n), "write the keys out", "merge keys are nested too deeply")
		return nil, false
	}
	defer func() { f.merging-- }()
	nodes := []ast.Node{n}
	if seq, isList := n.(*ast.SequenceNode); isList {
		nodes = seq.Values
	}
	var out []entry
	for _, n := range nodes {
		n, ok := f.resolve(n)
		if !ok {
			return nil, false
		}
		more, ok := f.entries("a merge key", n, "a mapping")
		if !ok {
			return nil, false
		}
		out = append(out, more...)
	}
	return out, true
}

func mappingValues(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

// key reads the name of an entry.
func (f *file) key(n ast.Node) (string, diag.Pos, bool) {
	if explicit, ok := n.(*ast.MappingKeyNode); ok && explicit.Value != nil {
		n = explicit.Value
	}
	pos := f.pos(n)
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value, pos, true
	}
	hint := ""
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		hint = fmt.Sprintf("quote it: %q", n.GetToken().Value)
	}
	f.errorf(RuleWrongType, pos, hint, "a key must be text, not %s", kindOf(n))
	return "", pos, false
}

// resolve follows anchors and aliases to the value itself, and counts it.
func (f *file) resolve(n ast.Node) (ast.Node, bool) {
	for hops := 0; ; hops++ {
		if f.nodes++; f.nodes > f.limit || hops > maxDepth {
			if f.nodes <= f.limit+1 {
				f.errorf(RuleTooComplex, f.pos(n), "write the values out", "the file's aliases expand to too much")
			}
			f.nodes = f.limit + 1
			return nil, false
		}
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.AliasNode:
			target, known := f.anchors[v.Value.GetToken().Value]
			if !known {
				f.errorf(RuleSyntax, f.pos(n), "", "alias %q names no anchor", v.Value.GetToken().Value)
				return nil, false
			}
			n = target
		case nil:
			return nil, false
		default:
			return n, true
		}
	}
}
