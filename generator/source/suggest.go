package source

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// didYouMean is a hint that names the known word nearest to what was written,
// or all of them when none is near and they are few. Known is sorted, or in
// the order of a table.
func didYouMean(written string, known []string) string {
	if best := nearest(written, known); best != "" {
		return best
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	return "known are " + strings.Join(known, ", ")
}

// nearest is a hint that names the known word nearest to what was written.
func nearest(written string, known []string) string {
	best := diag.Nearest(written, known, len(written)/3+1)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}
