package dockerfile

import (
	"bytes"
	"strings"
	"sync"
	"unicode"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// Parser reads many Dockerfiles. It remembers what BuildKit's parser made of
// an instruction, as the Dockerfiles of a fleet have most of theirs in common.
// It is safe for concurrent use.
type Parser struct {
	mu    sync.RWMutex
	known map[string]*memo // by text
	names names
}

// memo is an instruction that was read. Its place is that of another file.
type memo struct {
	node *parser.Node
	once sync.Once
	cmd  any // nil where each file must read it by itself

	written   sync.Once
	canonical string
}

// parse is what the instruction means, node being its own in a file.
func (k *memo) parse(node *parser.Node) (any, error) {
	if k == nil {
		return parseInstruction(node)
	}
	var first any
	var err error
	k.once.Do(func() {
		if first, err = parseInstruction(node); err == nil && !expanded(first) {
			k.cmd = first
		}
	})
	switch {
	case first != nil || err != nil:
		return first, err
	case k.cmd != nil:
		return k.cmd, nil
	}
	return parseInstruction(node)
}

// expanded tells whether resolving a file changes an instruction: BuildKit
// expands the mounts of a RUN in place.
func expanded(cmd any) bool {
	run, isRun := cmd.(*instructions.RunCommand)
	return isRun && len(instructions.GetMounts(run)) > 0
}

// names are references that were read.
type names struct {
	mu    sync.Mutex
	named map[string]reference.Named
}

func (n *names) parse(name string) (reference.Named, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if named, done := n.named[name]; done {
		return named, nil
	}
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, err
	}
	if n.named == nil {
		n.named = map[string]reference.Named{}
	}
	if len(n.named) < remembered {
		n.named[name] = named
	}
	return named, nil
}

// remembered bounds the instructions that are kept, and longest the length of
// each.
const (
	remembered = 1 << 14
	longest    = 4 << 10
)

// NewParser remembers nothing yet.
func NewParser() *Parser { return &Parser{known: map[string]*memo{}} }

// Parse is the function Parse.
func (p *Parser) Parse(path string, data []byte) (*File, diag.List) {
	return parse(path, data, &p.names, p.tree)
}

// ParseAll parses many files at once, without places; a file with mistakes is
// nil, and Parse says which. One run of BuildKit's parser reads what is new in
// all of them.
func (p *Parser) ParseAll(files [][]byte) []*File {
	out := make([]*File, len(files))
	trees := p.trees(files)
	for i, data := range files {
		known := trees[i]
		if f, list := parse("", data, &p.names, func(data []byte) (tree, error) {
			if len(known.statements) == 0 {
				return wholeTree(data)
			}
			return known, nil
		}); len(list) == 0 {
			out[i] = f
		}
	}
	return out
}

// tree is what BuildKit's parser makes of one file.
func (p *Parser) tree(data []byte) (tree, error) {
	if known := p.trees([][]byte{data})[0]; len(known.statements) > 0 {
		return known, nil
	}
	return wholeTree(data)
}

// trees are what BuildKit's parser makes of files; empty where it must read one
// as a whole. The instructions of a file without directives and
// here-documents do not depend on each other, so each is read by itself, and
// those that were read before are not read again.
func (p *Parser) trees(files [][]byte) []tree {
	cut := make([][]piece, len(files))
	var fresh []*piece
	var text []byte
	p.mu.RLock()
	for i, data := range files {
		cut[i], _ = split(data)
		for j := range cut[i] {
			piece := &cut[i][j]
			if piece.known = p.known[string(piece.text)]; piece.known == nil {
				fresh = append(fresh, piece)
				text = append(append(text, piece.text...), '\n')
			}
		}
	}
	p.mu.RUnlock()
	if len(fresh) > 0 {
		result, err := parseTree(text)
		if err != nil || len(result.AST.Children) != len(fresh) {
			return p.oneByOne(files) // so that a mistake is that of its own file
		}
		p.remember(fresh, result.AST.Children)
	}
	out := make([]tree, len(files))
	for i, pieces := range cut {
		out[i] = placed(pieces)
	}
	return out
}

func (p *Parser) oneByOne(files [][]byte) []tree {
	out := make([]tree, len(files))
	for i := range files {
		if len(files) > 1 {
			out[i] = p.trees(files[i : i+1])[0]
		}
	}
	return out
}

// placed puts instructions together to a file.
func placed(pieces []piece) tree {
	t := tree{escape: '\\', statements: make([]statement, len(pieces)), memos: make([]*memo, len(pieces))}
	for i, piece := range pieces {
		t.statements[i], t.memos[i] = statement{piece.known.node, piece.first, piece.last}, piece.known
	}
	return t
}

// remember keeps what was read of pieces.
func (p *Parser) remember(fresh []*piece, nodes []*parser.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := make([]memo, len(fresh))
	for i, piece := range fresh {
		if piece.known = p.known[string(piece.text)]; piece.known != nil {
			continue // another of the files has it, too
		}
		piece.known = &made[i]
		piece.known.node = nodes[i]
		if len(p.known) < remembered && len(piece.text) <= longest {
			p.known[string(piece.text)] = piece.known
		}
	}
}

// piece is one instruction with all of its lines.
type piece struct {
	text        []byte // without the last line's end
	first, last int    // lines, counted from 1
	known       *memo  // what it comes to
}

// split cuts a file into its instructions. It is false for a file in which one
// line may change what another means, and where that is not plain to see.
func split(data []byte) ([]piece, bool) {
	if len(data) == 0 || len(data) > 1<<20 || bytes.Contains(data, []byte("\ufeff")) || bytes.IndexByte(data, '\r') >= 0 || bytes.Contains(data, []byte("<<")) {
		return nil, false
	}
	out := make([]piece, 0, 8)
	begin, first, number := -1, 0, 0 // of an instruction that is continued
	for at := 0; at < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i
		}
		line := bytes.TrimLeftFunc(data[at:end], unicode.IsSpace)
		number++
		switch tail := bytes.TrimRight(line, " \t"); {
		case end-at > longest, bytes.HasSuffix(tail, []byte(`\\`)), len(tail) == 1 && tail[0] == '\\':
			return nil, false
		case len(line) == 0: // nothing, inside an instruction as well as outside
		case line[0] == '#':
			if len(out) == 0 && begin < 0 && bytes.IndexByte(line, '=') >= 0 {
				return nil, false // a directive, perhaps
			}
		case tail[len(tail)-1] == '\\':
			if begin < 0 {
				begin, first = at, number
			}
		case begin >= 0:
			out = append(out, piece{text: data[begin:end], first: first, last: number})
			begin = -1
		default:
			out = append(out, piece{text: data[at:end], first: number, last: number})
		}
		at = end + 1
	}
	if begin >= 0 {
		return nil, false
	}
	return out, len(out) > 0
}

// syntaxOf is the frontend that a file asks for. Only a file that begins with
// a comment of some kind does.
func syntaxOf(data []byte) (name string, line int) {
	text := strings.TrimLeftFunc(string(data[:min(len(data), 64)]), unicode.IsSpace)
	if text != "" && text[0] < 0x80 && (unicode.IsLetter(rune(text[0]))) {
		return "", 0
	}
	name, _, at, found := parser.DetectSyntax(data)
	if !found {
		return "", 0
	}
	return name, at[0].Start.Line
}
