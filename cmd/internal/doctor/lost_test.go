package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

func TestLastAttempts(t *testing.T) {
	t.Parallel()
	own := []string{"self-hosted", "linux", "x64", "spot"}
	for name, c := range map[string]struct {
		forge    string
		attempts int
		want     map[string]doctor.State
	}{
		"on GitHub":   {forge.GitHub, 3, map[string]doctor.State{"last attempts of class again": doctor.Warn, "last attempts of class steadied": doctor.OK}},
		"of one only": {forge.GitHub, 1, map[string]doctor.State{}},
		"on GitLab":   {forge.GitLab, 3, map[string]doctor.State{}}, // which repeats a job on the same machines
	} {
		_, f := good(c.forge)
		f.Pipeline.Spot.Attempts = c.attempts
		f.Pipeline.Runners = map[string]model.Runner{
			"again": {GitHub: own, GitLab: own, Spot: true}, "steadied": {GitHub: own, GitLab: own, Spot: true, OnDemand: "steady"}, "steady": {GitHub: own, GitLab: own},
			"hosted": {GitHub: []string{"ubuntu-24.04"}, Spot: true}, // which nobody takes away
		}
		got := map[string]doctor.State{}
		for _, x := range f.Look(t.Context()) {
			if strings.HasPrefix(x.Check, "last attempts") {
				got[x.Check] = x.State
				if (x.State == doctor.Warn) != (len(x.Mend) == 1 && strings.Contains(x.Mend[0], "runners.again.on_demand")) {
					t.Errorf("%s: %+v", name, x)
				}
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
