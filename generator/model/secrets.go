package model

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var secretID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// CheckSecretID tells why s cannot be the id under which a RUN instruction
// mounts a secret.
func CheckSecretID(s string) error {
	if !secretID.MatchString(s) {
		return fmt.Errorf("invalid secret id %q: expected letters, digits and . _ -, beginning with a letter or digit", s)
	}
	return nil
}

// CheckSecretVariable tells why s cannot name the variable that holds the
// value of a build's secret: what a job works with itself is none.
func CheckSecretVariable(s string) error {
	if err := CheckSecretName(s); err != nil {
		return err
	}
	for _, used := range []string{"BUILDKIT_", "DOCKER_", "GIT_", "LC_", "LD_", "SSL_", "SUDO_"} {
		if strings.HasPrefix(s, used) {
			return fmt.Errorf("invalid secret %q: the programs of a job read variables that begin with %s", s, used)
		}
	}
	if slices.Contains([]string{"CI", "BASH_ENV", "ENV", "GOFLAGS", "GOPATH", "GOPROXY", "GOROOT", "GOTOOLCHAIN", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "IFS", "LANG", "NO_PROXY", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}, s) {
		return fmt.Errorf("invalid secret %q: the programs of a job read the variable themselves", s)
	}
	return nil
}

// SecretVariables are the names of the variables that hold the values of an
// image's secrets, sorted and each once.
func (i *Image) SecretVariables() []string {
	return slices.Compact(slices.Sorted(maps.Values(i.Secrets)))
}
