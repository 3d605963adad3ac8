// Package tool breaks a rule.
package tool

import (
	_ "example.com/bad/generator/diag"
	_ "os/exec"
)
