// Package googleapi connects to the interfaces of Google's cloud that are
// spoken to by gRPC: as whom, at which address, and how often a refused call is
// tried again. It knows nothing of what is asked there.
package googleapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// The variables that name another address than Google's public one:
// "host:port" for TLS, as a private service connection has it, or
// "http://127.0.0.1:port", in plain text and without credentials, for a server
// on this machine.
const (
	AnalysisVariable = "ROOTFSGEN_CONTAINERANALYSIS_ENDPOINT"
	RegistryVariable = "ROOTFSGEN_ARTIFACTREGISTRY_ENDPOINT"
)

// The public addresses.
const (
	AnalysisEndpoint = "containeranalysis.googleapis.com:443"
	RegistryEndpoint = "artifactregistry.googleapis.com:443"
)

// maxAnswer bounds one answer, in bytes: a page of a thousand findings has a
// few megabytes.
const maxAnswer = 64 << 20

// ErrNoLogin is a machine that nobody has logged in to Google.
var ErrNoLogin = errors.New("this machine has no login for Google: see docs/guide/google.md")

// Tokens gives access tokens; *login.Google does.
type Tokens interface {
	// Token returns a token that is good for some minutes; false where there is
	// none.
	Token(ctx context.Context) (token string, found bool, err error)
}

var _ Tokens = (*login.Google)(nil)

// Options says how an interface is reached.
type Options struct {
	Endpoint string      // empty is Public; else as the variables have it
	Public   string      // one of the public addresses
	Tokens   Tokens      // nil: *login.Google without a scope
	TLS      *tls.Config // nil is the machine's authorities
}

// Dial prepares a connection; nothing is sent before the first call.
func Dial(o Options) (*grpc.ClientConn, error) {
	target, plain, err := address(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if target == "" {
		target = o.Public
	}
	if o.Tokens == nil {
		o.Tokens = &login.Google{}
	}
	dial := []grpc.DialOption{grpc.WithDisableServiceConfig(), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))}
	if plain {
		dial = append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		t := o.TLS
		if t == nil {
			t = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		dial = append(dial, grpc.WithTransportCredentials(credentials.NewTLS(t)), grpc.WithPerRPCCredentials(bearer{o.Tokens}))
	}
	conn, err := grpc.NewClient("dns:///"+target, dial...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", target, err)
	}
	return conn, nil
}

var endpointForm = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$`)

// address reads an endpoint. Plain text is for this machine alone.
func address(endpoint string) (target string, plain bool, err error) {
	if endpoint == "" {
		return "", false, nil
	}
	target, plain = strings.CutPrefix(endpoint, "http://")
	target = strings.TrimSuffix(target, "/")
	if !endpointForm.MatchString(target) {
		return "", false, fmt.Errorf("invalid endpoint %q: expected host:port", endpoint)
	}
	if !plain {
		return target, false, nil
	}
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return "", false, fmt.Errorf("invalid endpoint %q: %w", endpoint, err)
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return "", false, fmt.Errorf("invalid endpoint %q: plain text is for a server on this machine only", endpoint)
	}
	return target, true, nil
}

// bearer sends a token with each call, over TLS alone.
type bearer struct{ tokens Tokens }

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, found, err := b.tokens.Token(ctx)
	if err != nil {
		return nil, &LoginError{err}
	}
	if !found {
		return nil, &LoginError{ErrNoLogin}
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (bearer) RequireTransportSecurity() bool { return true }
