package promote

import (
	"fmt"

	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// fixed checks the references that are somebody else's, which nobody scans or
// judges. One is only believed where the fleet itself has it, whatever the
// document or the plan says. Each that is believed is a note.
func (s Step) fixed(images []manifest.Image) (notes, refused []string) {
	for _, e := range images {
		switch {
		case e.Digest != "":
		case e.Repository != "" || e.VersionTag != "" || len(e.Platforms) > 0:
			refused = append(refused, e.ID+": it has no digest")
		case !s.declared(e):
			refused = append(refused, fmt.Sprintf("%s: no image.yaml of this fleet has the fixed reference %.200q", e.ID, e.Image))
		default:
			notes = append(notes, fmt.Sprintf("%s is %s, which is somebody else's (image: in image.yaml): nothing of it was scanned, tested or judged", e.ID, e.Image))
		}
	}
	return notes, refused
}

// declared tells whether the fleet gives an image this reference.
func (s Step) declared(e manifest.Image) bool {
	if s.Fleet == nil || e.Image == "" {
		return false
	}
	for n := range s.Fleet.Images {
		if i := &s.Fleet.Images[n]; i.Image == e.Image && (i.ID == e.ID || i.Node().Node() == e.ID) {
			return true
		}
	}
	return false
}

// standIns refuses fixed references in the place of what was built and judged:
// they are for images of which nothing was published.
func standIns(old *manifest.Document, entries []manifest.Image) error {
	refused := &Refused{}
	for _, e := range entries {
		if had, there := old.Find(e.ID); there && had.Digest != "" && e.Digest == "" {
			refused.Missing = append(refused.Missing, fmt.Sprintf("%s: %s may not take the place of %s, which was built and judged", e.ID, e.Image, had.Image))
		}
	}
	if len(refused.Missing) > 0 {
		return refused
	}
	return nil
}
