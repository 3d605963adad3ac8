package source

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// value is what one node said, after its shape accepted it. Which fields are
// set depends on the shape.
type value struct {
	pos    diag.Pos
	text   string
	number float64
	flag   bool
	items  []value
	pairs  []pair
	record any
}

// pair is one entry of a mapping with free keys.
type pair struct {
	key   string
	pos   diag.Pos // of the key
	value value
	bad   bool // the value was refused; only in a record's pairs
}

func (v value) texts() []string {
	out := make([]string, 0, len(v.items))
	for _, i := range v.items {
		out = append(out, i.text)
	}
	return out
}

func (v value) textMap() map[string]string {
	out := make(map[string]string, len(v.pairs))
	for _, p := range v.pairs {
		out[p.key] = p.value.text
	}
	return out
}

// shape is what a value must look like: it reads a node, it describes itself
// as a JSON schema, and in a few words for the reference.
type shape interface {
	read(f *file, what string, n ast.Node) (value, bool)
	schema() map[string]any
	words() string
}

// text is a string. Pattern and check must agree; check words the complaint.
type text struct {
	name      string             // for the reference: "a tag"
	pattern   *regexp.Regexp     // regular expression over the whole string; JSON schema and Go read it alike
	check     func(string) error // instead of, or beside, pattern
	enum      []string
	gone      map[string]string // values that people look for, and what to write instead
	expect    string            // what is expected, for a pattern without a check
	max       int               // characters; 0 is 4096
	multiline bool
	slash     bool // one "/" at the end is dropped
	empty     bool // "" is accepted
	controls  bool // control characters are accepted: what others wrote
	version   bool // the only value is the version that this program reads
}

// maxText is the longest text, in characters, where a key says nothing else.
const maxText = 4096

func (t text) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	switch s := n.(type) {
	case *ast.StringNode:
		v.text = s.Value
	case *ast.LiteralNode:
		v.text = s.Value.Value
	default:
		f.wrongType(what, n, t.words())
		return v, false
	}
	if rest := strings.TrimSuffix(v.text, "/"); t.slash && rest != "" {
		v.text = rest
	}
	if err := t.verify(v.text); err != nil {
		f.errorf(RuleBadValue, v.pos, t.hint(v.text), "%s: %s", what, err)
		return v, false
	}
	return v, true
}

func (t text) hint(s string) string {
	switch {
	case t.version && newerForm.MatchString(s):
		return newer(t.enum[0], s)
	case len(t.enum) > 0:
		return cmp.Or(t.gone[s], nearest(s, t.enum))
	}
	return ""
}

// newerForm is what the version of a later format may be.
var newerForm = regexp.MustCompile(`^[a-z]+/v[0-9]`)

// newer is a hint for a file of another format.
func newer(read, written string) string {
	return fmt.Sprintf("this program reads %s; a newer rootfsgen may read %s", read, written)
}

func (t text) verify(s string) error {
	limit := t.max
	if limit == 0 {
		limit = maxText
	}
	switch {
	case s == "" && t.empty:
		return nil
	case s == "":
		return fmt.Errorf("must not be empty")
	case utf8.RuneCountInString(s) > limit:
		return fmt.Errorf("has more than %d characters", limit)
	case len(t.enum) > 0 && !slices.Contains(t.enum, s):
		return fmt.Errorf("%q is not one of %s", s, strings.Join(t.enum, ", "))
	case t.controls:
	case !t.multiline && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return fmt.Errorf("must be one line without control characters")
	case t.multiline && strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) >= 0:
		return fmt.Errorf("must not have control characters")
	}
	if t.check != nil {
		if err := t.check(s); err != nil {
			return err
		}
	}
	if t.pattern != nil && t.check == nil && !t.pattern.MatchString(s) {
		return fmt.Errorf("invalid value %q: expected %s", s, t.expect)
	}
	return nil
}

func (t text) schema() map[string]any {
	s := map[string]any{"type": "string"}
	if len(t.enum) > 0 {
		s["enum"] = t.enum
		return s
	}
	if !t.empty {
		s["minLength"] = 1
	}
	s["maxLength"] = maxText
	if t.max > 0 {
		s["maxLength"] = t.max
	}
	switch {
	case t.pattern != nil && t.empty:
		s["pattern"] = "^$|" + t.pattern.String()
	case t.pattern != nil:
		s["pattern"] = t.pattern.String()
	case t.controls:
	case t.multiline:
		s["pattern"] = `^[^\x00-\x08\x0b-\x1f\x7f]*$`
	default:
		s["pattern"] = `^[^\x00-\x1f\x7f]*$`
	}
	return s
}

func (t text) words() string {
	switch {
	case len(t.enum) > 0:
		return "one of " + strings.Join(t.enum, ", ")
	case t.name != "":
		return t.name
	}
	return "text"
}

