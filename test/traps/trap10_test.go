package traps

import (
	"testing"
)

// TestTrap10Dockerignore: what an ignore file leaves out does not count, the
// Dockerfile's own ignore file takes the place of the folder's, and an edit of
// either counts for what it changes in the context.
func TestTrap10Dockerignore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/one/Dockerfile": "FROM scratch\nCOPY . /\n", "images/one/.dockerignore": "# logs\n*.log\n**/*.tmp\n!keep.tmp\n.dockerignore\n",
		"images/one/a.log": "1\n", "images/one/sub/b.tmp": "1\n", "images/one/keep.tmp": "1\n", "images/one/app": "1\n",
		"images/two/Dockerfile": "FROM scratch\nCOPY . /\n", "images/two/.dockerignore": "*\n", "images/two/app": "1\n",
		"images/two/Dockerfile.dockerignore": "*.log\n*ignore\nDockerfile\n", "images/two/a.log": "1\n",
	})
	step := func(files map[string]string) *verdicts {
		at := d.Commit(files)
		return d.plan("--from", at+"~1", "--to", at)
	}
	step(map[string]string{"images/one/a.log": "2\n", "images/one/sub/b.tmp": "2\n", "images/two/a.log": "2\n"}).builds()
	step(map[string]string{"images/one/.dockerignore": "# comments are no change\n\n*.log\n**/*.tmp\n!keep.tmp\n.dockerignore\n"}).builds()
	p := step(map[string]string{"images/one/keep.tmp": "2\n", "images/two/app": "2\n"})
	p.builds("one", "two")
	p.because("one", file("images/one/keep.tmp"))
	p = step(map[string]string{"images/one/.dockerignore": "**/*.tmp\n!keep.tmp\n.dockerignore\n"})
	p.builds("one")
	p.because("one", file("images/one/a.log"))
	p = step(map[string]string{"images/two/Dockerfile.dockerignore": "*.log\napp\n*ignore\nDockerfile\n"})
	p.builds("two")
	p.because("two", file("images/two/app")) // it is still there
}
