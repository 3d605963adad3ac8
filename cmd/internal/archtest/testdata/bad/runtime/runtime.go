// Package runtime breaks a rule.
package runtime

import (
	_ "fmt"
)
