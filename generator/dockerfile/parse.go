package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// The rules of this package's diagnostics.
const (
	RuleSyntax   = "dockerfile-syntax"   // BuildKit's parser refuses it
	RuleStage    = "dockerfile-stage"    // a stage that is not there, or is there too late
	RuleArgument = "dockerfile-argument" // a FROM whose argument has no value
	RuleRef      = "dockerfile-ref"      // a reference that no image can have
	RuleRemote   = "dockerfile-remote"   // an ADD of something that can change by itself
	RuleSource   = "context-source"      // a COPY source that is not there
	RuleOutside  = "context-outside"     // a path or link that leaves the context
	RuleSubmod   = "context-submodule"   // a path inside a submodule
	RuleName     = "context-name"        // a file whose name neither a plan nor a build can hold
	RuleIgnore   = "dockerignore"        // a pattern that does not parse
)

// File is a Dockerfile as BuildKit's parser reads it. It may be resolved by
// several goroutines.
type File struct {
	path string
	*content
}

// content is what does not depend on where the file lies.
type content struct {
	mu        sync.Mutex // of RUNs: BuildKit expands their mounts in place
	names     *names
	lines     []string // with their ends cut off
	escape    rune
	anywhere  bool // it means the same on every platform
	syntax    string
	syntaxPos diag.Pos // without File
	meta      []instruction
	stages    []stage
}

// instruction is one line of a Dockerfile, continued or not.
type instruction struct {
	node    statement
	cmd     instructions.Command
	known   *memo // what other files with this instruction have made of it; may be nil
	trigger bool  // of the base's ONBUILD: it stands in no line of this file
}

// statement is what BuildKit's parser makes of an instruction, and the lines
// of this file that it stands in: those of the node itself may be another
// file's.
type statement struct {
	*parser.Node
	StartLine, EndLine int
}

// alone is a node of this file only.
func alone(node *parser.Node) statement { return statement{node, node.StartLine, node.EndLine} }

// stage is what one FROM begins.
type stage struct {
	node statement
	from instructions.Stage
	body []instruction
}

// Parse reads a Dockerfile. path is where it lies in the tree, for positions.
// The diagnostics are all of its mistakes as far as BuildKit's parser can go
// on after one; File is nil when there are errors.
func Parse(path string, data []byte) (*File, diag.List) {
	return parse(path, data, &names{}, wholeTree)
}

// tree is what BuildKit's parser makes of a file.
type tree struct {
	escape     rune
	statements []statement
	memos      []*memo // of the statements, as many files have them; may be empty
}

// wholeTree reads a file by itself.
func wholeTree(data []byte) (tree, error) {
	result, err := parseTree(data)
	if err != nil {
		return tree{}, err
	}
	t := tree{escape: result.EscapeToken, statements: make([]statement, len(result.AST.Children))}
	for i, node := range result.AST.Children {
		t.statements[i] = alone(node)
	}
	return t, nil
}

func parse(path string, data []byte, n *names, read func([]byte) (tree, error)) (*File, diag.List) {
	c := &content{names: n, lines: make([]string, 0, bytes.Count(data, []byte("\n"))+1)}
	for line := range strings.SplitSeq(string(data), "\n") {
		c.lines = append(c.lines, strings.TrimSuffix(line, "\r"))
	}
	f := &File{path: path, content: c}
	var list diag.List
	if syntax, line := syntaxOf(data); syntax != "" {
		c.syntax = syntax
		c.syntaxPos = diag.Pos{Line: line}
	}
	result, err := read(data)
	if err != nil {
		list.Errorf(RuleSyntax, f.errorPos(err), "", "%s", message(err))
		return nil, list
	}
	c.escape = result.escape
	for i, node := range result.statements {
		var k *memo
		if i < len(result.memos) {
			k = result.memos[i]
		}
		f.add(node, k, &list)
	}
	if len(c.stages) == 0 && !list.HasErrors() {
		list.Errorf(RuleSyntax, diag.Pos{File: path}, "begin with FROM, for example FROM scratch", "no stage to build")
	}
	if list.HasErrors() {
		return nil, list
	}
	c.anywhere = f.neutral(data)
	return f, list
}

// At is the same file at another path: a blob that lies in several places
// needs to be parsed once only.
func (f *File) At(path string) *File { return &File{path: path, content: f.content} }

