package traps

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestTrap23SupersededRun: two pushes follow one another, and the forge drops
// the run of the first because the second waits already. Whoever builds "what
// this push changed" never builds the first. The plan is made anew from what
// there is, whatever the forge says came before; and runs of different commits
// do not take each other's place.
func TestTrap23SupersededRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":        "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, prod: registry.example.com/prod}\n",
		"images/one/Dockerfile": "FROM scratch\nCOPY file /\n", "images/one/file": "1\n",
		"images/two/Dockerfile": "FROM scratch\nCOPY file /\n", "images/two/file": "1\n",
	})
	d.Git("tag", "v1")
	s := registrytest.New(t)
	client, prefix := registry.New(registry.Options{}), s.Prefix("testing")
	plantest.All(t, client, &d.plan("--registry", prefix).Plan)

	dropped := d.Commit(map[string]string{"images/one/file": "2\n"})
	d.Commit(map[string]string{"images/two/file": "2\n"})
	push := d.in("CI=true", "GITHUB_EVENT_NAME=push", "CI_COMMIT_BEFORE_SHA="+dropped)
	push.plan().builds("one", "two")
	p := push.plan("--registry", prefix)
	p.builds("one", "two")
	p.because("one", file("images/one/file"))
	plantest.All(t, client, &p.Plan)
	p = push.plan("--registry", prefix) // the run that was only late
	p.builds()
	p.steps("one", model.ActionReuse, model.StepDone, model.StepDone)

	d.ok("generate")
	group, cancels := "", ""
	for line := range strings.SplitSeq(d.read(".github/workflows/rootfsgen-push.yml"), "\n") {
		if rest, found := strings.CutPrefix(line, "  group: "); found {
			group = rest
		}
		if rest, found := strings.CutPrefix(line, "  cancel-in-progress: "); found {
			cancels = rest
		}
	}
	if !strings.Contains(group, "github.sha") || cancels != "false" {
		t.Errorf("pushes share the group %s, cancelled %s", group, cancels)
	}
}
