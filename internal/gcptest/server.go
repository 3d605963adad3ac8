// Package gcptest is Google's cloud inside a test: the gRPC interfaces of
// Artifact Analysis (Grafeas) and Artifact Registry, which answer as their
// documents say, and can be told to fail, to take their time and to answer
// with half of what they have.
package gcptest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Fault is what happens to the calls that match it.
type Fault struct {
	Method  string // the last part of a method's name, "ListOccurrences"; empty is every one
	Holds   string // text that the filter or name of the request holds; empty is every request
	After   int    // how many matching calls pass first
	Times   int    // how many of them fail then, 0 is all
	Code    codes.Code
	Message string
}

type fault struct {
	Fault
	seen int
}

// Call is one call that was made.
type Call struct {
	Method string // the last part of its name
	Holds  string // filter or name of the request
	Parent string
	Token  string // page token
	Size   int32  // page size that was asked for
	Bearer string // access token that came with it
}

// Server is one interface, on a port of its own of this machine.
type Server struct {
	listener net.Listener
	grpc     *grpc.Server

	mu     sync.Mutex
	faults []*fault
	calls  []Call
	tokens []string // that are taken; empty takes a call without one
	hook   func(Call)
}

// listen begins to serve what register adds; it ends with the test.
func (s *Server) listen(t testing.TB, o []grpc.ServerOption, register func(*grpc.Server)) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.grpc = l, grpc.NewServer(append(o, grpc.UnaryInterceptor(s.intercept))...)
	register(s.grpc)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.grpc.Serve(l) // ends with Stop
	}()
	t.Cleanup(func() {
		s.grpc.Stop()
		<-done
	})
}

// Endpoint is the server's address as the variables of runtime/googleapi have
// it, in plain text.
func (s *Server) Endpoint() string { return "http://" + s.Address() }

// Address is the server's "host:port".
func (s *Server) Address() string { return s.listener.Addr().String() }

// Stop ends the server before the test ends: connections are refused.
func (s *Server) Stop() { s.grpc.Stop() }

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{Fault: f})
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Require refuses calls that do not come with one of these access tokens.
func (s *Server) Require(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = tokens
}

// OnCall calls f before each call is carried out; nil ends that.
func (s *Server) OnCall(f func(Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Calls are the calls so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count is how many calls of a method were made so far.
func (s *Server) Count(method string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c := callOf(ctx, req, info.FullMethod)
	s.mu.Lock()
	s.calls = append(s.calls, c)
	refused := s.refusal(c)
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(c)
	}
	if refused != nil {
		return nil, refused
	}
	return handler(ctx, req)
}

func callOf(ctx context.Context, req any, method string) Call {
	c := Call{Method: method[strings.LastIndex(method, "/")+1:]}
	if r, ok := req.(interface{ GetName() string }); ok {
		c.Holds = r.GetName()
	}
	if r, ok := req.(interface{ GetParent() string }); ok {
		c.Holds, c.Parent = r.GetParent(), r.GetParent()
	}
	if r, ok := req.(interface{ GetFilter() string }); ok && r.GetFilter() != "" {
		c.Holds = r.GetFilter()
	}
	if r, ok := req.(interface{ GetPageToken() string }); ok {
		c.Token = r.GetPageToken()
	}
	if r, ok := req.(interface{ GetPageSize() int32 }); ok {
		c.Size = r.GetPageSize()
	}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		c.Bearer = strings.TrimPrefix(strings.Join(md.Get("authorization"), ","), "Bearer ")
	}
	return c
}

// refusal is the first fault that is due, and what a call without a login is
// told.
func (s *Server) refusal(c Call) error {
	if len(s.tokens) > 0 && !slices.Contains(s.tokens, c.Bearer) {
		return status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
	}
	for _, f := range s.faults {
		if f.Method != "" && f.Method != c.Method || !strings.Contains(c.Holds, f.Holds) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Times == 0 || f.seen <= f.After+f.Times) {
			return status.Error(f.Code, f.Message)
		}
	}
	return nil
}

// Certificate is a certificate for 127.0.0.1, and the authorities that know
// it: credentials are sent over TLS alone.
func Certificate(t testing.TB) (grpc.ServerOption, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gcptest"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	server := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	return grpc.Creds(server), &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}
}

// page cuts a page out of n things. The token is of the question alone, as
// Google's are: with another question it is refused.
func page(n int, size, most int32, question, token string) (from, to int, next string, err error) {
	const fallback = 20
	switch {
	case size < 0:
		return 0, 0, "", status.Error(codes.InvalidArgument, "Page size must not be negative.")
	case size == 0:
		size = fallback
	case size > most:
		size = most
	}
	if token != "" {
		of, at, found := strings.Cut(token, "\x00")
		if !found || of != question {
			return 0, 0, "", status.Error(codes.InvalidArgument, "The page token is not of this request.")
		}
		if from, err = strconv.Atoi(at); err != nil {
			return 0, 0, "", status.Error(codes.InvalidArgument, "The page token is damaged.")
		}
	}
	from = min(from, n)
	to = min(from+int(size), n)
	if to < n {
		next = question + "\x00" + strconv.Itoa(to)
	}
	return from, to, next, nil
}
