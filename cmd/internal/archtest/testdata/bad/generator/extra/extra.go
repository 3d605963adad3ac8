// Package extra breaks a rule.
package extra

import (
	_ "example.com/bad/generator/source"
)
