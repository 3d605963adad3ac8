package traps

import "testing"

// TestTrap32PartialClone: a clone without blobs, or without trees, fetches
// objects when they are read. The plan is that of a whole clone. Where the
// remote cannot be reached any more, that is an error that names the clone's
// filter, never "no change".
func TestTrap32PartialClone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n", "images/base/link.txt": "1\n",
		"images/app/Dockerfile": "FROM base\nCOPY app /\n", "images/app/image.yaml": "description: old\n", "images/app/app": "1\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/app/Dockerfile": "FROM base\nCOPY app /app\n", "images/app/image.yaml": "description: new\n"})
	whole := d.plan("--to", "HEAD")
	whole.builds("app")
	for _, filter := range []string{"blob:none", "tree:0", "blob:limit=4"} {
		clone := d.at(d.Clone("--filter="+filter, "--no-checkout"))
		equalPlans(t, filter, whole, clone.in("CI=true").plan("--to", "HEAD"))
		if text, err := clone.given(whole.of("base")[0], "motd"); err != nil || text != "1\n" {
			t.Errorf("%s: the build is given %q, %v", filter, text, err)
		}
		cut := d.at(d.Clone("--filter="+filter, "--no-checkout"))
		cut.Git("remote", "set-url", "origin", "file://"+cut.Dir+"/nowhere")
		cut.in("CI=true").refuses([]string{"--to", "HEAD"}, "--filter")
	}
}
