// Package registry breaks a rule.
package registry

import (
	_ "example.com/bad/internal/enginetest"
	_ "github.com/google/go-containerregistry/pkg/v1/remote"
)
