package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap05Renames: git shows a rename as one line, and whoever takes one path
// from it misses the image at the other end. A moved file keeps its content, so
// whoever compares contents alone misses both.
func TestTrap05Renames(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/from/Dockerfile": "FROM scratch\nCOPY . /data\n", "images/from/conf/a": "a long enough text to be recognised\n", "images/from/kept": "",
		"images/to/Dockerfile": "FROM scratch\nCOPY . /data\n", "images/to/kept": "",
		"images/within/Dockerfile": "FROM scratch\nCOPY etc /etc\n", "images/within/etc/one/conf": "the same\n",
		"images/still/Dockerfile": "FROM scratch\nCOPY . /data\n", "images/still/conf/a": "a long enough text to be recognised\n",
	})
	d.Git("tag", "v1")
	d.Git("config", "diff.renames", "copies")
	d.Git("mv", "images/from/conf", "images/to/conf")
	d.Git("mv", "images/within/etc/one", "images/within/etc/two")
	d.Commit(nil)
	p := d.plan()
	p.builds("from", "to", "within")
	p.because("from", model.Reason{Kind: model.ReasonRemoved, Path: "images/from/conf/a"})
	p.because("to", file("images/to/conf/a"))
	p.because("within", model.Reason{Kind: model.ReasonRemoved, Path: "images/within/etc/one/conf"}, file("images/within/etc/two/conf"))
}
