// Package utils breaks a rule.
package utils

import (
	_ "fmt"
)
