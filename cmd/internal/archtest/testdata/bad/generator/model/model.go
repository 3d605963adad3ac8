// Package model breaks a rule.
package model

import (
	_ "github.com/spf13/cobra"
)
