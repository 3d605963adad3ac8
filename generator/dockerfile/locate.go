package dockerfile

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// The parser keeps the lines of an instruction, not the columns of its words,
// so a word is looked for in those lines.

// fromPos is where the reference of a FROM stands, or else the FROM.
func (f *File) fromPos(s *stage) diag.Pos {
	if at, found := f.findBase(s); found {
		return at
	}
	return f.pos(s.node)
}

// findBase looks for the reference of a FROM: its first word that is no flag.
func (f *File) findBase(s *stage) (diag.Pos, bool) {
	for n := s.node.StartLine; n <= s.node.EndLine; n++ {
		line, from := f.line(n), 0
		if n == s.node.StartLine {
			from = min(f.pos(s.node).EndCol-1, len(line))
		} else if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for from < len(line) {
			rest := line[from:]
			begin := from + len(rest) - len(strings.TrimLeft(rest, " \t"))
			word, _, _ := strings.Cut(line[begin:], " ")
			word, _, _ = strings.Cut(word, "\t")
			from = begin + len(word)
			switch {
			case strings.HasPrefix(word, "--"), word == "", word == string(f.escape):
				continue
			case word != s.from.BaseName:
				return diag.Pos{}, false // continued on the next line
			}
			return diag.Pos{File: f.path, Line: n, Col: begin + 1, EndCol: from + 1}, true
		}
	}
	return diag.Pos{}, false
}

// wordPos is where a word of an instruction stands, or else the instruction.
func (f *File) wordPos(node statement, word string) diag.Pos {
	if at, found := f.find(node, word); found {
		return at
	}
	return f.pos(node)
}

// find looks for text as a word, or as a field of one, in the lines of an
// instruction, behind its name. A text that is continued on another line is
// not found.
func (f *File) find(node statement, text string) (diag.Pos, bool) {
	if text == "" {
		return diag.Pos{}, false
	}
	for n := node.StartLine; n <= node.EndLine; n++ {
		line, from := f.line(n), 0
		if n == node.StartLine {
			from = min(f.pos(node).EndCol-1, len(line))
		} else if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if at := findWord(line, from, text); at >= 0 {
			return diag.Pos{File: f.path, Line: n, Col: at + 1, EndCol: at + 1 + len(text)}, true
		}
	}
	return diag.Pos{}, false
}

// findWord is the offset of text in line, at or after from, between the
// characters that end words and fields; -1 when there is none.
func findWord(line string, from int, text string) int {
	const before, after = " \t=,\"'[", " \t,\"']"
	for from <= len(line) {
		i := strings.Index(line[max(from, 0):], text)
		if i < 0 {
			return -1
		}
		i += max(from, 0)
		end := i + len(text)
		if (i == 0 || strings.IndexByte(before, line[i-1]) >= 0) && (end == len(line) || strings.IndexByte(after, line[end]) >= 0) {
			return i
		}
		from = i + 1
	}
	return -1
}
