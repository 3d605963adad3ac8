package traps

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap25RegistryErrors: a registry that is overloaded, that refuses, or that
// breaks off in the middle has not said "missing", and not "present" either.
// Only 404 means missing. Everything else is tried again, and then there is no
// plan, with the exit code that asks for another try.
func TestTrap25RegistryErrors(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{"images/app/Dockerfile": "FROM scratch\n"})
	d.Git("tag", "v1")
	s := registrytest.New(t)
	prefix := s.Prefix("testing")
	p := d.in("CI=true").plan("--registry", prefix) // 404 everywhere
	p.builds("app")
	if p.Registry != "known" {
		t.Errorf("a registry that answered 404 is %q", p.Registry)
	}
	patient := registry.New(registry.Options{})
	plantest.All(t, patient, &p.Plan)

	waits := 0
	client := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { waits++; return nil }})
	q := model.RegistryQuery{Prefix: prefix, Keys: map[string][]model.Digest{"app": {p.of("app")[0].Key, p.of("app")[1].Key}}}
	for name, fault := range map[string]registrytest.Fault{
		"500": {Status: http.StatusInternalServerError}, "503": {Status: http.StatusServiceUnavailable}, "429": {Status: http.StatusTooManyRequests},
		"401": {Status: http.StatusUnauthorized}, "403": {Status: http.StatusForbidden}, "cut": {Cut: true},
		"only the tags": {Path: "/tags/", Status: http.StatusBadGateway}, "403 for the tags": {Path: "/tags/", Status: http.StatusForbidden},
	} {
		s.Fail(fault)
		waits = 0
		state, err := client.State(t.Context(), q)
		if err == nil {
			t.Errorf("%s: the answer was %+v", name, state)
			continue
		}
		again := fault.Status != http.StatusUnauthorized && fault.Status != http.StatusForbidden
		if again && waits == 0 {
			t.Errorf("%s: it was not tried again: %v", name, err)
		}
		if coded, ok := errors.AsType[interface {
			error
			ExitCode() int
		}](err); again && (!ok || coded.ExitCode() != 75) {
			t.Errorf("%s: the exit code does not ask for another try: %v", name, err)
		}
		s.Heal()
	}
	s.Fail(registrytest.Fault{Status: http.StatusServiceUnavailable, Times: 2})
	state, err := client.State(t.Context(), q)
	if err != nil || len(state.Repositories["app"].Contents) != 2 {
		t.Errorf("after two bad answers: %+v, %v", state, err)
	}
	s.Heal()
	s.Fail(registrytest.Fault{Status: http.StatusForbidden})
	d.in("CI=true").refuses([]string{"--registry", prefix}, "the registry refuses")
}
