package dockerfile

import (
	"maps"
	"slices"
	"strings"
)

// environment is what the variables of a stage are worth at one instruction.
type environment struct {
	vars  map[string]variable // of ARG and ENV
	image map[string]variable // of ENV only: what an image's configuration keeps
	open  bool                // the base is not known: it may set variables that are not in vars
	own   *predefined         // where vars has none; nil inside stages

	scratch *Scratch // that it is part of
}

// variable is one value; unknown means that it came from a variable of a base
// that is not known.
type variable struct {
	value   string
	unknown bool
}

// get is what a variable is worth; false where nothing set it.
func (e *environment) get(name string) (variable, bool) {
	if v, found := e.vars[name]; found || e.own == nil {
		return v, found
	}
	value, found := e.own.value(name)
	return variable{value: value}, found
}

func (e *environment) set(name, value string) { e.vars[name] = variable{value: value} }

// setAll takes an image's "NAME=value" list.
func (e *environment) setAll(env []string) {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		e.set(name, value)
		e.image[name] = variable{value: value}
	}
}

// forget makes every variable unknown: one whose name is not known was set.
func (e *environment) forget() {
	e.open = true
	for _, all := range []map[string]variable{e.vars, e.image} {
		for name, v := range all {
			all[name] = variable{value: v.value, unknown: true}
		}
	}
}

// config is the known part of what an image's configuration keeps, sorted, and
// whether that is all.
func (e *environment) config() (env []string, complete bool) {
	complete = !e.open
	for _, name := range slices.Sorted(maps.Keys(e.image)) {
		v := e.image[name]
		if v.unknown {
			complete = false
			continue
		}
		env = append(env, e.scratch.setting(name, v.value))
	}
	return env, complete
}

// expansion is one expanded word.
type expansion struct {
	text    string
	unknown []string // variables that it needs and that have no known value, sorted
	used    []string // variables that it took a value from, sorted
	err     error
}

// expand does what BuildKit does to a word: quotes, escapes and variables. A
// variable that is not set is an empty string, as there, and listed as unknown
// if the environment cannot tell, or always when strict is set.
func (e *environment) expand(word string, escape rune, strict bool) expansion {
	if !special(word, escape) {
		return expansion{text: word}
	}
	g := &getter{env: e}
	text, _, err := e.scratch.words(escape).ProcessWord(word, g)
	x := expansion{text: text, err: err, used: slices.Compact(sorted(g.hit))}
	unknown := g.unknown
	if strict || e.open {
		unknown = append(unknown, e.missing(word, escape)...)
	}
	x.unknown = slices.Compact(sorted(unknown))
	return x
}

// special tells whether a word may be something else than it says.
func special(word string, escape rune) bool {
	for _, c := range word {
		switch c {
		case '$', '\'', '"', '<', escape:
			return true
		}
	}
	return false
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// getter remembers what BuildKit's lexer asked for.
type getter struct {
	env     *environment
	hit     []string
	unknown []string
}

func (g *getter) Get(name string) (string, bool) {
	v, found := g.env.get(name)
	if !found {
		return "", false
	}
	g.hit = append(g.hit, name)
	if v.unknown {
		g.unknown = append(g.unknown, name)
	}
	return v.value, true
}

func (g *getter) Keys() []string { return nil }

// missing lists the variables of word that are not set and for which the word
// has no answer of its own: ${name:-default} and ${name:+other} have one, unless
// the base may set the name. What stands between single quotes is no variable.
func (e *environment) missing(word string, escape rune) []string {
	var out []string
	runes := []rune(word)
	single, double := false, false
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == escape && !single:
			i++
		case c == '\'' && !double:
			single = !single
		case c == '"' && !single:
			double = !double
		case c == '$' && !single:
			name, operator, n := variableAt(runes[i+1:])
			i += n
			v, set := e.get(name)
			// What is open may be set: no operator answers for it then.
			if name != "" && !set && (e.open || !answered(operator)) {
				out = append(out, name)
			}
			if unused(operator, v.value, set) {
				i += toBrace(runes[i+1:])
			}
		}
	}
	return out
}

// variableAt reads name or {name and the operator after it; n is how many
// runes that is. A default is left to the caller: it is a word of its own.
func variableAt(runes []rune) (name, operator string, n int) {
	braced := len(runes) > 0 && runes[0] == '{'
	if braced {
		n++
	}
	begin := n
	for n < len(runes) && isNameRune(runes[n], n == begin) {
		n++
	}
	name = string(runes[begin:n])
	if !braced {
		return name, "", n
	}
	begin = n
	for n < len(runes) && strings.ContainsRune(":-+?", runes[n]) && n < begin+2 {
		n++
	}
	return name, string(runes[begin:n]), n
}

func isNameRune(r rune, first bool) bool {
	return r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || !first && '0' <= r && r <= '9'
}

// answered tells whether an operator says what an unset variable is worth.
func answered(operator string) bool {
	operator = strings.TrimPrefix(operator, ":")
	return strings.HasPrefix(operator, "-") || strings.HasPrefix(operator, "+")
}

// unused tells whether the word after an operator is not looked at.
func unused(operator, value string, set bool) bool {
	operator, nullIsUnset := strings.CutPrefix(operator, ":")
	if nullIsUnset && value == "" {
		set = false
	}
	return strings.HasPrefix(operator, "-") && set || strings.HasPrefix(operator, "+") && !set
}

// toBrace is how many runes there are before the brace that closes a
// variable.
func toBrace(runes []rune) int {
	depth := 1
	for i, r := range runes {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return i
		}
	}
	return len(runes)
}
