package traps

import "testing"

// TestTrap07SharedFileOutside: a file that is copied from outside the image's
// folder belongs to no image by its path. It counts for exactly the images
// whose instructions read it, wherever it lies, and so does what is declared as
// a further input.
func TestTrap07SharedFileOutside(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"shared/entry.sh": "1\n", "shared/unused": "1\n", "rules/list": "1\n",
		"images/app/Dockerfile": "FROM scratch\nCOPY shared/entry.sh /\n", "images/app/image.yaml": "context: .\n",
		"images/gen/Dockerfile": "FROM scratch\n", "images/gen/image.yaml": "inputs: [rules]\n",
		"images/lone/Dockerfile": "FROM scratch\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"shared/entry.sh": "2\n"})
	p := d.plan()
	p.builds("app")
	p.because("app", file("shared/entry.sh"))
	d.Git("tag", "v2")
	d.Commit(map[string]string{"shared/unused": "2\n", "rules/list": "2\n"})
	p = d.plan()
	p.builds("gen")
	p.because("gen", file("rules/list"))
}
