// Package plan breaks a rule.
package plan

import (
	_ "example.com/bad/internal/enginetest"
)
