// Package manifest writes what the testing channel holds: for each image its
// newest index whose steps all passed.
package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Version of the document.
const Version = 1

// DefaultSource is what a document names as its origin where nothing else is
// set up.
const DefaultSource = "rootfsgen"

// Document is a channel's content. Its keys are read by other programs, so
// they are only ever added to.
type Document struct {
	Version     int     `json:"version"`
	GeneratedAt string  `json:"generated_at"` // RFC 3339, UTC
	Source      string  `json:"source"`
	Commit      string  `json:"commit,omitempty"` // that the images were planned from; empty for a work tree
	Images      []Image `json:"images"`           // by priority, highest first, then label
}

// Image is one image of a channel.
type Image struct {
	ID               string   `json:"id"`
	Label            string   `json:"label"`
	Image            string   `json:"image"` // reference by version tag
	Description      string   `json:"description"`
	Digest           Digest   `json:"digest"` // of the index; null for a fixed reference that is not ours
	GPU              bool     `json:"gpu"`
	Priority         int      `json:"priority"`
	Tags             []string `json:"tags"`
	Prepull          bool     `json:"prepull"`
	Arch             []string `json:"arch"`
	ComponentVersion string   `json:"component_version,omitempty"`
	UpdatedAt        string   `json:"updated_at,omitempty"` // when the index was merged
	SizeGB           float64  `json:"size_gb,omitempty"`
	Deprecated       bool     `json:"deprecated,omitempty"`
	DeprecatedReason string   `json:"deprecated_reason,omitempty"`

	// Added to what the first readers know.
	Repository string                  `json:"repository,omitempty"` // below the registry's prefix
	VersionTag string                  `json:"version,omitempty"`
	Platforms  map[string]model.Digest `json:"platforms,omitempty"`   // "linux/amd64" -> its manifest
	StaleSince string                  `json:"stale_since,omitempty"` // since when a newer state has not passed
	Untested   bool                    `json:"untested,omitempty"`    // no machine can test that newer state
	Commit     string                  `json:"commit,omitempty"`      // that it was planned from, where it came by itself; empty: the document's
}

// Digest is a digest that is null where there is none.
type Digest model.Digest

// MarshalJSON writes null for the empty digest.
func (d Digest) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(d))
}

// UnmarshalJSON reads a digest or null.
func (d *Digest) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	parsed, err := model.ParseDigest(*s)
	*d = Digest(parsed)
	return err
}

// maxDocument bounds what is read of a channel, in bytes.
const maxDocument = 32 << 20

// Decode reads a document. Keys that this version does not know are passed
// over.
func Decode(b []byte) (*Document, error) {
	if len(b) > maxDocument {
		return nil, fmt.Errorf("the document has %d bytes, more than the %d that are read", len(b), maxDocument)
	}
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, err
	}
	if d.Version != Version {
		return nil, fmt.Errorf("the document has version %d, this program knows %d", d.Version, Version)
	}
	seen := map[string]bool{}
	for _, i := range d.Images {
		if i.ID == "" || seen[i.ID] {
			return nil, fmt.Errorf("the document has no or two images with the id %q", i.ID)
		}
		seen[i.ID] = true
	}
	return &d, nil
}

// Encode writes a document, sorted: the same bytes for the same content.
func (d *Document) Encode() ([]byte, error) {
	d.sort()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

func (d *Document) sort() {
	if d.Images == nil {
		d.Images = []Image{}
	}
	slices.SortFunc(d.Images, func(a, b Image) int {
		return cmp.Or(
			cmp.Compare(b.Priority, a.Priority),
			strings.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label)),
			strings.Compare(a.ID, b.ID),
		)
	})
}

// Same tells whether two documents differ in nothing but when they were
// written.
func (d *Document) Same(o *Document) bool {
	if d == nil || o == nil {
		return d == o
	}
	a, b := *d, *o
	a.GeneratedAt, b.GeneratedAt = "", ""
	a.Images, b.Images = slices.Clone(a.Images), slices.Clone(b.Images)
	left, errLeft := a.Encode()
	right, errRight := b.Encode()
	return errors.Join(errLeft, errRight) == nil && bytes.Equal(left, right)
}

// Find looks an image up.
func (d *Document) Find(id string) (Image, bool) {
	if d == nil {
		return Image{}, false
	}
	n := slices.IndexFunc(d.Images, func(i Image) bool { return i.ID == id })
	if n < 0 {
		return Image{}, false
	}
	return d.Images[n], true
}
