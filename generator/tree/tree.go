// Package tree holds generated files against those on disk: what differs and
// why, and how the disk is made to agree. It writes whole files, each in one
// step, and removes only files that carry the generator's header.
package tree

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// Kind tells how a file on disk came to differ.
type Kind string

// The kinds of change.
const (
	Missing  Kind = "missing"                            // is not on disk
	Edited   Kind = "changed by hand"                    // is not what was written
	Pin      Kind = "a pin was moved in the file itself" // else it is what was written
	Outdated Kind = "outdated"                           // was made from other inputs
	Older    Kind = "written by another generator"       // was made from the same inputs
	Extra    Kind = "no longer generated"                // is on disk
	Foreign  Kind = "not ours"                           // has no header: it is left alone
)

// Change is one file that differs.
type Change struct {
	Path string // from the root of the repository
	Kind Kind
	Old  []byte // nil when it is not on disk
	New  []byte // nil when it is to be removed
}

// String is "path: kind".
func (c Change) String() string { return c.Path + ": " + string(c.Kind) }

// Diff is the change as a unified diff.
func (c Change) Diff() []byte {
	from, to := "a/"+c.Path, "b/"+c.Path
	if c.Old == nil {
		from = "/dev/null"
	}
	if c.New == nil {
		to = "/dev/null"
	}
	return diff.Diff(from, c.Old, to, c.New)
}

// Compare holds what is wanted against the files below root, and returns the
// changes sorted by path. Files at shared places that are somebody's own are
// not among them, but in kept.
func Compare(root *os.Root, want render.Files) (changes []Change, kept []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		have, err := read(root, name)
		if err != nil {
			return nil, nil, err
		}
		kind := kindOf(name, have, want[name])
		switch {
		case kind == "":
		case kind == Foreign && render.Shared(name):
			kept = append(kept, name)
		default:
			changes = append(changes, Change{Path: name, Kind: kind, Old: have, New: want[name]})
		}
	}
	for _, pattern := range render.Owned() {
		names, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for generated files: %w", err)
		}
		for _, name := range names {
			if _, wanted := want[name]; wanted {
				continue
			}
			have, err := read(root, name)
			if err != nil {
				return nil, nil, err
			}
			if render.ProvenanceOf(have).Ours {
				changes = append(changes, Change{Path: name, Kind: Extra, Old: have})
			}
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmpPath(a.Path, b.Path) })
	return changes, kept, nil
}

func cmpPath(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

var pinned = regexp.MustCompile(`(?m)(uses: [^@\s]+)@[0-9a-f]{40} # v\S+$`)

// kindOf tells how one file differs; empty when it does not.
func kindOf(name string, have, want []byte) Kind {
	if have == nil {
		return Missing
	}
	if bytes.Equal(have, want) {
		return ""
	}
	if name == render.PinsFile {
		return Outdated
	}
	is, should := render.ProvenanceOf(have), render.ProvenanceOf(want)
	switch {
	case !is.Ours:
		return Foreign
	case is.Edited && bytes.Equal(withoutPins(have), withoutPins(want)):
		return Pin
	case is.Edited:
		return Edited
	case is.Input != should.Input:
		return Outdated
	}
	return Older
}

// withoutPins is the text below the header with every commit blotted out.
func withoutPins(text []byte) []byte {
	_, body, _ := bytes.Cut(text, []byte("\n#\n"))
	return pinned.ReplaceAll(body, []byte("$1"))
}

// read is a file below root, nil where there is none.
func read(root *os.Root, name string) ([]byte, error) {
	text, err := root.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading generated files: %w", err)
	case text == nil:
		text = []byte{}
	}
	return text, nil
}

// ForeignError is a file of somebody else at a place that the forge makes us
// use.
type ForeignError struct{ Path string }

// Error names the file.
func (e *ForeignError) Error() string {
	return e.Path + " was not written by rootfsgen: move it away or delete it, then generate again"
}

// Apply makes the disk agree. Nothing is changed when one of the changes is
// Foreign, or when a file cannot be written. Nothing outside root can be
// touched, whatever links there are.
func Apply(root *os.Root, changes []Change) error {
	for _, c := range changes {
		if c.Kind == Foreign {
			return &ForeignError{Path: c.Path}
		}
	}
	var ready []string
	defer func() {
		for _, name := range ready {
			_ = root.Remove(temporary(name)) // those that were not moved into place
		}
	}()
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		if err := root.MkdirAll(path.Dir(c.Path), 0o755); err != nil {
			return fmt.Errorf("writing generated files: %w", err)
		}
		ready = append(ready, c.Path)
		if err := root.WriteFile(temporary(c.Path), c.New, 0o644); err != nil {
			return fmt.Errorf("writing generated files: %w", err)
		}
	}
	for _, c := range changes {
		var err error
		if c.New == nil {
			err = root.Remove(c.Path)
		} else {
			err = root.Rename(temporary(c.Path), c.Path)
		}
		if err != nil {
			return fmt.Errorf("writing generated files: %w", err)
		}
	}
	return nil
}

// temporary is the name of a file until it is whole: beside it, so that it can
// be moved in one step, and not one that a forge reads.
func temporary(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+".rootfsgen-new")
}
