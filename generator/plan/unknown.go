package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// UnknownImageError is a name in a request that no image has.
type UnknownImageError struct {
	Name  string
	Known []string // ids of the fleet, sorted
	Tags  []string // of the image that Name begins with, where there is one, sorted
}

// Unknown is the error for a name that means none of the targets.
func Unknown(name string, all []model.TargetID) *UnknownImageError {
	e := &UnknownImageError{Name: name}
	image, _, _ := strings.Cut(name, ":")
	for _, t := range all {
		e.Known = append(e.Known, t.Image)
		if t.Image == image {
			_, tag, _ := strings.Cut(t.Node(), ":")
			e.Tags = append(e.Tags, tag)
		}
	}
	slices.Sort(e.Known)
	slices.Sort(e.Tags)
	e.Known, e.Tags = slices.Compact(e.Known), slices.Compact(e.Tags)
	return e
}

// Error names the image, a few that there are, and the nearest as a hint.
func (e *UnknownImageError) Error() string {
	const shown = 10
	if len(e.Known) == 0 {
		return fmt.Sprintf("unknown image %q: the fleet has none", e.Name)
	}
	s := fmt.Sprintf("unknown image %q: the fleet has %s", e.Name, strings.Join(e.Known[:min(shown, len(e.Known))], ", "))
	if len(e.Known) > shown {
		s += fmt.Sprintf(" and %d more", len(e.Known)-shown)
	}
	image, tag, tagged := strings.Cut(e.Name, ":")
	switch near := diag.Nearest(image, e.Known, max(2, len(image)/3)); {
	case near == image && tagged:
		s += fmt.Sprintf("\nhint: %s has no tag %q; ", image, tag)
		if len(e.Tags) > 1 {
			s += "it has " + strings.Join(e.Tags[:min(shown, len(e.Tags))], ", ") + "; "
		}
		s += "without one, the whole image is meant"
	case near != "" && near != image:
		s += "\nhint: did you mean " + near + "?"
	}
	return s
}

// ExitCode is that of a mistake on the command line.
func (e *UnknownImageError) ExitCode() int { return 2 }
