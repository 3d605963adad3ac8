package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// Past knows what files were, and joins two edits of one.
type Past interface {
	// Versions are the earlier contents of a file, the newest first.
	Versions(ctx context.Context, path string) iter.Seq2[[]byte, error]
	// Merge joins what two sides made of before, which is nil where it is not
	// known; conflict is that the result has markers.
	Merge(ctx context.Context, before, edited, now []byte) (text []byte, conflict bool, err error)
}

// copies is the folder of the texts that edited files would have without their
// edits. A text that was never committed in its own place is found there when
// the file is generated anew.
const copies = ".rootfsgen/generated/"

func copyOf(name string) string { return copies + name }

// before is the body that a file had when it was generated: the one with the
// digest that its header names. It is nil where that is nowhere to be found.
func (c *comparer) before(ctx context.Context, name string, is render.Provenance) ([]byte, error) {
	if !is.Ours || is.Output == "" {
		return nil, nil
	}
	if !is.Edited {
		return is.Body, nil
	}
	if p := render.ProvenanceOf(c.want[name]); p.Output == is.Output {
		return p.Body, nil
	}
	kept, _, err := read(c.root, copyOf(name))
	if err != nil {
		return nil, err
	}
	if p := render.ProvenanceOf(kept); p.Output == is.Output && !p.Edited {
		return p.Body, nil
	}
	if c.o.Past == nil {
		return nil, nil
	}
	for content, err := range c.o.Past.Versions(ctx, name) {
		if err != nil {
			return nil, err
		}
		if p := render.ProvenanceOf(content); p.Output == is.Output && !p.Edited {
			return p.Body, nil
		}
	}
	return nil, nil
}

// compareCopy makes the copy of one text be there. A nil text is one that is
// not known here: what is there stays.
func (c *comparer) compareCopy(name string) error {
	want := c.copies[name]
	have, regular, err := read(c.root, name)
	switch {
	case err != nil:
		return err
	case want == nil || bytes.Equal(have, want):
	case !regular:
		c.add(Change{Path: name, Kind: Foreign, Detail: "it is no regular file", Old: []byte{}, New: []byte{}})
	case have == nil:
		c.add(Change{Path: name, Kind: Missing, Detail: "the text of an edited file", New: want})
	default:
		c.add(Change{Path: name, Kind: Outdated, Detail: "the text of an edited file", Old: have, New: want})
	}
	return nil
}

// pruneCopies finds the copies that no edited file needs.
func (c *comparer) pruneCopies() error {
	err := fs.WalkDir(c.root.FS(), strings.TrimSuffix(copies, "/"), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if _, needed := c.copies[name]; needed {
			return nil
		}
		have, _, err := read(c.root, name)
		if p := render.ProvenanceOf(have); err == nil && p.Ours && !p.Edited {
			c.add(Change{Path: name, Kind: Extra, Detail: "its file has no edit", Old: have})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for generated files: %w", err)
	}
	return nil
}
