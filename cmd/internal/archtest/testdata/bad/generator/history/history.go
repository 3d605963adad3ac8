// Package history breaks a rule.
package history

import (
	_ "example.com/bad/internal/tool"
)
