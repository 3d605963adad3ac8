package key

import (
	"strconv"
	"strings"

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
func (l Line) String() string { return l.Kind + " " + quoteName(l.Name) + " " + quoteValue(l.Value) }

// quoteName leaves plain words as they are.
func quoteName(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// quoteValue leaves everything as it is that fits on a line and cannot be
// taken for a quoted value.
func quoteValue(s string) string {
	if s == "" || s[0] == '"' || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// Form is everything that a target's bytes depend on, in a fixed order.
type Form []Line

// String is the canonical text: one line each. Its SHA-256 is the key.
func (f Form) String() string {
	var b strings.Builder
	for _, l := range f {
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Digest is the key.
func (f Form) Digest() model.Digest { return model.DigestOf([]byte(f.String())) }
