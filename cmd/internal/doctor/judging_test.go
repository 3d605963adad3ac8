package doctor_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// TestWhatJudgingNeeds looks at code scanning and at the key that is signed
// with, and at neither where nothing asks for them.
func TestWhatJudgingNeeds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{forge.GitHub, forge.GitLab} {
		r, f := good(name)
		r.repository.Private = true
		got := states(f.Look(t.Context()))
		if _, asked := got["code scanning"]; asked || got["environment signing"] != "" {
			t.Errorf("%s: %v", name, got)
		}
		f.Pipeline.Judging, f.Pipeline.Signing = model.Judging{On: true, Upload: model.UploadSARIF}, model.Signing{Key: "env:KEY"}
		got = states(f.Look(t.Context()))
		if (got["code scanning"] == doctor.Warn) != (name == forge.GitHub) || got["environment signing"] != doctor.Warn {
			t.Errorf("%s: %v", name, got)
		}
		r.environments = append(r.environments, forge.Environment{Name: "signing", Restrict: true})
		if got = states(f.Look(t.Context())); got["environment signing"] != doctor.OK {
			t.Errorf("%s: %v", name, got)
		}
	}
}
