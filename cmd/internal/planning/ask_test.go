package planning_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

func TestRegistryAnswers(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(files("1"))
	r.Git("tag", "v1")
	inCI := map[string]string{"CI": "true"}
	denied := registrytest.Fault{Status: 401}
	tests := map[string]struct {
		env   map[string]string
		o     planning.Options
		fault *registrytest.Fault
		want  string // the plan's registry and its first action, or a part of the error
		code  int    // of the error
	}{
		"named on a desk":               {want: "known build"},
		"in CI":                         {env: inCI, want: "known build"},
		"not to be asked":               {o: planning.Options{State: planning.StateOff}, want: "unknown none"},
		"refused on a desk":             {fault: &denied, want: "unknown none"},
		"refused, but it must answer":   {fault: &denied, o: planning.Options{State: planning.StateOn}, want: "refuses", code: 1},
		"refused in CI":                 {env: inCI, fault: &denied, want: "refuses", code: 1},
		"refused to a request from CI":  {env: inCI, fault: &denied, o: planning.Options{Scope: model.ScopePR, From: "v1"}, want: "unknown none"},
		"unable in CI":                  {env: inCI, fault: &registrytest.Fault{Status: 404, Path: "^$"}, want: "known build"},
		"an answer that is no registry": {env: inCI, fault: &registrytest.Fault{Status: 418}, want: "asking the registry", code: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := registrytest.New(t)
			if tt.fault != nil {
				server.Fail(*tt.fault)
			}
			tt.o.Registry = server.Prefix("fleet")
			p, err := planOf(t.Context(), frame(r.Dir, tt.env), tt.o)
			var got string
			if err == nil {
				got = p.Registry + " " + string(p.Entries[0].Action)
			} else {
				got = err.Error()
				code := app.ExitFailed
				if c, found := errors.AsType[app.Coded](err); found {
					code = c.ExitCode()
				}
				if code != tt.code {
					t.Errorf("exit code %d, want %d", code, tt.code)
				}
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
