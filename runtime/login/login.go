// Package login reads the registry logins that a job is given: in the variable
// of its scope and in DOCKER_AUTH_CONFIG, as GitLab defines it, the text of a
// Docker config.json; in variables of their own, each for one registry; and,
// for Google's registries, as a workload identity or a machine.
package login

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Variable is where logins of any scope are looked for, before any file.
const Variable = "DOCKER_AUTH_CONFIG"

// ScopeVariable is set to model.ScopeRead in a job that only looks, whatever
// scope its plan is of: the login of that is asked before that of the scope.
const ScopeVariable = "ROOTFSGEN_LOGIN_SCOPE"

// ErrMalformed is a variable that holds no config.json. It says nothing of
// what it does hold.
var ErrMalformed = errors.New(`not the text of a config.json, {"auths":{"registry.example.com":{"auth":"<base64 of user:password>"}}}`)

// Lookup finds the login for the first of the keys that has one; a key is a
// registry's host, with a path or without, or the address that Docker keeps
// its own registry under. scope is one of model's, whose variable
// (model.RegistryAuthOf) is asked before Variable; empty is none. Where they have
// none, LoginsVariable may name one. False where there is none: an empty variable
// is as one that is not set.
func Lookup(scope string, keys ...string) (types.AuthConfig, bool, error) {
	for _, name := range variables(scope) {
		found, err := read(os.Getenv(name), keys)
		if err != nil {
			return types.AuthConfig{}, false, fmt.Errorf("the variable %s is %w", name, err)
		}
		if found != (types.AuthConfig{}) {
			return found, true, nil
		}
	}
	return named(scope, keys)
}

// variables are those that may hold a config.json, in their order.
func variables(scope string) []string {
	var names []string
	for _, s := range []string{os.Getenv(ScopeVariable), scope} {
		if slices.Contains(model.LoginScopes(), s) {
			names = append(names, model.RegistryAuthOf(s))
		}
	}
	return append(names, Variable)
}

// read finds a login in the text of a config.json; an empty text has none.
func read(text string, keys []string) (types.AuthConfig, error) {
	if strings.TrimSpace(text) == "" {
		return types.AuthConfig{}, nil
	}
	file, err := config.LoadFromReader(strings.NewReader(text))
	if err != nil {
		return types.AuthConfig{}, ErrMalformed
	}
	store := credentials.NewFileStore(file)
	for _, key := range keys {
		found, err := store.Get(key)
		if err != nil {
			return types.AuthConfig{}, ErrMalformed
		}
		found.ServerAddress = "" // is set for any key
		if found != (types.AuthConfig{}) {
			return found, nil
		}
	}
	return types.AuthConfig{}, nil
}
