package dockerfile

import (
	"maps"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Scratch is memory that one goroutine's calls of Resolve use again and again:
// a large fleet has one for each target. What BaseConfig does may resolve
// another file with it meanwhile.
type Scratch struct {
	lex          *shell.Lex
	escape       rune // of lex
	reads        []Read
	environments []*environment
	used         int // of environments
	settings     map[string]string
	text         []byte
}

// setting is "name=value", one string for all images that have it, as they have
// their PATH from each other.
func (s *Scratch) setting(name, value string) string {
	s.text = append(append(append(s.text[:0], name...), '='), value...)
	if known, found := s.settings[string(s.text)]; found {
		return known
	}
	if s.settings == nil {
		s.settings = map[string]string{}
	}
	made := string(s.text)
	if len(s.settings) < 1024 {
		s.settings[made] = made
	}
	return made
}

// words is BuildKit's lexer for a file.
func (s *Scratch) words(escape rune) *shell.Lex {
	if s.lex == nil || s.escape != escape {
		s.lex, s.escape = shell.NewLex(escape), escape
	}
	return s.lex
}

// environment is an empty one.
func (s *Scratch) environment() *environment {
	if s.used == len(s.environments) {
		s.environments = append(s.environments, &environment{vars: map[string]variable{}, image: map[string]variable{}})
	}
	e := s.environments[s.used]
	s.used++
	clear(e.vars)
	clear(e.image)
	*e = environment{vars: e.vars, image: e.image, scratch: s}
	return e
}

// clone is a copy of an environment.
func (s *Scratch) clone(e *environment) *environment {
	c := s.environment()
	maps.Copy(c.vars, e.vars)
	maps.Copy(c.image, e.image)
	c.open = e.open
	return c
}
