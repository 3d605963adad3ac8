// Package gencmd breaks a rule.
package gencmd

import (
	_ "fmt"
)
