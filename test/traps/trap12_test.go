package traps

import "testing"

// TestTrap12Symlinks: a link's own content is its text, so a change of what it
// points to shows in no difference of its folder. Where the target lies in the
// context, both count; where it lies outside, no build could read it, and the
// line that reads it is refused.
func TestTrap12Symlinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/app/Dockerfile": "FROM scratch\nCOPY images/app/conf /etc/\nCOPY images/app/dir/ /dir/\n", "images/app/image.yaml": "context: .\n",
		"images/whole/Dockerfile": "FROM scratch\nCOPY images/app/ /app/\n", "images/whole/image.yaml": "context: .\n",
		"images/out/Dockerfile": "FROM scratch\n", "shared/conf": "1\n", "shared/other": "1\n", "shared/dir/file": "1\n",
	})
	d.symlink("../../shared/conf", "images/app/conf")
	d.symlink("../../shared/dir", "images/app/dir")
	d.Commit(nil)
	step := func(files map[string]string) *verdicts {
		at := d.Commit(files)
		return d.plan("--from", at+"~1", "--to", at)
	}
	p := step(map[string]string{"shared/conf": "2\n", "shared/other": "2\n"})
	p.builds("app", "whole")
	p.because("app", file("shared/conf"))
	p.because("whole", file("shared/conf"))
	p = step(map[string]string{"shared/dir/file": "2\n"})
	p.builds("app", "whole")
	p.because("app", file("shared/dir/file"))
	d.symlink("../../shared/other", "images/app/conf")
	p = step(nil)
	p.builds("app", "whole")
	p.because("app", file("images/app/conf"))

	d.symlink("../../shared/conf", "images/out/conf")
	step(nil).builds() // no instruction reads it
	d.Commit(map[string]string{"images/out/Dockerfile": "FROM scratch\nCOPY conf /\n"})
	p = step(map[string]string{"shared/conf": "3\n"}) // on a desk it is planned, and counts
	p.builds("out")
	p.because("out", file("shared/conf"))
	d.in("CI=true").refuses(nil, "images/out/Dockerfile:2:6", "images/out/conf", "../../shared/conf", "outside the build context")
	d.symlink("/etc/passwd", "images/out/conf") // which is in the context, or nowhere
	d.Commit(nil)
	d.in("CI=true").refuses(nil, "images/out/Dockerfile:2:6")
}