// boolean is true or false.
type boolean struct{}

func (b boolean) read(f *file, what string, n ast.Node) (value, bool) {
	if v, ok := n.(*ast.BoolNode); ok {
		return value{pos: f.pos(n), flag: v.Value}, true
	}
	f.wrongType(what, n, b.words())
	return value{}, false
}

func (boolean) schema() map[string]any { return map[string]any{"type": "boolean"} }
func (boolean) words() string          { return "true or false" }

// number is a decimal number within bounds.
type number struct {
	min, max float64
	whole    bool
}

func (s number) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
	default:
		f.wrongType(what, n, s.words())
		return v, false
	}
	written := n.GetToken().Value
	var err error
	v.number, err = strconv.ParseFloat(written, 64)
	if err != nil || !decimal.MatchString(written) || s.whole && v.number != math.Trunc(v.number) {
		f.errorf(RuleWrongType, v.pos, "", "%s must be %s, not %s", what, s.words(), written)
		return v, false
	}
	if v.number < s.min || v.number > s.max {
		hint := ""
		if s.min == s.max && v.number > s.max { // the version of a format
			hint = newer(s.bounds(), written)
		}
		f.errorf(RuleBadValue, v.pos, hint, "%s: %s is not %s", what, written, s.bounds())
		return v, false
	}
	return v, true
}

// decimal leaves out what YAML versions read differently: 010, 0x10, 1_000.
var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?$`)

func (s number) schema() map[string]any {
	kind := "number"
	if s.whole {
		kind = "integer"
	}
	if s.min == s.max {
		return map[string]any{"const": s.min}
	}
	return map[string]any{"type": kind, "minimum": s.min, "maximum": s.max}
}

func (s number) bounds() string {
	low, high := strconv.FormatFloat(s.min, 'f', -1, 64), strconv.FormatFloat(s.max, 'f', -1, 64)
	if s.min == s.max {
		return low
	}
	return "between " + low + " and " + high
}

func (s number) words() string {
	if s.whole {
		return "a whole number"
	}
	return "a number"
}

// duration is a time such as 90s, 10m or 1h30m, in whole seconds; the value's
// number is the seconds.
type duration struct{ max time.Duration }

var durationPattern = regexp.MustCompile(`^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$`)

func (d duration) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	s, ok := n.(*ast.StringNode)
	if !ok {
		hint := ""
		if _, whole := n.(*ast.IntegerNode); whole {
			hint = fmt.Sprintf("add the unit: %ss", n.GetToken().Value)
		}
		f.errorf(RuleWrongType, v.pos, hint, "%s must be %s, not %s", what, d.words(), kindOf(n))
		return v, false
	}
	length, err := time.ParseDuration(s.Value)
	if err != nil || !durationPattern.MatchString(s.Value) || length < time.Second || length > d.max {
		f.errorf(RuleBadValue, v.pos, "", "%s: %q is not a time between 1s and %s, such as 90s, 10m or 1h30m", what, s.Value, short(d.max))
		return v, false
	}
	v.number, v.text = length.Seconds(), s.Value
	return v, true
}

func short(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

func (d duration) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": durationPattern.String(), "minLength": 2}
}
func (duration) words() string { return "a time such as 90s or 10m" }

// wrongType reports a value of another kind than expected.
func (f *file) wrongType(what string, n ast.Node, expected string) {
	hint := ""
	rule := RuleWrongType
	switch v := n.(type) {
	case *ast.FloatNode, *ast.IntegerNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		if !strings.HasPrefix(expected, "true") && !strings.Contains(expected, "number") && !strings.HasPrefix(expected, "a list") && !strings.HasPrefix(expected, "a mapping") {
			rule, hint = RuleUnquoted, fmt.Sprintf("quote it: %q", n.GetToken().Value)
		}
	case *ast.NullNode:
		hint = "give it a value, or remove the key"
	case *ast.StringNode:
		switch {
		case expected == boolean{}.words() && slices.Contains([]string{"yes", "on", "y"}, strings.ToLower(v.Value)):
			hint = "write true"
		case expected == boolean{}.words() && slices.Contains([]string{"no", "off", "n"}, strings.ToLower(v.Value)):
			hint = "write false"
		case strings.HasPrefix(expected, "a list") && !strings.HasPrefix(expected, "a list of mappings"):
			hint = fmt.Sprintf("write [%s]", v.Value)
		case strings.Contains(expected, "number") && decimal.MatchString(v.Value):
			hint = "write it without quotes"
		}
	}
	f.errorf(rule, f.pos(n), hint, "%s must be %s, not %s", what, expected, kindOf(n))
}

// kindOf names what a node is, for a complaint.
func kindOf(n ast.Node) string {
	switch v := n.(type) {
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.TagNode:
		return "a value with the YAML tag " + v.GetToken().Value
	}
	return "this"
}
