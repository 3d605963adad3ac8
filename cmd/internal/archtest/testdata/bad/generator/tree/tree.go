// Package tree breaks a rule.
package tree

import (
	_ "example.com/bad/generator/render"
)
