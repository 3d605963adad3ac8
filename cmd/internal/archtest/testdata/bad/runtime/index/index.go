// Package index breaks a rule.
package index

import (
	_ "example.com/bad/generator/plan"
	_ "example.com/bad/runtime/buildkit"
)
