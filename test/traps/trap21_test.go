package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestTrap21PackageDrift: the archive gets a security update, and no source of
// ours changes. The versions of packages, and the state of the archive, are
// written down beside the bases, so a move is a commit, with the package as the
// reason; what is not written down is an error in CI.
func TestTrap21PackageDrift(t *testing.T) {
	t.Parallel()
	lock := func(bash, state string) string {
		suite := model.LockedSuite{InRelease: model.DigestOf([]byte(state)), Images: map[string]map[string]string{}}
		for _, target := range []string{"deb linux/amd64", "deb linux/arm64"} {
			suite.Images[target] = map[string]string{"bash": bash, "libc6": "2.41-12"}
		}
		return string(source.FormatLock(model.Lock{Debian: map[string]model.LockedSuite{"trixie": suite}}))
	}
	d := newDesk(t, map[string]string{
		"images.lock":           lock("5.2.37-1", "old"),
		"images/deb/image.yaml": "builder: debian\nsuite: trixie\npackages: [bash]\n",
		"images/app/Dockerfile": "FROM deb\n",
		"images/apt/Dockerfile": "FROM scratch\nRUN apt-get update\n", "images/apt/image.yaml": "refresh: archive\nsuite: trixie\n",
		"images/not/Dockerfile": "FROM scratch\nRUN apt-get update\n",
	})
	d.Git("tag", "v1")
	d.in("CI=true").plan().builds()
	at := d.Commit(map[string]string{"images.lock": lock("5.2.37-2", "old")})
	p := d.in("CI=true").plan("--from", at+"~1")
	p.builds("app", "deb")
	p.because("deb", model.Reason{Kind: model.ReasonBase, Old: "5.2.37-1", New: "5.2.37-2"})
	p.because("app", parent("deb:0"))
	at = d.Commit(map[string]string{"images.lock": lock("5.2.37-2", "new")})
	p = d.in("CI=true").plan("--from", at+"~1")
	p.builds("apt") // nobody knows which packages it takes; deb's are the same
	p.because("apt", model.Reason{Kind: model.ReasonBase})

	d.remove("images.lock")
	d.Commit(nil)
	d.in("CI=true").refuses(nil, "images/deb/image.yaml", "images/apt/image.yaml", "rootfsgen lock")
}
