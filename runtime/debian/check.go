package debian

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What becomes an argument or a line of apt's sources has one of these forms,
// none of which can be an option, a second argument or a second line.
var (
	suiteForm   = regexp.MustCompile(`^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$`)
	packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	mirrorForm  = regexp.MustCompile(`^https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%+-]+)*/?$`)
)

// variants are mmdebstrap's.
var variants = []string{"apt", "buildd", "custom", "debootstrap", "essential", "extract", "important", "minbase", "required", "standard"}

// snapshotLayout is how snapshot.debian.org names a moment.
const snapshotLayout = "20060102T150405Z"

// Check tells why d cannot be built from. A plan is checked like what people
// write: it may come from elsewhere.
func Check(d model.Debian) error {
	switch {
	case len(d.Suite) > 64 || !suiteForm.MatchString(d.Suite):
		return fmt.Errorf("invalid suite %.80q: expected one such as bookworm", d.Suite)
	case d.Variant != "" && !slices.Contains(variants, d.Variant):
		return fmt.Errorf("unknown variant %.80q: expected one of %s", d.Variant, strings.Join(variants, ", "))
	}
	if d.Mirror != "" {
		if u, err := url.Parse(d.Mirror); err != nil || u.Host == "" || len(d.Mirror) > 512 || !mirrorForm.MatchString(d.Mirror) {
			return fmt.Errorf("invalid mirror %.80q: expected http:// or https://, a host and a path", d.Mirror)
		}
	}
	if d.Snapshot != "" {
		if _, err := time.Parse(snapshotLayout, d.Snapshot); err != nil {
			return fmt.Errorf("invalid snapshot %.80q: expected a time such as 20261121T000000Z", d.Snapshot)
		}
	}
	for _, p := range d.Packages {
		if len(p) > 128 || !packageForm.MatchString(p) {
			return fmt.Errorf("invalid package %.80q: expected a Debian package's name", p)
		}
	}
	return nil
}
