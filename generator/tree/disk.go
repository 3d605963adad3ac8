package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// read is a file below root: nil where there is none. It does not follow a
// link, and reads nothing but a regular file.
func read(root *os.Root, name string) (text []byte, regular bool, err error) {
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("reading generated files: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, nil
	}
	text, err = root.ReadFile(name)
	if err != nil {
		return nil, false, fmt.Errorf("reading generated files: %w", err)
	}
	if text == nil {
		text = []byte{}
	}
	return text, true, nil
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
		if c.New == nil || c.Stays() {
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
		switch {
		case c.New == nil:
			err = root.Remove(c.Path)
		case !c.Stays():
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
