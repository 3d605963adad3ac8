package model

import "strings"

// TargetID names one thing that is built: image x tag x variant x platform.
// It is comparable.
type TargetID struct {
	Image    string
	Tag      string
	Variant  string
	Platform Platform
}

// Node is the target without its platform, "image:tag" or "image:tag:variant":
// what an index is made for, and how a parent is named in a key.
func (t TargetID) Node() string {
	s := t.Image + ":" + t.Tag
	if t.Variant != "" {
		s += ":" + t.Variant
	}
	return s
}

// Exactly is what commands call the node and none of its variants:
// "image:tag:variant", where the last part may be empty.
func (t TargetID) Exactly() string { return t.Image + ":" + t.Tag + ":" + t.Variant }

// AllPlatforms is the target without its platform: one value for all targets
// of a node.
func (t TargetID) AllPlatforms() TargetID {
	t.Platform = Platform{}
	return t
}

// Is tells whether two targets are of one node.
func (t TargetID) Is(o TargetID) bool {
	return t.Image == o.Image && t.Tag == o.Tag && t.Variant == o.Variant
}

// String is "image:tag linux/amd64".
func (t TargetID) String() string { return t.Node() + " " + t.Platform.String() }

// Compare orders targets by image, tag, variant and platform.
func (t TargetID) Compare(o TargetID) int {
	if c := strings.Compare(t.Image, o.Image); c != 0 {
		return c
	}
	if c := strings.Compare(t.Tag, o.Tag); c != 0 {
		return c
	}
	if c := strings.Compare(t.Variant, o.Variant); c != 0 {
		return c
	}
	return t.Platform.Compare(o.Platform)
}
