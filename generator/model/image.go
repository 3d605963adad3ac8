package model

import "cmp"

// The ways in which an image is made.
const (
	BuilderDockerfile = "dockerfile" // BuildKit's Dockerfile frontend
	BuilderDebian     = "debian"     // a root filesystem from Debian's packages, by mmdebstrap
)

// Image is one node of the fleet, after every default has been applied: mostly
// a folder, but a folder with several build files or variants is several, and
// several folders can be the tags of one image. ID, Tag and Variant together
// are unique in a fleet.
type Image struct {
	ID               string            // shared by all tags and variants of an image
	Tag              string            // the image's tag; empty is ComponentVersion
	Variant          string            // empty for the image itself
	Label            string            // what people see; the ID where none is given
	Dir              string            // its folder, from the root of the tree
	ImageName        string            // its repository below the registry's prefix
	ComponentVersion string            // "0" where none is given
	Image            string            // a fixed reference for consumers, used only where nothing was published
	GPU              bool              // amd64 only
	Priority         int               // higher comes first in a manifest
	Tags             []string          // labels for people, not image tags
	Prepull          bool              // consumers fetch it ahead of use
	Description      string            //
	SizeGB           float64           // what consumers are told, 0 where unknown
	Deprecated       bool              //
	DeprecatedReason string            //
	Platforms        []Platform        // at least one, sorted
	Tests            []Test            // run in the built image, in this order
	Builder          string            // one of the Builder constants
	Dockerfile       string            // path from the root of the tree; empty for BuilderDebian
	Context          string            // folder that COPY reads from, from the root of the tree; "." is the whole repository
	Stage            string            // the Dockerfile stage to build; empty is the last
	Secrets          map[string]string // of the build: a mount's id -> the variable that holds the value
	Args             map[string]string // build arguments
	Contexts         map[string]string // named contexts: "/" and a folder from the root of the tree, else a reference to an image
	Inputs           []string          // further paths, from the root of the tree, whose content counts
	Rebuild          int               // a number to raise when the image must be built anew
	Refresh          string            // "archive": a new state of the Debian archive is a change
	Debian           Debian            // for BuilderDebian, and Suite for Refresh
	TimeoutSeconds   int               // for a build; 0 is the runtime's default
	Runner           string            // machine class; empty is the platform's default
	Owners           []string          // who answers for it
	NeedsDevice      string            // what the tests need of their machine: "gpu"; see Device
}

// Test is one command that must succeed in the built image. Cmd is run by
// "bash -lc" where the image has bash, else by "sh -lc"; in an image without a
// shell it is split at blanks and run as it is.
type Test struct {
	Name           string `json:"name"`
	Cmd            string `json:"cmd"`
	TimeoutSeconds int    `json:"timeout_seconds,omitempty"` // 0 is the runtime's default
}

// Debian says which packages make a root filesystem.
type Debian struct {
	Suite    string   `json:"suite"`              // for example "bookworm"
	Variant  string   `json:"variant,omitempty"`  // mmdebstrap's variant, "minbase" where none is given
	Mirror   string   `json:"mirror,omitempty"`   // empty is the archive that mmdebstrap knows
	Snapshot string   `json:"snapshot,omitempty"` // a snapshot's time, 20261121T000000Z; empty is today's archive
	Packages []string `json:"packages,omitempty"` // beside those of the variant, sorted
}

// Node is what all of the image's targets are, without a platform.
func (i *Image) Node() TargetID {
	return TargetID{Image: i.ID, Tag: cmp.Or(i.Tag, i.ComponentVersion), Variant: i.Variant}
}

// Targets are the image's targets, one for each platform.
func (i *Image) Targets() []TargetID {
	ids := make([]TargetID, 0, len(i.Platforms))
	for _, p := range i.Platforms {
		id := i.Node()
		id.Platform = p
		ids = append(ids, id)
	}
	return ids
}
