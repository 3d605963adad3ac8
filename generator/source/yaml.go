package source

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// What a file may cost. People's files are far below these; they bound what a
// hostile one can take.
const (
	maxFile     = 1 << 20 // bytes of rootfsgen.yaml and image.yaml
	maxLockFile = 8 << 20 // bytes of images.lock
	maxDepth    = 64      // brackets within brackets
	maxMarks    = 1000    // anchors, aliases, tags and explicit keys
	maxSiblings = 5000    // keys of one block mapping
	maxCommas   = 10_000  // items between brackets
	maxMerges   = 8       // merge keys within merge keys
	maxReports  = 100     // diagnostics of one file
	maxNodes    = 200_000 // values read, with each alias counted anew
)

// file is one YAML document while it is read.
type file struct {
	path    string
	lines   []string
	list    *diag.List
	anchors map[string]ast.Node
	nodes   int // read so far
	limit   int // most nodes that are read
	reports int // diagnostics so far
	merging int // merge keys that are being followed

	column struct{ line, runes, bytes int } // the last answer of byteColumn

	described bool // the file is there; an image may do without
}

// openFile parses one document. Mistakes go to list; the node is nil when
// there is nothing to read, and ok is false when the document is broken.
func openFile(path string, content []byte, size int, list *diag.List) (f *file, root ast.Node, ok bool) {
	f = &file{path: path, list: list, anchors: map[string]ast.Node{}, limit: max(maxNodes, size/4)}
	if len(content) > size {
		f.errorf(RuleFileTooLarge, diag.Pos{}, "", "the file has %d bytes; at most %d are read", len(content), size)
		return f, nil, false
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	content = bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))
	f.lines = strings.Split(string(content), "\n")
	if !f.checkText() {
		return f, nil, false
	}
	doc, ok := f.parse(string(content))
	return f, doc, ok
}

// checkText refuses what is not text, at its line.
func (f *file) checkText() bool {
	for i, line := range f.lines {
		at, what := strings.IndexFunc(line, isControl), "is a control character"
		if !utf8.ValidString(line) {
			at, what = invalidUTF8(line), "is not UTF-8"
		}
		if at >= 0 {
			pos := diag.Pos{Line: i + 1, Col: at + 1, EndCol: at + 2}
			f.errorf(RuleEncoding, pos, "save the file as UTF-8 text", "byte %#02x %s", line[at], what)
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return 0
}

// parse makes the syntax tree of the only document. The YAML library has
// panicked on malformed input before, so its panics are syntax errors here.
func (f *file) parse(content string) (root ast.Node, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			f.errorf(RuleSyntax, diag.Pos{Line: 1}, "", "the file is not valid YAML")
			root, ok = nil, false
		}
	}()
	tokens := lexer.Tokenize(content)
	if !f.checkCost(tokens) {
		return nil, false
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		f.syntaxError(err)
		return nil, false
	}
	return f.document(parsed)
}

func (f *file) document(parsed *ast.File) (ast.Node, bool) {
	var docs []*ast.DocumentNode
	for i, d := range parsed.Docs {
		if _, directive := d.Body.(*ast.DirectiveNode); directive || d.Body == nil && i > 0 && d.Start == nil {
			continue
		}
		docs = append(docs, d)
	}
	if len(docs) > 1 {
		pos := diag.Pos{Line: 1}
		if start := docs[1].Start; start != nil {
			pos = f.tokenPos(start)
		}
		f.errorf(RuleMultipleDocuments, pos, "keep one document in the file", "a second YAML document begins here")
		return nil, false
	}
	if len(docs) == 0 || docs[0].Body == nil {
		return nil, true
	}
	ast.Walk(anchorCollector{f}, docs[0].Body)
	return docs[0].Body, true
}

// anchorCollector remembers what each anchor names; a later one of the same
// name wins.
type anchorCollector struct{ f *file }

// Visit is called for each node.
func (c anchorCollector) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		c.f.anchors[a.Name.GetToken().Value] = a.Value
	}
	return c
}

