package traps

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap27OddNames: names that differ in case only, that are no UTF-8, that
// hold quotes and line ends, and a file that becomes a folder break whoever
// reads git's output as lines or asks a file system. Trees are read as git
// stores them. A name that no plan can hold is refused where it is read, and
// harmless elsewhere.
func TestTrap27OddNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/case/Dockerfile": "FROM scratch\nCOPY data /data\n", "images/case/data/Read": "1\n",
		"images/odd/Dockerfile": "FROM scratch\nCOPY . /\n", "images/odd/a b": "1\n", "images/odd/quo\"te": "1\n", "images/odd/-dash": "1\n", "images/odd/:(top)x": "1\n", "images/odd/ünï": "1\n",
		"images/swap/Dockerfile": "FROM scratch\nCOPY . /\n", "images/swap/thing": "1\n",
		"images/lone/Dockerfile": "FROM scratch\nCOPY lone /\n", "images/lone/lone": "1\n",
	})
	step := func(files map[string]string) *verdicts {
		t.Helper()
		at := d.Commit(files)
		return d.plan("--from", at+"~1", "--to", at)
	}
	d.Git("mv", "images/case/data/Read", "images/case/data/read")
	p := step(nil)
	p.builds("case")
	p.because("case", file("images/case/data/read"), model.Reason{Kind: model.ReasonRemoved, Path: "images/case/data/Read"})
	for _, name := range []string{"a b", "quo\"te", "-dash", ":(top)x", "ünï"} {
		p = step(map[string]string{"images/odd/" + name: "2\n"})
		p.builds("odd")
		p.because("odd", file("images/odd/"+name))
	}
	d.remove("images/swap/thing")
	p = step(map[string]string{"images/swap/thing/inside": "1\n"})
	p.builds("swap")
	p.because("swap", file("images/swap/thing/inside"), model.Reason{Kind: model.ReasonRemoved, Path: "images/swap/thing"})

	latin1 := "images/lone/latin1-\xe9"
	if err := os.WriteFile(filepath.Join(d.Dir, latin1), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	step(map[string]string{"docs/new\nline": "1\n", "docs/tab\there": ""}).builds()
	step(map[string]string{"images/lone/lone": "2\n"}).builds("lone")
	d.Commit(map[string]string{"images/lone/Dockerfile": "FROM scratch\nCOPY . /\n"})
	d.in("CI=true").refuses(nil, "images/lone/Dockerfile:2:6", "UTF-8")
}
