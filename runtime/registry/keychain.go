package registry

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// keychain is the logins of the environment, then those of Docker's files and
// credential helpers or of Podman's file, then, for Google's registries, those
// of the machine.
type keychain struct {
	scope  string // see Options
	google *login.Google
}

// Resolve implements authn.Keychain.
func (k keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	host := r.RegistryStr()
	if host == name.DefaultRegistry {
		host = authn.DefaultAuthKey
	}
	c, found, err := login.Lookup(k.scope, r.String(), host)
	if err != nil {
		return nil, err
	}
	if found {
		return authn.FromConfig(authn.AuthConfig{
			Username: c.Username, Password: c.Password, Auth: c.Auth, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
		}), nil
	}
	a, err := authn.Resolve(ctx, authn.DefaultKeychain, r)
	if err != nil {
		return nil, silent{err}
	}
	if a != authn.Anonymous || !login.IsGoogle(host) {
		return a, nil
	}
	_, _, found, err = k.google.Login(ctx)
	if err != nil || !found { // an empty login is not the same as none
		return a, err
	}
	return machine{k.google}, nil
}

// machine is the login that this machine has for Google's registries. It is
// asked each time, because it renews itself.
type machine struct{ google *login.Google }

// Authorization implements authn.Authenticator.
func (m machine) Authorization() (*authn.AuthConfig, error) {
	return m.AuthorizationContext(context.Background())
}

// AuthorizationContext implements authn.ContextAuthenticator.
func (m machine) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	user, password, _, err := m.google.Login(ctx)
	return &authn.AuthConfig{Username: user, Password: password}, err
}

// silent is an error about credentials without what a credential helper
// printed, which may be a secret.
type silent struct{ err error }

var printed = regexp.MustCompile("(?s)out: `.*`")

// Error leaves out the output.
func (s silent) Error() string {
	return printed.ReplaceAllLiteralString(fmt.Sprint(s.err), "(what it printed is not shown)")
}

// Unwrap is for errors.Is and errors.As; its text is not to be shown.
func (s silent) Unwrap() error { return s.err }
