// Package templates holds the texts that package render fills in. They decide
// nothing: what is in them was settled before.
package templates

import "embed"

// FS is the templates, by forge.
//
//go:embed github gitlab
var FS embed.FS

// Runners is the templates of how machines are set up, which nobody overrides:
// what comes out is theirs to edit.
//
//go:embed runners
var Runners embed.FS
