package tree

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// AdoptPins takes over the pins that a bot has moved in generated files below
// root. What a file says as it was generated is no move: else nobody could
// take a pin back where pins are kept.
func AdoptPins(ctx context.Context, root *os.Root, past Past, pins render.Pins) error {
	c := &comparer{root: root, o: Options{Past: past}}
	for _, pattern := range render.Owned() {
		names, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return fmt.Errorf("reading pins: %w", err)
		}
		for _, name := range names {
			text, _, err := read(root, name)
			if err != nil {
				return err
			}
			is := render.ProvenanceOf(text)
			if !is.Ours || !is.Edited || is.Kept {
				continue
			}
			before, err := c.before(ctx, name, is)
			if err != nil {
				return err
			}
			pins.Adopt(is.Body, before)
		}
	}
	return nil
}
