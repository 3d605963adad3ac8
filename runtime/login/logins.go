package login

import (
	"fmt"
	"os"
	"strings"

	"github.com/docker/cli/cli/config/types"
)

// LoginsVariable says which variables hold logins: HOST=NAME, separated by
// blanks, where the variable NAME holds "user:password" of the registry HOST.
// HOST=NAME@SCOPE is for one scope of those that the job may write to.
const LoginsVariable = "ROOTFSGEN_LOGINS"

// The names of Docker's own registry: in references, and in a config.json.
const (
	dockerHub    = "docker.io"
	dockerHubKey = "https://index.docker.io/v1/"
)

// named finds the login of the first of the hosts that LoginsVariable has one
// for. A variable that is not set is no login: a fork has no secrets.
func named(scope string, hosts []string) (types.AuthConfig, bool, error) {
	for _, host := range hosts {
		for entry := range strings.FieldsSeq(os.Getenv(LoginsVariable)) {
			registry, name, _ := strings.Cut(entry, "=")
			name, only, scoped := strings.Cut(name, "@")
			if registry != host && (registry != dockerHub || host != dockerHubKey) || scoped && only != scope {
				continue
			}
			value := strings.TrimSpace(os.Getenv(name))
			if value == "" {
				continue
			}
			user, password, found := strings.Cut(value, ":")
			if !found || user == "" || password == "" {
				return types.AuthConfig{}, false, fmt.Errorf("the variable %s, which logs in to %s, is not user:password", name, registry)
			}
			return types.AuthConfig{Username: user, Password: password}, true, nil
		}
	}
	return types.AuthConfig{}, false, nil
}
