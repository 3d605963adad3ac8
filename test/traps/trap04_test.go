package traps

import "testing"

// TestTrap04BaseCommitGone: a force-push took away the commit to compare with.
// The comparison fails, and a script that reads its empty output builds
// nothing. An error stays one here: there is no plan, and it says what to do.
func TestTrap04BaseCommitGone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n"})
	d.Git("tag", "v1")
	gone := d.Commit(map[string]string{"images/base/motd": "2\n"})
	d.Git("reset", "-q", "--hard", "v1")
	d.Commit(map[string]string{"images/base/motd": "3\n"})
	clone := d.at(d.Clone())

	clone.refuses([]string{"--from", gone}, gone, "not in this repository", "force-pushed", "--from")
	clone.refuses([]string{"--from", "v9"}, "v9", "unknown revision")
	clone.in("CI=true", "CI_MERGE_REQUEST_DIFF_BASE_SHA="+gone).refuses([]string{"--scope", "pr"}, gone, "not in this repository")
	clone.in("CI=true", "GITHUB_BASE_REF=deleted").plan("--scope", "pr") // the default branch is there, and will do
	clone.Git("checkout", "-q", "--orphan", "unrelated")
	clone.Commit(nil)
	clone.in("CI=true").refuses([]string{"--scope", "pr"}, "no common ancestor", "--from")
}
