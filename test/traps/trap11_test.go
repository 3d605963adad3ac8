package traps

import (
	"testing"
)

// TestTrap11Submodules: a submodule is one line in the tree, and its files are
// in another repository. When the line moves, whoever declares it as an input
// is built; an instruction that reads through it is refused at its line,
// because no build from these objects could have the files.
func TestTrap11Submodules(t *testing.T) {
	t.Parallel()
	module := newDesk(t, map[string]string{"lib.sh": "1\n"})
	d := newDesk(t, map[string]string{
		"images/app/Dockerfile": "FROM scratch\nCOPY app.sh /\n", "images/app/app.sh": "",
		"images/gen/Dockerfile": "FROM scratch\n", "images/gen/image.yaml": "inputs: [vendor/lib]\n",
	})
	add := func(path string) {
		d.Git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "file://"+module.Dir, path)
	}
	add("vendor/lib")
	d.Commit(nil)
	d.Git("tag", "v1")

	moved := module.Commit(map[string]string{"lib.sh": "2\n"})
	d.at(d.elsewhere(d.Dir+"/vendor/lib")).Git("pull", "-q")
	d.Commit(nil)
	for _, where := range []*desk{d, d.at(d.Clone())} { // with the submodule's files, and without
		p := where.plan("--from", "v1", "--to", "HEAD")
		p.builds("gen")
		p.because("gen", file("vendor/lib"))
		for _, r := range p.of("gen")[0].Reasons {
			if r.Path == "vendor/lib" && r.New != "160000 git:"+moved {
				t.Errorf("the reason is %+v, want the commit %s", r, moved)
			}
		}
	}

	add("images/app/lib")
	d.Commit(nil)
	d.plan().builds("gen") // no instruction reads it
	d.Commit(map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY app.sh /\nCOPY . /all\n"})
	d.in("CI=true").refuses(nil, "images/app/Dockerfile:3:6", "images/app/lib", "submodule")
	d.Commit(map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY app.sh /\nCOPY lib/lib.sh /\n"})
	d.in("CI=true").refuses(nil, "images/app/Dockerfile:3:6", "images/app/lib", "submodule")
	d.Commit(map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY lib.sh /\n", "images/app/image.yaml": "context: vendor/lib\n"})
	d.in("CI=true").refuses(nil, "images/app/image.yaml:1:10", "vendor/lib is a submodule")
}
