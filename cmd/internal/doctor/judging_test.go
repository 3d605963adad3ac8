package doctor_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// TestWhatJudgingNeeds looks at code scanning, where something asks for it.
func TestWhatJudgingNeeds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{forge.GitHub, forge.GitLab} {
		r, f := good(name)
		r.repository.Private = true
		if got := states(f.Look(t.Context())); got["code scanning"] != "" {
			t.Errorf("%s: %v", name, got)
		}
		f.Pipeline.Judging = model.Judging{On: true, Upload: model.UploadSARIF}
		if got := states(f.Look(t.Context())); (got["code scanning"] == doctor.Warn) != (name == forge.GitHub) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
