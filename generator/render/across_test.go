package render_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// TestWhatIsBuiltForAnotherPlatformIsWaitedFor has an image for arm64 that is
// compiled in a stage for amd64: GitLab's job must wait for that stage's base on
// amd64, and for none on its own platform.
func TestWhatIsBuiltForAnotherPlatformIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{image("base", both...), image("program", both...)}}}
	base, program := f.fleet.Images[0].Targets(), f.fleet.Images[1].Targets()
	f.edges = pipeline.Edges{}
	for _, id := range program {
		f.edges[id] = []model.TargetID{base[0]}
	}
	files := f.files(t)
	_, after, found := strings.Cut(string(files[render.GitLabFleet]), "\n\"build:program:arm64\":\n")
	job, _, _ := strings.Cut(after, "\n\n")
	if other := "build:base:" + base[1].Platform.Arch; !found || !strings.Contains(job, "build:base:"+base[0].Platform.Arch) || strings.Contains(job, other) {
		t.Errorf("build:program:arm64 waits for other jobs:\n%s", job)
	}
	if fleet := string(files[".github/workflows/rootfsgen-fleet.yml"]); !strings.Contains(fleet, "needs: [plan, build-base]") {
		t.Errorf("build-program does not wait for build-base:\n%s", fleet)
	}
}
