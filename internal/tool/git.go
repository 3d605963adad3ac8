package tool

import (
	"os"
	"strings"
)

// gitPassed are the variables by which CI and people hand credentials and
// trusted folders to git: a partial clone needs them when it reads.
var gitPassed = []string{"SSH_AUTH_SOCK", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "XDG_CONFIG_HOME",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES", "GIT_CONFIG_COUNT"}

// GitEnviron is what git sees beside Environ when it reads the user's
// repository, so that every part of the program trusts and reaches the same
// ones: the credentials and settings of its surroundings, unattended, in
// English, and deaf to replace refs and to a GIT_DIR of a surrounding hook.
func GitEnviron() []string {
	env := []string{"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1"}
	for _, name := range gitPassed {
		if v, found := os.LookupEnv(name); found {
			env = append(env, name+"="+v)
		}
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GIT_CONFIG_KEY_") || strings.HasPrefix(v, "GIT_CONFIG_VALUE_") {
			env = append(env, v)
		}
	}
	return env
}
