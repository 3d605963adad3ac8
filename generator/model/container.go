package model

import (
	"fmt"
	"regexp"
	"strings"
)

// Service is a container that runs beside a job.
type Service struct {
	Name  string // its host name
	Image string
}

var containerImage = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$`)

// CheckContainerImage says what is wrong with the reference of an image that
// jobs run in, or beside.
func CheckContainerImage(ref string) error {
	if len(ref) > 400 || !containerImage.MatchString(ref) {
		return fmt.Errorf("invalid image %q: expected a name with @sha256: and a digest", ref)
	}
	return nil
}

// Pinned tells whether a reference says which bytes are meant.
func Pinned(ref string) bool { return strings.Contains(ref, "@sha256:") }

var variableName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// CheckVariableName says what is wrong with a variable that a class of
// machines gives its jobs.
func CheckVariableName(name string) error {
	if len(name) > 100 || !variableName.MatchString(name) {
		return fmt.Errorf("invalid variable %q: expected capital letters, digits and _", name)
	}
	for _, prefix := range []string{"ROOTFSGEN_", "GITHUB_", "GITLAB_", "CI_", "RUNNER_", "ACTIONS_"} {
		if strings.HasPrefix(name, prefix) {
			return fmt.Errorf("invalid variable %q: names that begin with %s are not yours", name, prefix)
		}
	}
	return nil
}
