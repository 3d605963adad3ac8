package dockerfile

import (
	"bytes"
	"strings"
)

// Plain is what a Dockerfile of the plainest kind says to a plan: nothing is
// wrong with it by itself, on no platform, and it has no triggers for what is
// built from it.
type Plain struct {
	Images  []string // references to images, neither stages nor scratch, in the order of the file
	Sources []string // what is read from the build context, slash-separated and clean; "." is all of it
	Syntax  string   // as File.Syntax has it
}

// ReadPlain reads a Dockerfile without BuildKit's parser: thirty times as fast,
// and for the plainest ones only. It is false for every text of which it cannot
// tell what BuildKit's parser and Resolve, given no argument, make of it. What it
// does tell is what they do, for all stages.
func ReadPlain(data []byte) (*Plain, bool) {
	r := plainReader{}
	if len(data) > plainBytes || !r.lines(data) || !r.stagesFit() {
		return nil, false
	}
	return &r.out, true
}

// A text that is larger than plainBytes, or has a longer line, is not plain.
const (
	plainBytes = 1 << 20
	plainLine  = 32 << 10
)

var newline = []byte("\n")

// plainReader is the state of one ReadPlain.
type plainReader struct {
	out     Plain
	begun   bool              // no directive can follow
	stages  []string          // their names, empty where there is none
	globals map[string]string // arguments before the first FROM whose default is a word
	bare    map[string]bool   // those that stood there without a default once: who builds may give it
	joined  []byte
}

// lines goes through the instructions.
func (r *plainReader) lines(data []byte) bool {
	for first := true; len(data) > 0; first = false {
		var line []byte
		line, data, _ = bytes.Cut(data, newline)
		text, legible := plainText(line)
		switch {
		case !legible:
			return false
		case len(text) == 0:
			r.begun = true
		case text[0] == '#':
			if !r.begun && !r.directive(text, first && line[0] == '#') || bytes.Contains(bytes.ToLower(text), []byte("check")) {
				return false // it may say what is checked of the instruction below
			}
		default:
			r.begun = true
			if text, data, legible = r.whole(text, data); !legible || !r.instruction(text) {
				return false
			}
		}
	}
	return len(r.stages) > 0
}

// plainText is a line without the blanks around it; false where it holds what
// is neither printed nor a tab, or begins with what may be a blank of another
// alphabet.
func plainText(line []byte) ([]byte, bool) {
	if len(line) > plainLine {
		return nil, false
	}
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, false
		}
	}
	text := bytes.Trim(line, " \t")
	return text, len(text) == 0 || text[0] < 0x80
}

// directive reads a comment that stands before all else; false where it may be
// one that changes what follows.
func (r *plainReader) directive(text []byte, first bool) bool {
	if syntax, found := bytes.CutPrefix(text, []byte("# syntax=")); found && first && all(syntax, inReference) {
		r.out.Syntax = string(syntax)
		return true
	}
	r.begun = true
	return !bytes.HasPrefix(text, []byte("#!")) && !bytes.Contains(text, []byte("="))
}

// whole is an instruction with the lines that it goes on in, and what follows
// them; false where that may be read in two ways.
func (r *plainReader) whole(text, data []byte) (whole, rest []byte, legible bool) {
	if !bytes.HasSuffix(text, []byte(`\`)) {
		return text, data, true
	}
	r.joined = r.joined[:0]
	for {
		part, goesOn := bytes.CutSuffix(text, []byte(`\`))
		r.joined = append(r.joined, part...)
		if !goesOn {
			return bytes.Trim(r.joined, " \t"), data, true
		}
		if len(part) == 0 || part[len(part)-1] == '\\' {
			return nil, nil, false
		}
		for text = nil; text == nil; {
			if len(data) == 0 {
				return nil, nil, false
			}
			var line []byte
			line, data, _ = bytes.Cut(data, newline)
			inside, legible := plainText(line)
			if !legible || len(inside) == 0 {
				return nil, nil, false
			}
			if inside[0] != '#' {
				text = bytes.TrimRight(line, " \t")
			}
		}
	}
}

// References are the words of a text that could be references to images,
// wherever they stand.
func References(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c > 0x7f || strings.IndexByte(inReference, byte(c)) < 0 })
}
