package services

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// tries is how often a port may be snatched away between choosing and using.
const tries = 5

// registryConfig is the registry's settings, written as JSON, which is YAML
// too. At its quietest level the registry still logs each look-up of something
// that is not there: trimLog bounds that.
func (l layout) registryConfig(address, instance string) ([]byte, error) {
	type m = map[string]any
	b, err := json.MarshalIndent(m{
		"version": "0.1",
		"log":     m{"level": "error", "accesslog": m{"disabled": true}},
		"storage": m{
			"filesystem": m{"rootdirectory": l.path("registry")},
			"delete":     m{"enabled": true},
		},
		"http": m{
			"addr":    address,
			"headers": m{instanceHeader: []string{instance}},
		},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding its settings: %w", err)
	}
	return append(b, '\n'), nil
}

func (l layout) startRegistry(ctx context.Context, r record, o Options) (*daemon, error) {
	if r.Registry.running(ctx) {
		return r.Registry, l.trimLog("registry")
	}
	d, err := l.runRegistry(ctx, r, o)
	if err != nil {
		return nil, &Error{Service: "registry", Err: err, Log: l.logTail("registry")}
	}
	return d, nil
}

func (l layout) runRegistry(ctx context.Context, r record, o Options) (*daemon, error) {
	if err := l.stopRegistry(ctx, r.Registry); err != nil {
		return nil, err
	}
	port := PreferredPort
	switch {
	case o.Port != 0:
		port = o.Port
	case r.Port != 0:
		port = r.Port
	}
	for try := 1; ; try++ {
		address, err := freeAddress(ctx, port)
		if err != nil {
			return nil, err
		}
		d, err := l.tryRegistry(ctx, address, o)
		if err == nil {
			return d, nil
		}
		if try == tries || !errors.Is(err, errEnded) {
			return nil, err
		}
		port = 0
	}
}

// freeAddress is the port on this machine's own address if it is free, else
// one that is.
func freeAddress(ctx context.Context, port int) (string, error) {
	for _, p := range []int{port, 0} {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			continue
		}
		address := listener.Addr().String()
		return address, listener.Close()
	}
	return "", errors.New("no free port on 127.0.0.1")
}

// tryRegistry starts one there; errEnded when it could not listen.
func (l layout) tryRegistry(ctx context.Context, address string, o Options) (*daemon, error) {
	instance := rand.Text()
	config, err := l.registryConfig(address, instance)
	if err != nil {
		return nil, err
	}
	path := l.path("registry.yml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, fmt.Errorf("writing its settings: %w", err)
	}
	program, err := tools.Find(o.Bin, "registry")
	if err != nil {
		return nil, err
	}
	return l.launch(ctx, "registry", daemon{Address: address, Instance: instance}, tool.Command{
		Name: program, Args: []string{"serve", path},
		Env: append([]string{"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none"}, o.Env...),
	})
}

// stopRegistry ends the one that the state names and any that it does not.
func (l layout) stopRegistry(ctx context.Context, d *daemon) error {
	all := d.processes("registry", l.path("registry.yml"))
	for _, p := range all {
		p.signal(unix.SIGTERM)
	}
	for _, p := range all {
		if p.wait(ctx, askedToEnd) {
			continue
		}
		if !p.kill() {
			return &Error{Service: "registry", Err: fmt.Errorf("process %d does not end", p.PID)}
		}
	}
	return nil
}
