// Package registry speaks to container registries: the one place that knows
// their protocol, their failures and what a receipt looks like in them. Every
// call is retried with back-off where trying again can help, and honours
// Retry-After; what remains is an *Unavailable. A repository is named by its
// whole address, "host[:port]/path".
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// Options says how a Client behaves. The zero value is what a command wants.
type Options struct {
	Bootstrap bool              // 401 and 403 on reading mean "absent"
	Scope     string            // one of model's Scope constants: which login and which identity of a job that has several; empty is the only one
	Keychain  authn.Keychain    // nil: the variable of Scope, DOCKER_AUTH_CONFIG, then the files and helpers of Docker, or Podman, then the machine for Google
	Transport http.RoundTripper // nil: the network
	Attempts  int               // how often a call is tried, 0 is 5
	Backoff   time.Duration     // before the second try, doubled before each further one; 0 is 500 ms
	Log       *slog.Logger      // nil: nothing is logged; each retry is a warning
	// SignReceipt makes the bundle that is laid beside a receipt's statement;
	// nil signs none.
	SignReceipt func(ctx context.Context, statement []byte) ([]byte, error)
	// TrustReceipt judges such a bundle: the error is why a statement about a
	// digest does not count, or an *Unjudged. nil believes every receipt, as long as only those
	// who build may write to the registry.
	TrustReceipt func(ctx context.Context, bundle, statement []byte, digest model.Digest) error
	// Unjudged is an address below which receipts count unsigned all the same: a
	// request's own scope, which nothing else reads. Empty is none.
	Unjudged string
	// Sleep waits for d or until ctx is done, and then returns ctx's error; nil
	// is the clock.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Client speaks to any number of registries. It is safe for concurrent use.
type Client struct {
	o        Options
	base     http.RoundTripper
	mu       sync.Mutex
	pings    map[string]*transport.Challenge // by registry
	sessions map[sessionKey]*session
	empty    map[string]bool // repositories that are known to hold the empty blob
	whole    map[string]bool // registries whose lists of tags are not in lexical order
	fallback chan struct{}   // held by who mends an index of artifacts
}

type sessionKey struct {
	repo string
	push bool
}

// session is an authenticated way to one repository.
type session struct {
	client *http.Client
	url    string // "http://host/v2/path"
}

// New makes a client. It connects to nothing until it is asked to.
func New(o Options) *Client {
	if o.Keychain == nil {
		o.Keychain = keychain{o.Scope, &login.Google{Scope: o.Scope, Transport: o.Transport}}
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	if o.Attempts == 0 {
		o.Attempts = 5
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &Client{
		o: o, base: hinting{o.Transport},
		pings: map[string]*transport.Challenge{}, sessions: map[sessionKey]*session{}, empty: map[string]bool{}, whole: map[string]bool{},
		fallback: make(chan struct{}, 1),
	}
}

// newTransport bounds how long a registry may be silent; the time for a whole
// upload is the caller's business.
func newTransport() http.RoundTripper {
	t, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		return remote.DefaultTransport
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 2 * time.Minute
	return t
}

// parseRepository checks a repository's address before it becomes a URL.
func parseRepository(repo string) (name.Repository, error) {
	if err := model.CheckPrefix(repo); err != nil {
		return name.Repository{}, err
	}
	host, _, found := strings.Cut(repo, "/")
	if !found {
		return name.Repository{}, fmt.Errorf("invalid repository %q: expected host/path", repo)
	}
	r, err := name.NewRepository(repo)
	if err != nil {
		return name.Repository{}, err
	}
	if r.RegistryStr() != host && host != "docker.io" {
		return name.Repository{}, fmt.Errorf("invalid repository %q: %q is no host name", repo, host)
	}
	return r, nil
}

// session authenticates for one repository; the result is kept, a failure is
// not.
func (c *Client) session(ctx context.Context, r name.Repository, push bool) (*session, error) {
	key := sessionKey{r.Name(), push}
	c.mu.Lock()
	s, found := c.sessions[key]
	ping := c.pings[r.RegistryStr()]
	c.mu.Unlock()
	if found {
		return s, nil
	}
	auth, err := authn.Resolve(ctx, c.o.Keychain, r)
	if err != nil {
		return nil, fmt.Errorf("reading credentials for %s: %w", r.RegistryStr(), err)
	}
	if ping == nil {
		ping, err = transport.Ping(ctx, r.Registry, c.base)
		if status(err) == http.StatusNotFound { // is not the repository's 404
			return nil, fmt.Errorf("%s is no registry: it answers 404 for /v2/", r.RegistryStr())
		}
		if err != nil {
			return nil, err
		}
	}
	rt, err := c.authenticate(ctx, r, push, auth, ping)
	if err != nil {
		return nil, err
	}
	scheme := "https"
	if ping.Insecure {
		scheme = "http"
	}
	s = &session{
		client: &http.Client{Transport: rt, CheckRedirect: checkRedirect},
		url:    scheme + "://" + r.RegistryStr() + "/v2/" + r.RepositoryStr(),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings[r.RegistryStr()], c.sessions[key] = ping, s
	return s, nil
}

func (c *Client) authenticate(ctx context.Context, r name.Repository, push bool, auth authn.Authenticator, ping *transport.Challenge) (http.RoundTripper, error) {
	if !strings.EqualFold(ping.Scheme, "bearer") {
		return transport.FromToken(r.Registry, auth, c.base, ping, &transport.Token{})
	}
	action := transport.PullScope
	if push {
		action = transport.PushScope
	}
	return transport.NewWithContext(ctx, r.Registry, auth, c.base, []string{r.Scope(action)})
}

// checkRedirect follows a registry to where it stores its blobs, but not to a
// plain-text place or one inside the private network that it has not been
// asked about.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("stopped after 5 redirects")
	}
	first := via[0].URL
	if req.URL.Host == first.Host {
		return nil
	}
	if req.URL.Scheme != "https" || private(req.URL.Hostname()) {
		return fmt.Errorf("refusing the redirect from %s to %s", first.Host, req.URL.Host)
	}
	return nil
}
