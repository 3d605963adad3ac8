// Package build breaks a rule.
package build

import (
	_ "example.com/bad/cmd/internal/gencmd"
	_ "github.com/moby/buildkit/client/llb"
	_ "os/exec"
	_ "testing"
)
