// Package login reads the registry logins that a job is given: in the variable
// DOCKER_AUTH_CONFIG, as GitLab defines it, the text of a Docker config.json; in
// variables of their own, each for one registry; and, for Google's registries,
// as a workload identity or a machine.
package login

import (
	"errors"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
)

// Variable is where logins are looked for before any file.
const Variable = "DOCKER_AUTH_CONFIG"

// ErrMalformed is a variable that holds no config.json. It says nothing of
// what it does hold.
var ErrMalformed = errors.New(Variable + ` is not the text of a config.json, {"auths":{"registry.example.com":{"auth":"<base64 of user:password>"}}}`)

// Lookup finds the login for the first of the keys that has one; a key is a
// registry's host, with a path or without, or the address that Docker keeps
// its own registry under. Where the variable has none, LoginsVariable may name
// one. False where there is none: an empty variable is as one that is not set.
func Lookup(keys ...string) (types.AuthConfig, bool, error) {
	text := os.Getenv(Variable)
	if strings.TrimSpace(text) == "" {
		return named(keys)
	}
	file, err := config.LoadFromReader(strings.NewReader(text))
	if err != nil {
		return types.AuthConfig{}, false, ErrMalformed
	}
	store := credentials.NewFileStore(file)
	for _, key := range keys {
		found, err := store.Get(key)
		if err != nil {
			return types.AuthConfig{}, false, ErrMalformed
		}
		found.ServerAddress = "" // is set for any key
		if found != (types.AuthConfig{}) {
			return found, true, nil
		}
	}
	return named(keys)
}
