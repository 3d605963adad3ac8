// Package plan breaks a rule.
package plan

import (
	_ "example.com/bad/generator/history"
	_ "example.com/bad/generator/source"
	_ "example.com/bad/runtime/registry"
)
