package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap03NoTagYet: the first run has nothing to compare with. That means
// that everything is new, not that nothing changed, and the plan says so.
func TestTrap03NoTagYet(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/base/Dockerfile": "FROM scratch\n", "images/app/Dockerfile": "FROM base\n",
	})
	d.Git("tag", "nightly") // is no release
	for _, env := range []string{"CI=", "CI=true"} {
		p := d.in(env).plan()
		p.from("")
		p.builds("app", "base")
		p.because("base", model.Reason{Kind: model.ReasonNew})
		p.because("app", model.Reason{Kind: model.ReasonNew})
		p.notes("No tag matches")
		p.notes("everything is new")
	}
}
