package traps

import "testing"

// TestTrap31SparseCheckout: in a sparse checkout most files are not on the disk.
// They are neither gone nor unreadable: trees are read from git, so the plan is
// that of the whole checkout, for a commit and for uncommitted work.
func TestTrap31SparseCheckout(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/one/Dockerfile": "FROM two\nCOPY file /\n", "images/one/file": "1\n", "images/two/Dockerfile": "FROM scratch\nCOPY file /\n", "images/two/file": "1\n",
		"images/three/Dockerfile": "FROM scratch\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/two/file": "2\n"})
	whole := d.plan("--to", "HEAD")
	for name, how := range map[string][]string{"cone": {"--cone"}, "no cone": {"--no-cone"}, "sparse index": {"--cone", "--sparse-index"}} {
		sparse := d.at(d.Clone())
		sparse.Git(append(append([]string{"sparse-checkout", "set"}, how...), "images/one")...)
		if sparse.readIfThere("images/two/file") != "" {
			t.Fatalf("%s: the checkout is not sparse", name)
		}
		equalPlans(t, name, whole, sparse.plan("--to", "HEAD"))
		equalPlans(t, name+", work tree", whole, sparse.plan("--to", "worktree"))
		if text, err := sparse.given(whole.of("two")[0], "file"); err != nil || text != "2\n" {
			t.Errorf("%s: the build is given %q, %v", name, text, err)
		}
		sparse.Write(map[string]string{"images/one/file": "2\n"})
		p := sparse.plan("--from", "HEAD", "--to", "worktree")
		p.builds("one")
		p.because("one", file("images/one/file"))
	}
}
