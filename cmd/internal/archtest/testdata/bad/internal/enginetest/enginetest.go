// Package enginetest breaks a rule.
package enginetest

import (
	_ "testing"
)
