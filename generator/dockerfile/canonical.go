package dockerfile

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// canonical is an instruction in the form that the key holds: the name in
// capitals, then its flags and words, each quoted. Comments, blanks
// between words and where a line is continued do not show; the content of
// here-documents does.
func (i instruction) canonical() string {
	k := i.known
	if k == nil {
		return i.text()
	}
	k.written.Do(func() { k.canonical = i.text() })
	return k.canonical
}

func (i instruction) text() string {
	var b strings.Builder
	b.Grow(len(i.node.Original) + 16) // for a few quotes
	b.WriteString(strings.ToUpper(i.node.Value))
	for _, flag := range i.node.Flags {
		word(&b, flag)
	}
	switch cmd := i.cmd.(type) {
	case *instructions.EnvCommand:
		pairs(&b, cmd.Env)
	case *instructions.LabelCommand:
		pairs(&b, cmd.Labels)
	case *instructions.ArgCommand:
		for _, arg := range cmd.Args {
			if arg.Value == nil {
				word(&b, arg.Key)
			} else {
				word(&b, arg.Key+"="+*arg.Value)
			}
		}
	case *instructions.OnbuildCommand:
		word(&b, cmd.Expression)
	default:
		nodeWords(&b, i.node.Node)
	}
	for _, h := range i.node.Heredocs {
		heredoc(&b, h)
	}
	return b.String()
}

func canonicalFrom(s *stage) string {
	var b strings.Builder
	b.WriteString("FROM")
	for _, flag := range s.node.Flags {
		word(&b, flag)
	}
	word(&b, s.from.BaseName)
	if s.from.Name != "" {
		b.WriteString(" AS")
		word(&b, s.from.Name)
	}
	return b.String()
}

// show finds out whether the history of the image shows how its instructions are
// written. A folder that a stage begins with is a layer without a history, and
// the exporter makes one up of the name of a step: "[build 2/3] COPY  a /".
func (r *resolver) show(target int) {
	isFolder := false
	for i := target; i >= 0 && !isFolder; i = r.stages[i].parent {
		_, isFolder = folderContext(r.contexts[r.stages[i].context])
	}
	if !isFolder {
		return
	}
	for i := target; i >= 0; i = r.stages[i].parent {
		s := r.stages[i]
		s.shown = true
		if len(r.stages) > 1 {
			s.label = cmp.Or(s.from.Name, "stage-"+strconv.Itoa(i))
		}
	}
}

// shownFrom adds to a FROM in canonical form what the history shows of it.
func (s *resolvedStage) shownFrom(canonical string) string {
	if !s.shown {
		return canonical
	}
	return canonical + " (" + strconv.QuoteToASCII(s.label) + ")"
}

// shownText is an instruction in canonical form, with what the history shows of
// it.
func (s *resolvedStage) shownText(in instruction) string {
	text := in.canonical()
	if !s.shown {
		return text
	}
	switch in.cmd.(type) {
	case *instructions.CopyCommand, *instructions.AddCommand, *instructions.RunCommand, *instructions.WorkdirCommand:
		return text + " (" + strconv.QuoteToASCII(strings.TrimSpace(in.node.Original)) + ")"
	}
	return text
}

func nodeWords(b *strings.Builder, node *parser.Node) {
	if node.Attributes["json"] {
		b.WriteString(" json")
	}
	for n := node.Next; n != nil; n = n.Next {
		word(b, n.Value)
		for _, child := range n.Children {
			b.WriteString(" (")
			b.WriteString(strings.ToUpper(child.Value))
			nodeWords(b, child)
			b.WriteString(")")
		}
	}
}

func pairs(b *strings.Builder, all instructions.KeyValuePairs) {
	for _, kv := range all {
		if strings.Contains(kv.Key, "=") {
			b.WriteString(" " + strconv.QuoteToASCII(kv.Key))
		} else {
			word(b, kv.Key)
		}
		b.WriteString("=")
		b.WriteString(quoted(kv.Value))
	}
}

func heredoc(b *strings.Builder, h parser.Heredoc) {
	b.WriteString(" <<")
	if h.Chomp {
		b.WriteString("-")
	}
	if !h.Expand {
		b.WriteString("raw")
	}
	word(b, h.Name)
	word(b, h.Content)
}

func word(b *strings.Builder, s string) {
	b.WriteString(" ")
	b.WriteString(quoted(s))
}

// quoted is injective and the same under every version of Go: what is not
// ASCII is written by its number, so that no table of printable characters
// has a say in a key. Plain words that this package does not use itself stay
// as they are.
func quoted(s string) string {
	if s == "" || s == "AS" || s == "json" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune("\"\\'()<>", r)
	}) {
		return strconv.QuoteToASCII(s)
	}
	return s
}