// checkCost refuses documents whose parsing would take a time or a depth out
// of proportion to their size.
func (f *file) checkCost(tokens token.Tokens) bool {
	depth, commas, marks, entries, line := 0, 0, 0, 0, 0
	var columns, counts []int
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.CollectEntryType:
			commas++
		case token.AnchorType, token.AliasType, token.TagType, token.MappingKeyType:
			marks++
		case token.SequenceEntryType:
			if t.Position.Line != line {
				line, entries = t.Position.Line, 0
			}
			entries++
		case token.MappingValueType:
			if t.Prev == nil || depth > 0 {
				continue
			}
			for len(columns) > 0 && columns[len(columns)-1] > t.Prev.Position.Column {
				columns, counts = columns[:len(columns)-1], counts[:len(counts)-1]
			}
			if len(columns) == 0 || columns[len(columns)-1] < t.Prev.Position.Column {
				columns, counts = append(columns, t.Prev.Position.Column), append(counts, 0)
			}
			counts[len(counts)-1]++
		}
		if depth > maxDepth || commas > maxCommas || marks > maxMarks || entries > maxDepth ||
			len(columns) > maxDepth || len(counts) > 0 && counts[len(counts)-1] > maxSiblings {
			f.errorf(RuleTooComplex, f.tokenPos(t), "", "the file is nested too deeply or has too many keys, anchors or tags")
			return false
		}
	}
	return true
}

func (f *file) syntaxError(err error) {
	located, ok := err.(interface {
		GetToken() *token.Token
		GetMessage() string
	})
	if !ok || located.GetToken() == nil {
		f.errorf(RuleSyntax, diag.Pos{Line: 1}, "", "the file is not valid YAML: %s", firstLine(err.Error()))
		return
	}
	message, hint := firstLine(located.GetMessage()), ""
	if strings.Contains(message, "reserved character") { // @ and ` begin no plain text
		hint = "quote the value"
	}
	f.errorf(RuleSyntax, f.tokenPos(located.GetToken()), hint, "%s", message)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// errorf reports a mistake in this file, with its source line.
func (f *file) errorf(rule string, pos diag.Pos, hint, format string, args ...any) {
	f.report(diag.Error, rule, pos, hint, fmt.Sprintf(format, args...))
}

func (f *file) warnf(rule string, pos diag.Pos, hint, format string, args ...any) {
	f.report(diag.Warning, rule, pos, hint, fmt.Sprintf(format, args...))
}

func (f *file) report(s diag.Severity, rule string, pos diag.Pos, hint, message string) {
	f.reports++
	switch {
	case f.reports > maxReports+1:
		return
	case f.reports > maxReports:
		s, rule, hint, message = diag.Error, RuleTooMany, "", fmt.Sprintf("the file has more than %d mistakes: the others are not shown", maxReports)
	}
	pos.File = f.path
	d := diag.Diagnostic{Severity: s, Rule: rule, Pos: pos, Message: message, Hint: hint}
	if pos.Line > 0 && pos.Line <= len(f.lines) {
		d.Line = strings.ToValidUTF8(f.lines[pos.Line-1], "\ufffd")
	}
	*f.list = append(*f.list, d)
}

// pos is where a node begins.
func (f *file) pos(n ast.Node) diag.Pos {
	switch v := n.(type) {
	case nil:
		return diag.Pos{File: f.path, Line: 1, Col: 1}
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return f.pos(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return f.pos(v.Key)
	}
	return f.tokenPos(n.GetToken())
}

// byteColumn is where the given character of a line begins. It goes on from
// where it was asked last, so that a long line is not counted again and again.
func (f *file) byteColumn(line, runes int) int {
	if f.column.line != line || f.column.runes > runes {
		f.column.line, f.column.runes, f.column.bytes = line, 0, 0
	}
	text := f.lines[line-1]
	for f.column.runes < runes && f.column.bytes < len(text) {
		_, n := utf8.DecodeRuneInString(text[f.column.bytes:])
		f.column.bytes += n
		f.column.runes++
	}
	return f.column.bytes
}

// tokenPos turns the library's position, in characters, into ours, in bytes,
// and finds the end of a token that lies on one line.
func (f *file) tokenPos(t *token.Token) diag.Pos {
	pos := diag.Pos{File: f.path, Line: 1, Col: 1}
	if t == nil || t.Position == nil {
		return pos
	}
	pos.Line = min(max(t.Position.Line, 1), len(f.lines))
	line := f.lines[pos.Line-1]
	col := f.byteColumn(pos.Line, max(t.Position.Column-1, 0))
	text := strings.TrimSpace(t.Origin)
	if rest := strings.TrimLeft(line[col:], " \t"); text != "" && strings.HasPrefix(rest, text) {
		col = len(line) - len(rest) // the library places some tokens at the blank before them
		pos.EndCol = col + 1 + len(text)
	}
	pos.Col = col + 1
	return pos
}
