package traps

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTrap29Filters: with eol, autocrlf, or clean and smudge filters the files
// in the work tree are not what git stores, and differ from machine to machine.
// What git stores is the truth, for the key and for the build, on a desk too.
func TestTrap29Filters(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		".gitattributes":        "*.txt text eol=crlf\n*.sh text\n*.conf -text filter=secret\n",
		"images/app/Dockerfile": "FROM scratch\nCOPY . /\n", "images/app/a.txt": "one\ntwo\n", "images/app/run.sh": "one\n", "images/app/plain": "one\n", "images/app/app.conf": "password=@PASSWORD@\n",
	})
	d.Git("tag", "v1")
	clone := d.at(d.Clone("-c", "core.autocrlf=true", "-c", "filter.secret.smudge=sed s/@PASSWORD@/hunter2/", "-c", "filter.secret.clean=sed s/hunter2/@PASSWORD@/"))
	for name, want := range map[string]string{"a.txt": "one\r\ntwo\r\n", "run.sh": "one\r\n", "plain": "one\r\n", "app.conf": "password=hunter2\n"} {
		if got := clone.read("images/app/" + name); got != want {
			t.Fatalf("the clone has %s as %q: git did not filter", name, got)
		}
	}
	late := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"a.txt", "run.sh", "plain", "app.conf"} { // so that git must look inside
		if err := os.Chtimes(filepath.Join(clone.Dir, "images/app", name), late, late); err != nil {
			t.Fatal(err)
		}
	}
	stored := d.plan("--to", "HEAD")
	equalPlans(t, "a filtered clone", stored, clone.plan("--to", "HEAD"))
	filtered := clone.plan("--from", "v1", "--to", "worktree")
	filtered.builds()
	equalPlans(t, "its work tree", stored, filtered)
	for name, want := range map[string]string{"a.txt": "one\ntwo\n", "run.sh": "one\n", "plain": "one\n", "app.conf": "password=@PASSWORD@\n"} {
		if got, err := clone.given(filtered.of("app")[0], name); err != nil || got != want {
			t.Errorf("the build is given %s as %q, %v", name, got, err)
		}
	}
	clone.Write(map[string]string{"images/app/a.txt": "one\r\n"})
	p := clone.plan("--from", "v1", "--to", "worktree")
	p.builds("app")
	p.because("app", file("images/app/a.txt"))
}
