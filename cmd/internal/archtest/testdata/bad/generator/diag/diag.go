// Package diag breaks a rule.
package diag

import (
	_ "example.com/bad/generator/model"
)
