package model

import (
	"fmt"
	"path"
	"regexp"
)

var includePath = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9._/-]{0,255}$`)

// CheckIncludePath tells why s cannot be the path of a file, from the root of
// the repository, that a pipeline includes. What the forges take for a
// variable or a pattern is no path.
func CheckIncludePath(s string) error {
	if !includePath.MatchString(s) || path.Clean("/"+s) != "/"+s {
		return fmt.Errorf("invalid path %q: expected letters, digits and . _ / -, from the root of the repository", s)
	}
	return nil
}
