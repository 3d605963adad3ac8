package dockerfile

import (
	"bytes"
	"strings"
	"sync"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// Parser reads many Dockerfiles. It remembers what BuildKit's parser made of
// an instruction, as the Dockerfiles of a fleet have most of theirs in common.
// It is safe for concurrent use.
type Parser struct {
	mu    sync.RWMutex
	known map[string]*parser.Node // by text; the place is that of another file
}

// remembered bounds the instructions that are kept, and longest the length of
// each.
const (
	remembered = 1 << 14
	longest    = 4 << 10
)

// NewParser remembers nothing yet.
func NewParser() *Parser { return &Parser{known: map[string]*parser.Node{}} }

// Parse is the function Parse.
func (p *Parser) Parse(path string, data []byte) (*File, diag.List) { return parse(path, data, p.tree) }

// tree is what BuildKit's parser makes of a file. Its instructions do not
// depend on each other in a file without directives and here-documents, so
// each is read by itself there, and those that were read before are not read
// again.
func (p *Parser) tree(data []byte) (*parser.Result, error) {
	pieces, simple := split(data)
	if !simple {
		return parseTree(data)
	}
	nodes := make([]*parser.Node, len(pieces))
	var fresh []int
	var text []byte
	p.mu.RLock()
	for i, piece := range pieces {
		if nodes[i] = p.known[string(piece.text)]; nodes[i] == nil {
			fresh = append(fresh, i)
			text = append(append(text, piece.text...), '\n')
		}
	}
	p.mu.RUnlock()
	if len(fresh) > 0 {
		result, err := parseTree(text)
		if err != nil || len(result.AST.Children) != len(fresh) {
			return parseTree(data) // which knows the right place of the mistake
		}
		for j, i := range fresh {
			nodes[i] = result.AST.Children[j]
		}
		p.remember(pieces, fresh, nodes)
	}
	root := &parser.Node{StartLine: pieces[0].first, EndLine: pieces[len(pieces)-1].last}
	placed := make([]parser.Node, len(pieces))
	for i, piece := range pieces {
		placed[i] = *nodes[i]
		placed[i].StartLine, placed[i].EndLine = piece.first, piece.last
		root.Children = append(root.Children, &placed[i])
	}
	return &parser.Result{AST: root, EscapeToken: '\\'}, nil
}

func (p *Parser) remember(pieces []piece, fresh []int, nodes []*parser.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range fresh {
		if len(p.known) < remembered && len(pieces[i].text) <= longest {
			p.known[string(pieces[i].text)] = nodes[i]
		}
	}
}

// piece is one instruction with all of its lines.
type piece struct {
	text        []byte // without the last line's end
	first, last int    // lines, counted from 1
}

// split cuts a file into its instructions. It is false for a file in which one
// line may change what another means, and where that is not plain to see.
func split(data []byte) ([]piece, bool) {
	if len(data) == 0 || len(data) > 1<<20 || bytes.Contains(data, []byte("\ufeff")) || bytes.IndexByte(data, '\r') >= 0 || bytes.Contains(data, []byte("<<")) {
		return nil, false
	}
	var out []piece
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
			out = append(out, piece{data[begin:end], first, number})
			begin = -1
		default:
			out = append(out, piece{data[at:end], number, number})
		}
		at = end + 1
	}
	return out, begin < 0 && len(out) > 0
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
