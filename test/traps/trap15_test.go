package traps

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// TestTrap15TagNotOnTheBranch: the newest tag, or the highest, may be on another
// branch. Only tags among the ancestors count, the nearest of them, and of
// several on one commit the highest version. And a release of an old branch
// must not take the place of a newer one in a channel.
func TestTrap15TagNotOnTheBranch(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n"})
	d.Git("tag", "v1.9")
	d.Git("tag", "v1.10")
	fork := d.Commit(map[string]string{"docs/fork": ""})
	d.Commit(map[string]string{"images/base/motd": "2\n"})
	d.Git("tag", "-a", "-m", "annotated", "v2.0")
	main := d.Commit(map[string]string{"docs/more": ""})
	d.Git("checkout", "-q", "-b", "old", fork)
	backport := d.Commit(map[string]string{"images/base/motd": "1 repaired\n"})
	d.Git("tag", "v1.11") // the newest by time
	d.Commit(map[string]string{"docs/old": ""})
	d.Git("tag", "v9.0", d.Commit(map[string]string{"images/base/motd": "9\n"})) // the highest
	d.Git("checkout", "-q", "main")

	d.plan("--to", main).from("v2.0")
	d.plan("--to", main).builds()
	d.plan("--to", fork).from("v1.10") // of two on one commit
	d.in("CI=true", "CI_COMMIT_TAG=v1.11").plan("--to", "v1.11").from("v1.10")
	d.in("CI=true", "CI_COMMIT_TAG=v2.0").plan("--to", "v2.0").from("v1.10")

	order := manifest.GitOrder(d.Dir)
	err := manifest.MayReplace(t.Context(), order, "manifest.json", backport, &manifest.Document{Commit: main})
	if err == nil || !strings.Contains(err.Error(), "does not descend") {
		t.Errorf("a back-port took the place of what main released: %v", err)
	}
	if err := manifest.MayReplace(t.Context(), order, "manifest.json", fork, &manifest.Document{Commit: main}); err == nil {
		t.Error("an older commit took the place of a newer one")
	}
	if err := manifest.MayReplace(t.Context(), order, "manifest.json", main, &manifest.Document{Commit: fork}); err != nil {
		t.Errorf("a newer commit was refused: %v", err)
	}
}
