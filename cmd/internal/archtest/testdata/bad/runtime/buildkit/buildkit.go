// Package buildkit breaks a rule.
package buildkit

import (
	_ "github.com/moby/buildkit/client"
	_ "github.com/moby/buildkit/frontend/dockerfile/parser"
)
