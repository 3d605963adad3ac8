package key

import (
	"strconv"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The kinds of Line, in the order of a form.
const (
	LineFormat      = "format"      // version of the key format
	LinePlatform    = "platform"    // "linux/amd64"
	LineOption      = "option"      // builder, stage, rebuild and the like
	LineInstruction = "instruction" // of the Dockerfile; the name is its place in the file
	LineArgument    = "argument"    // a build argument that was given
	LineParent      = "parent"      // an image of the fleet, and its key
	LineContext     = "context"     // a reference, and the image of the fleet that it means
	LineBase        = "base"        // an image or a package outside the fleet, and its digest or version
	LineConfig      = "config"      // what an outside image gives to its child
	LineFile        = "file"        // of the build context, and its mode and object
	LineInput       = "input"       // listed under inputs:, and its mode and object
)

// Line is one thing that a target's bytes depend on.
type Line struct {
	Kind  string
	Name  string
	Value string
	// Path is the file's path from the root of the tree: of the Dockerfile for
	// LineInstruction, of itself for LineFile and LineInput. It is for people and not part of the key: a folder that is
	// moved as it is keeps the keys of its images.
	Path string
}

// String is the line as the key holds it, without its end.
func (l Line) String() string { return string(l.appendTo(nil)) }

func (l Line) appendTo(b []byte) []byte {
	b = append(append(b, l.Kind...), ' ')
	if plainName(l.Name) {
		b = append(b, l.Name...)
	} else {
		b = strconv.AppendQuoteToASCII(b, l.Name)
	}
	b = append(b, ' ')
	if plainValue(l.Value) {
		return append(b, l.Value...)
	}
	return strconv.AppendQuoteToASCII(b, l.Value)
}

// plainName tells whether a name is a word that can stand as it is.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' {
			return false
		}
	}
	return s != ""
}

// plainValue tells the same of a value: all that fits on a line and cannot be
// taken for a quoted one.
func plainValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && s[0] != '"'
}

// Form is everything that a target's bytes depend on, in a fixed order.
type Form []Line

// String is the canonical text: one line each. Its SHA-256 is the key.
func (f Form) String() string { return string(f.appendTo(nil)) }

func (f Form) appendTo(b []byte) []byte {
	for _, l := range f {
		b = append(l.appendTo(b), '\n')
	}
	return b
}

// Digest is the key.
func (f Form) Digest() model.Digest { return model.DigestOf(f.appendTo(nil)) }
