// Package buildkit builds Dockerfiles and runs programs in images through
// BuildKit. It is the only importer of BuildKit's client.
package buildkit

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// Client is a connection to one BuildKit daemon. It is safe for concurrent
// use.
type Client struct {
	addr      string
	bk        *bk.Client
	platforms map[model.Platform]bool

	// Scope is that of the registry which is written to, one of model's Scope
	// constants: which identity of a job that has several. Empty is the only one.
	Scope string
	// Proxies are the values of ProxyVariables that RUN instructions see.
	Proxies map[string]string
}

// dialAttempts and dialPause bound how long a daemon that is just starting is
// waited for.
const (
	dialAttempts = 4
	dialPause    = 250 * time.Millisecond
)

// Dial connects to the daemon at addr, for example "unix:///run/buildkitd.sock"
// or "tcp://127.0.0.1:1234". A daemon that does not answer is an *Unavailable.
func Dial(ctx context.Context, addr string) (*Client, error) {
	conn, err := bk.New(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to BuildKit at %s: %w", addr, err)
	}
	c := &Client{addr: addr, bk: conn, platforms: map[model.Platform]bool{}}
	var workers []*bk.WorkerInfo
	for attempt := range dialAttempts {
		if attempt > 0 {
			pause(ctx, dialPause<<attempt)
		}
		if workers, err = conn.ListWorkers(ctx); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		_ = conn.Close() // nothing was sent over it
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &Unavailable{Addr: addr, Err: err}
	}
	for _, w := range workers {
		for _, p := range w.Platforms {
			c.platforms[model.Platform{OS: p.OS, Arch: p.Architecture}] = true
		}
	}
	return c, nil
}

// Addr is where the daemon is.
func (c *Client) Addr() string { return c.addr }

// CanRun tells whether the daemon's machine said at Dial that it runs programs
// of the platform, natively or emulated.
func (c *Client) CanRun(p model.Platform) bool { return c.platforms[p] }

// Close ends the connection.
func (c *Client) Close() error { return c.bk.Close() }

// attachables is what the daemon may ask this process for: credentials, which
// are read when they are needed, not before.
func (c *Client) attachables() []session.Attachable {
	return []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: credentials(c.Scope, &login.Google{Scope: c.Scope}, authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(io.Discard))),
	})}
}

// credentials are those of the environment for a scope of ours, then those of Docker's files, then,
// for Google's registries, those of the machine.
func credentials(of string, machine *login.Google, files authprovider.AuthConfigProvider) authprovider.AuthConfigProvider {
	return func(ctx context.Context, host string, scope []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		key := host
		if host == authprovider.DockerHubRegistryHost {
			key = authprovider.DockerHubConfigfileKey
		}
		if c, found, err := login.Lookup(of, key); found || err != nil {
			return c, err
		}
		c, err := files(ctx, host, scope, expired)
		if err != nil || c.Password != "" || c.IdentityToken != "" || c.RegistryToken != "" || !login.IsGoogle(host) {
			return c, err
		}
		user, password, found, err := machine.Login(ctx)
		if found {
			c.Username, c.Password = user, password
		}
		return c, err
	}
}

// pause waits, or not when ctx has ended.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