// Syntax is the reference of "# syntax=" and where it stands; empty when the
// builder's own frontend is to be used.
func (f *File) Syntax() (ref string, pos diag.Pos) {
	pos = f.syntaxPos
	pos.File = f.path
	return f.syntax, pos
}

// parseTree turns a panic of the parser, which reads what strangers wrote,
// into an error.
func parseTree(data []byte) (result *parser.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("BuildKit's parser cannot read this file: %v", r)
		}
	}()
	return parser.Parse(bytes.NewReader(data))
}

func (f *File) add(node statement, k *memo, list *diag.List) {
	parsed, err := k.parse(node.Node)
	if err != nil {
		list.Errorf(RuleSyntax, f.pos(node), suggestion(node.Node, err), "%s", message(err))
		return
	}
	switch cmd := parsed.(type) {
	case *instructions.Stage:
		if name := cmd.Name; name == "scratch" || name == "context" {
			list.Errorf(RuleStage, f.pos(node), "choose another name", "%q cannot name a stage", name)
		}
		f.stages = append(f.stages, stage{node: node, from: *cmd})
	case *instructions.ArgCommand:
		f.append(instruction{node: node, cmd: cmd, known: k})
	case instructions.Command:
		if len(f.stages) == 0 {
			list.Errorf(RuleSyntax, f.pos(node), "only ARG may stand before the first FROM", "%s before the first FROM", strings.ToUpper(node.Value))
			return
		}
		f.append(instruction{node: node, cmd: cmd, known: k})
	}
}

func (f *File) append(i instruction) {
	if len(f.stages) == 0 {
		f.meta = append(f.meta, i)
		return
	}
	s := &f.stages[len(f.stages)-1]
	s.body = append(s.body, i)
}

func parseInstruction(node *parser.Node) (parsed any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("BuildKit's parser cannot read this instruction: %v", r)
		}
	}()
	var lint *linter.Linter
	if len(node.PrevComment) > 0 { // "# check=" may be among them, which is said to a linter
		lint = linter.New(&linter.Config{})
	}
	return instructions.ParseInstructionWithLinter(node, lint)
}

// pos is where an instruction begins.
func (f *File) pos(node statement) diag.Pos {
	p := diag.Pos{File: f.path, Line: node.StartLine, Col: 1}
	if line := f.line(node.StartLine); line != "" {
		p.Col = len(line) - len(strings.TrimLeft(line, " \t\v\f\r")) + 1
		p.EndCol = min(p.Col+len(node.Value), len(line)+1) // a name can go on after an escaped line end
	}
	return p
}

// line is one source line, counted from 1; empty when there is none.
func (f *File) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

func (f *File) errorPos(err error) diag.Pos {
	p := diag.Pos{File: f.path}
	var at *parser.LocationError
	if errors.As(err, &at) && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		p.Line = min(max(at.Locations[0][0].Start.Line, 1), len(f.lines))
		p.Col = 1
	}
	return p
}

// message is an error of BuildKit's on one line, without its suggestion.
func message(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	if before, _, found := strings.Cut(first, " (did you mean "); found {
		return before
	}
	return first
}

// suggestion is what may have been meant where an instruction or a flag is not
// known. BuildKit's own suggestion depends on the order of a map.
func suggestion(node *parser.Node, err error) string {
	if _, unknown := errors.AsType[*instructions.UnknownInstructionError](err); unknown {
		return didYouMean(diag.Nearest(node.Value, known, 2))
	}
	if _, flag, found := strings.Cut(message(err), "unknown flag: --"); found {
		if near := diag.Nearest(flag, flags[strings.ToUpper(node.Value)], 2); near != "" {
			return didYouMean("--" + near)
		}
	}
	return ""
}

func didYouMean(s string) string {
	if s == "" {
		return ""
	}
	return "did you mean " + s + "?"
}

// known are the instructions, those that people write most first.
var known = []string{
	"RUN", "COPY", "FROM", "ADD", "ENV", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT", "LABEL", "EXPOSE", "VOLUME",
	"SHELL", "HEALTHCHECK", "STOPSIGNAL", "ONBUILD", "MAINTAINER",
}

// flags are those of each instruction.
var flags = map[string][]string{
	"FROM":        {"platform"},
	"RUN":         {"mount", "network", "security", "device"},
	"COPY":        {"from", "chown", "chmod", "link", "parents", "exclude"},
	"ADD":         {"checksum", "chown", "chmod", "link", "keep-git-dir", "unpack", "exclude"},
	"HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
}
