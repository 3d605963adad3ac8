package traps

import "testing"

// TestTrap30IgnoredFile: an instruction reads a file that git ignores, made
// beside the Dockerfile by some other tool. It works on the desk where it was
// made, and changes unseen. It is refused at the line that reads it, with the
// reason, whether or not it lies there.
func TestTrap30IgnoredFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		".gitignore":            ".cache/\n/images/app/dist/\n*.o\n",
		"images/app/Dockerfile": "FROM scratch\nCOPY dist/app /\n", "images/app/src": "1\n",
	})
	d.Write(map[string]string{"images/app/dist/app": "made here\n"})
	d.in("CI=true").refuses(nil, "images/app/Dockerfile:2:6", "dist/app", "git ignores it")
	d.in("CI=true").refuses([]string{"--to", "worktree"}, "images/app/Dockerfile:2:6", "dist/app", "git ignores it")

	// Where everything is copied, an ignored file is no part of it.
	d.Commit(map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY . /\n"})
	before := d.plan("--to", "worktree")
	d.Write(map[string]string{"images/app/dist/app": "made anew\n", "images/app/x.o": "\n"})
	equalPlans(t, "an ignored file was edited", before, d.plan("--to", "worktree"))
	for _, f := range before.of("app")[0].Recipe.Files {
		if f.Path == "dist/app" {
			t.Error("an ignored file is in the context")
		}
	}
	d.Git("add", "-f", "images/app/dist/app")
	d.Git("commit", "-q", "-m", "it is tracked now")
	p := d.plan("--from", "HEAD~1", "--to", "HEAD")
	p.builds("app")
	p.because("app", file("images/app/dist/app"))
}
