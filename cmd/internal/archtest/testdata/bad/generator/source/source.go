// Package source breaks a rule.
package source

import (
	_ "example.com/bad/generator/graph"
	_ "github.com/goccy/go-yaml"
	_ "text/template"
)
