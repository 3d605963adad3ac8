// Package render breaks a rule.
package render

import (
	_ "example.com/bad/internal/utils"
	_ "go.yaml.in/yaml/v3"
	_ "text/template"
)
