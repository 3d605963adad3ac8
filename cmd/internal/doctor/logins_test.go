package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// TestLoginOfEachScope asks for the secrets that the jobs of each scope read,
// and is content with the one of all scopes but for requests, whose jobs run
// what people propose.
func TestLoginOfEachScope(t *testing.T) {
	t.Parallel()
	const pr, testing, prod = "ROOTFSGEN_REGISTRY_AUTH_PR", "ROOTFSGEN_REGISTRY_AUTH_TESTING", "ROOTFSGEN_REGISTRY_AUTH_PROD"
	const read = "ROOTFSGEN_REGISTRY_AUTH_READ"
	of := func(protected bool, names ...string) (all []forge.Variable) {
		for _, name := range names {
			all = append(all, forge.Variable{Name: name, Secret: true, Protected: protected && name != pr})
		}
		return all
	}
	for name, c := range map[string]struct {
		on   string
		have []forge.Variable
		want map[string]doctor.State
	}{
		"nothing on GitHub": {forge.GitHub, nil, map[string]doctor.State{pr: doctor.Warn, testing: doctor.Warn, read: doctor.Warn}},
		"one for all":       {forge.GitHub, of(false, "ROOTFSGEN_REGISTRY_AUTH"), map[string]doctor.State{pr: doctor.Warn, testing: doctor.OK, read: doctor.OK}},
		"requests' own":     {forge.GitHub, of(false, "ROOTFSGEN_REGISTRY_AUTH", pr), map[string]doctor.State{pr: doctor.OK, testing: doctor.OK, read: doctor.OK}},
		"nothing to read":   {forge.GitHub, of(false, pr, testing, prod), map[string]doctor.State{pr: doctor.OK, testing: doctor.OK, read: doctor.Warn}},
		"each its own":      {forge.GitHub, of(false, pr, testing, read), map[string]doctor.State{pr: doctor.OK, testing: doctor.OK, read: doctor.OK}},
		"one on GitLab":     {forge.GitLab, of(false, "DOCKER_AUTH_CONFIG"), map[string]doctor.State{pr: doctor.Warn, testing: doctor.OK, prod: doctor.OK, read: doctor.OK}},
		"none to read":      {forge.GitLab, of(true, pr, testing, prod), map[string]doctor.State{pr: doctor.OK, testing: doctor.OK, prod: doctor.OK, read: doctor.Warn}},
		"each on GitLab":    {forge.GitLab, of(true, pr, testing, prod, read), map[string]doctor.State{pr: doctor.OK, testing: doctor.OK, prod: doctor.OK, read: doctor.OK}},
		"open on GitLab":    {forge.GitLab, of(false, pr, testing, prod, read), map[string]doctor.State{pr: doctor.OK, testing: doctor.Fail, prod: doctor.Fail, read: doctor.Fail}},
	} {
		r, f := good(c.on)
		f.Settings.Network.Logins = nil
		f.Settings.Registry = model.Registry{PR: "r.example.com/pr", Testing: "r.example.com/testing", Prod: "r.example.com/prod"}
		r.variables = c.have
		got := map[string]doctor.State{}
		for _, x := range f.Look(t.Context()) {
			if secret, is := strings.CutPrefix(x.Check, "secret ROOTFSGEN_REGISTRY_AUTH"); is {
				got["ROOTFSGEN_REGISTRY_AUTH"+secret] = x.State
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
