package model

// When an index is published.
const (
	PublishAlways = "always"
	// PublishChanged leaves out an index of a rebuild that no input explains,
	// where packages and configuration are those of the published one.
	PublishChanged = "changed"
)
