package planning_test

import (
	"errors"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestAnswersOfARegistry is what becomes of a plan, by who asks and what the
// registry answers. On a trusted ref nothing but a 404 means missing; a
// request, and a desk, may go without the registry when it refuses them, and
// the plan says that it was not asked. Nobody may when it is in trouble.
func TestAnswersOfARegistry(t *testing.T) {
	t.Parallel()
	const known, alone, refused, again = "known", "unknown", "exit 1", "exit 75"
	inCI := map[string]string{"CI": "true"}
	type who struct {
		env   map[string]string
		scope string
		state string
	}
	people := map[string]who{
		"trusted":         {inCI, model.ScopeTesting, planning.StateAuto},
		"prod":            {inCI, model.ScopeProd, planning.StateAuto},
		"request":         {inCI, model.ScopePR, planning.StateAuto},
		"request, insist": {inCI, model.ScopePR, planning.StateOn},
		"desk":            {nil, model.ScopeTesting, planning.StateAuto},
		"desk, insists":   {nil, model.ScopeTesting, planning.StateOn},
	}
	answers := map[string]struct {
		fault     registrytest.Fault
		bootstrap bool
		want      map[string]string // by who
	}{
		"404":          {registrytest.Fault{Path: "^$"}, false, map[string]string{"": known}},
		"401":          {registrytest.Fault{Path: "/tags/", Status: 401}, false, map[string]string{"": refused, "request": alone, "desk": alone}},
		"403":          {registrytest.Fault{Path: "/tags/", Status: 403}, false, map[string]string{"": refused, "request": alone, "desk": alone}},
		"403 at first": {registrytest.Fault{Path: "/tags/", Status: 403}, true, map[string]string{"": known}},
		// Trying again takes time; the registry's own tests have all of this kind.
		"503": {registrytest.Fault{Path: "/tags/", Status: 503}, true, map[string]string{"trusted": again, "request": again}},
	}
	for answer, a := range answers {
		r := gittest.New(t)
		tree := files("1")
		if a.bootstrap {
			tree["rootfsgen.yaml"] = "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, bootstrap: true}\n"
		}
		r.Commit(tree)
		r.Git("tag", "v1")
		for name, who := range people {
			want, found := a.want[name]
			if !found {
				want, found = a.want[""]
			}
			if !found {
				continue
			}
			t.Run(name+" "+answer, func(t *testing.T) {
				t.Parallel()
				server := registrytest.New(t)
				if a.fault.Status != 0 {
					server.Fail(a.fault)
				}
				p, err := planOf(t.Context(), frame(r.Dir, who.env), planning.Options{
					Scope: who.scope, State: who.state, Registry: server.Prefix("fleet"), From: "v1",
				})
				var got string
				switch coded, ok := errors.AsType[app.Coded](err); {
				case err == nil:
					got = p.Registry
				case ok && coded.ExitCode() == 75:
					got = again
				default:
					got = refused
				}
				if got != want {
					t.Errorf("%s, want %s: %v", got, want, err)
				}
				if err == nil && (p.Registry == "known") != (p.Entries[0].Steps[model.StepBuild] == model.StepRun) && who.scope != model.ScopePR {
					t.Errorf("%s: %+v", p.Registry, p.Entries[0])
				}
			})
		}
	}
}
