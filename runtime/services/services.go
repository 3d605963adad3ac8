// Package services runs what a machine needs to build and keep images: a
// buildkitd and a registry, started as processes of their own below one
// folder, found again by later runs, and stopped without a trace.
package services

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// PreferredPort is where the local registry listens when nobody else does.
const PreferredPort = 5005

// Options change how services are started.
type Options struct {
	Bin          string        // folder of the programs that were built for this repository; PATH is looked at after it
	BuildkitHost string        // a buildkitd that runs already, "unix:///..." or "tcp://host:port": none is started
	Mirrors      Mirrors       // registries that buildkitd asks before others
	Port         int           // where the registry should listen; 0 is where it last did, else PreferredPort
	Timeout      time.Duration // for all of them to be ready; 0 is one minute
	Env          []string      // further variables for both, "GOGC=400"
}

// State is where the services are.
type State struct {
	BuildkitAddr string `json:"buildkit_addr"` // "unix:///..." or "tcp://host:port"
	Registry     string `json:"registry"`      // "127.0.0.1:5005", plain HTTP; empty where none was asked for
}

// Service is one of them, as Status sees it.
type Service struct {
	Name    string `json:"name"`
	Running bool   `json:"running"` // its process is there and answers
	PID     int    `json:"pid,omitempty"`
	Address string `json:"address,omitempty"`
	Log     string `json:"log,omitempty"` // path
}

// Error is a service that could not be started, reached or stopped. Trying
// again, or on another machine, may help.
type Error struct {
	Service string
	Err     error
	Log     string // end of its log, empty where there is none
}

// Error says what is wrong, and what the service said last.
func (e *Error) Error() string {
	s := e.Service + ": " + e.Err.Error()
	if e.Log != "" {
		s += "\nits log ends:\n" + e.Log
	}
	return s
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is that of trouble with the machine.
func (e *Error) ExitCode() int { return 75 }

// Start makes sure that the services run, and returns when both answer. What
// runs already is left alone, what has died is started again on the same
// data. cache is the repository's .cache folder. It may be called by several
// processes at once. The services outlive the caller.
func Start(ctx context.Context, cache string, o Options) (*State, error) {
	return start(ctx, cache, o, true)
}

// Ensure makes sure that there is a buildkitd to build with: the one that
// Options.BuildkitHost names must answer, and nothing is started; else it is
// Start.
func Ensure(ctx context.Context, cache string, o Options) (*State, error) {
	return start(ctx, cache, o, o.BuildkitHost == "")
}

func start(ctx context.Context, cache string, o Options, registry bool) (*State, error) {
	l, err := newLayout(cache)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not ready within %s", o.Timeout))
	defer cancel()
	if o.BuildkitHost != "" {
		if err := reachable(ctx, o.BuildkitHost); err != nil {
			return nil, &Error{Service: "buildkitd", Err: fmt.Errorf("reaching BUILDKIT_HOST %s: %w", o.BuildkitHost, err)}
		}
		if !registry {
			return &State{BuildkitAddr: o.BuildkitHost}, nil
		}
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, &Error{Service: "services", Err: err}
	}
	defer unlock()
	return l.start(ctx, o)
}

// start does the work, under the lock.
func (l layout) start(ctx context.Context, o Options) (*State, error) {
	r := l.read()
	state := &State{BuildkitAddr: o.BuildkitHost}
	if err := l.require(ctx, r, o); err != nil {
		return nil, err
	}
	var builder, registry *daemon
	g, gctx := errgroup.WithContext(ctx)
	if o.BuildkitHost == "" {
		g.Go(func() (err error) {
			builder, err = l.startBuildkitd(gctx, r.Buildkitd, o)
			return err
		})
	}
	g.Go(func() (err error) {
		registry, err = l.startRegistry(gctx, r, o)
		return err
	})
	err := g.Wait()
	// What was started is written down even when the other was not, so that
	// stop finds it.
	if builder != nil {
		r.Buildkitd = builder
		state.BuildkitAddr = builder.Address
	}
	if registry != nil {
		r.Registry = registry
		state.Registry = registry.Address
		r.Port = portOf(registry.Address)
	}
	if werr := l.write(r); err == nil {
		err = werr
	}
	if err != nil {
		return nil, err
	}
	return state, nil
}

// require tells at once everything that is missing for what must be started.
func (l layout) require(ctx context.Context, r record, o Options) error {
	var names []string
	if o.BuildkitHost == "" && !r.Buildkitd.running(ctx) {
		if os.Geteuid() != 0 {
			return &Error{Service: "buildkitd", Err: errors.New("starting it needs root; set BUILDKIT_HOST to use one that runs already")}
		}
		names = append(names, "buildkitd", "runc", "unshare")
	}
	if !r.Registry.running(ctx) {
		names = append(names, "registry")
	}
	_, err := tools.FindAll(o.Bin, names...)
	return err
}

// Stop ends the services: first asking, then with force. Nothing of them is
// left but their data and logs. It is no error when none runs.
func Stop(ctx context.Context, cache string) error {
	l, err := newLayout(cache)
	if err != nil {
		return err
	}
	if _, err := os.Stat(l.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return &Error{Service: "services", Err: err}
	}
	defer unlock()
	r := l.read()
	var g errgroup.Group
	g.Go(func() error { return l.stopBuildkitd(ctx, r.Buildkitd) })
	g.Go(func() error { return l.stopRegistry(ctx, r.Registry) })
	if err := g.Wait(); err != nil {
		return err
	}
	return l.write(record{Version: 1, Port: r.Port})
}

// Status looks at the services without changing them: first buildkitd, then
// the registry. The State holds the addresses of those that run.
func Status(ctx context.Context, cache string, o Options) (*State, []Service, error) {
	l, err := newLayout(cache)
	if err != nil {
		return nil, nil, err
	}
	r := l.read()
	state := &State{}
	builder := l.describe(ctx, "buildkitd", r.Buildkitd)
	if o.BuildkitHost != "" {
		builder = Service{Name: "buildkitd", Address: o.BuildkitHost, Running: reachable(ctx, o.BuildkitHost) == nil}
	}
	registry := l.describe(ctx, "registry", r.Registry)
	if builder.Running {
		state.BuildkitAddr = builder.Address
	}
	if registry.Running {
		state.Registry = registry.Address
	}
	return state, []Service{builder, registry}, nil
}

func (l layout) describe(ctx context.Context, name string, d *daemon) Service {
	s := Service{Name: name}
	if d.running(ctx) {
		s.Running, s.PID, s.Address, s.Log = true, d.PID, d.Address, l.path(name+".log")
	}
	return s
}
