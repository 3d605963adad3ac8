package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap18OneSharedFile: one line of a file that all images share, such as the
// settings or images.lock, changes. Only the images that take that line are
// built: what counts is what a file comes to for each image.
func TestTrap18OneSharedFile(t *testing.T) {
	t.Parallel()
	settings := func(args, more string) string {
		return "version: 1\nargs: {" + args + "}\n" + more
	}
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":        settings("A: alpine:1, B: busybox:1", ""),
		"images.lock":           lockOf(map[string]string{"docker.io/library/alpine:1": "a1", "docker.io/library/busybox:1": "b1"}),
		"images/one/Dockerfile": "ARG A\nFROM ${A}\n", "images/two/Dockerfile": "ARG B\nFROM ${B}\n", "images/three/Dockerfile": "FROM scratch\n",
		"images/child/Dockerfile": "FROM two\n",
	})
	step := func(files map[string]string) *verdicts {
		t.Helper()
		at := d.Commit(files)
		return d.plan("--from", at+"~1", "--to", at)
	}
	step(map[string]string{"rootfsgen.yaml": settings("A: alpine:1, B: busybox:1, C: unused", "registry: {testing: registry.example.com/other}\nrelease: {tags: \"v*\"}\n")}).builds()
	p := step(map[string]string{"images.lock": lockOf(map[string]string{"docker.io/library/alpine:1": "a1", "docker.io/library/busybox:1": "b2"})})
	p.builds("two", "child")
	p.because("two", model.Reason{Kind: model.ReasonBase, Name: "docker.io/library/busybox:1"})
	p.because("child", parent("two:0"))
	p = step(map[string]string{"rootfsgen.yaml": settings("A: scratch, B: busybox:1", "")})
	p.builds("one")
}
