package model

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Network is how jobs reach the world. The zero value is a world that is
// reached directly.
type Network struct {
	CA      string            // file with further certificate authorities, from the root of the tree; empty is none
	Proxy   Proxy             //
	Mirrors map[string]string // by a registry's host: the host[/path] that is asked before it
	Logins  []Login           // in the order of the settings
}

// Proxy is the proxies of a network, as the variables that programs know by
// these names hold them.
type Proxy struct {
	HTTP  string   // address for http://
	HTTPS string   // address for https://
	No    []string // hosts, domains and networks that are reached directly
}

// Login says which secret of the forge logs in to a registry.
type Login struct {
	Registry string   // host[:port]
	Secret   string   // name of a secret or variable that holds "user:password"
	Scopes   []string `json:",omitempty"` // of the jobs that are given it, of LoginScopes; nil is all
}

// LoginScopes are what a login can be for: the scope that a job writes to, and
// ScopeRead for one that only looks.
func LoginScopes() []string { return []string{ScopeRead, ScopePR, ScopeTesting, ScopeProd} }

// For tells whether jobs of a scope are given the login.
func (l Login) For(scope string) bool { return l.Scopes == nil || slices.Contains(l.Scopes, scope) }

// RegistryAuth is the secret of GitHub that holds the logins of whatever scope
// has no RegistryAuthOf. On GitLab it is the variable DOCKER_AUTH_CONFIG.
const RegistryAuth = "ROOTFSGEN_REGISTRY_AUTH"

// RegistryAuthOf is the secret, or the variable of GitLab, that holds the
// logins of one of LoginScopes as the text of a Docker config.json.
func RegistryAuthOf(scope string) string { return RegistryAuth + "_" + strings.ToUpper(scope) }

var (
	secretName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,99}$`)
	noProxy    = regexp.MustCompile(`^[A-Za-z0-9.*:\[\]/_-]+$`)
)

// CheckHost tells why s cannot be a registry's host, "host[:port]".
func CheckHost(s string) error {
	if strings.Contains(s, "/") {
		return fmt.Errorf("invalid registry %q: expected host[:port], without a path", s)
	}
	return CheckPrefix(s)
}

// CheckSecretName tells why s cannot name a secret that a pipeline reads. What
// the forges and our own pipelines give a meaning to is none.
func CheckSecretName(s string) error {
	if !secretName.MatchString(s) {
		return fmt.Errorf("invalid secret %q: expected the name of a secret, such as CORP_REGISTRY, not its value", s)
	}
	for _, reserved := range []string{"GITHUB_", "CI_", "GITLAB_", "ROOTFSGEN_", "ACTIONS_", "RUNNER_"} {
		if strings.HasPrefix(s, reserved) {
			return fmt.Errorf("invalid secret %q: names that begin with %s mean something else", s, reserved)
		}
	}
	return nil
}

// CheckProxy tells why s cannot be a proxy's address. A password in it would
// be committed.
func CheckProxy(s string) error {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil:
		return fmt.Errorf("a proxy's password does not belong in a file that is committed: set it on the machines")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("invalid proxy %.80q: expected an address such as http://proxy.example.com:3128", s)
	}
	if err := CheckHost(u.Host); err != nil {
		return fmt.Errorf("invalid proxy %.80q: expected an address such as http://proxy.example.com:3128", s)
	}
	return nil
}

// CheckNoProxy tells why s cannot be reached directly.
func CheckNoProxy(s string) error {
	if !noProxy.MatchString(s) {
		return fmt.Errorf("invalid exception %.80q: expected a host, a domain such as .example.com, or a network such as 10.0.0.0/8", s)
	}
	return nil
}
