package traps

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap06DeletedImage: the folder of a deleted image is in the difference,
// and becomes a job that cannot work. It is retired instead: nothing is built
// for it. While something is built from it, the plan is refused at the line
// that says so: else a stranger's image of that name would be taken.
func TestTrap06DeletedImage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing}\nrepositories: [\"\"]\n",
		"images/base/Dockerfile": "FROM scratch\n", "images/app/Dockerfile": "# on its base\nFROM base\n", "images/orphan/Dockerfile": "FROM scratch\n",
	})
	d.Git("tag", "v1")
	d.remove("images/orphan")
	d.Commit(nil)
	p := d.plan()
	p.builds()
	p.steps("orphan", model.ActionRetire, "", "")
	p.because("orphan", model.Reason{Kind: model.ReasonRemoved, Name: "orphan"})
	out := t.TempDir()
	d.ok("generate", "--changed", "--from", "v1", "--out", out)
	for _, name := range []string{".github/workflows/rootfsgen-fleet.yml", ".gitlab/rootfsgen/fleet.yml"} {
		if text := d.at(d.elsewhere(out)).readIfThere(name); strings.Contains(text, "orphan") {
			t.Errorf("%s has jobs for an image that is gone:\n%s", name, text)
		}
	}

	d.remove("images/base")
	d.Commit(nil)
	d.refuses(nil, "images/app/Dockerfile:2:6", "base is no longer an image of this fleet", "restore images/base")
}
