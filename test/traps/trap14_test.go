package traps

import (
	"encoding/json"
	"testing"
)

// TestTrap14MergeSquashRebase: the same content arrives by a merge, a squash, a
// rebase or a cherry-pick, with other commit ids each time. Trees are compared,
// so the plan is the same, whatever is compared with; content that was taken
// back is no change.
func TestTrap14MergeSquashRebase(t *testing.T) {
	t.Parallel()
	var want string
	for _, how := range [][]string{
		{"merge", "-q", "--no-ff", "-m", "merge", "topic"}, {"merge", "-q", "--squash", "topic"}, {"cherry-pick", "main..topic"},
		{"rebase", "-q", "main", "topic"},
	} {
		d := newDesk(t, map[string]string{
			"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n",
			"images/app/Dockerfile": "FROM base\nCOPY app /\n", "images/app/app": "1\n", "images/lone/Dockerfile": "FROM scratch\n",
		})
		d.Git("tag", "v1")
		d.Git("checkout", "-q", "-b", "topic")
		d.Commit(map[string]string{"images/base/motd": "detour\n"})
		d.Commit(map[string]string{"images/base/motd": "1\n", "images/app/app": "2\n"})
		d.Git("checkout", "-q", "main")
		d.Commit(map[string]string{"docs/main": "\n", "images/lone/Dockerfile": "FROM scratch\nLABEL main=moved\n"})
		// A request is not about what its branch did meanwhile.
		request := d.in("CI=true").plan("--scope", "pr", "--to", "topic")
		request.builds("app")
		d.Git(how...)
		d.Commit(nil)
		p := d.plan()
		p.from("v1")
		p.builds("app", "lone")
		p.because("app", file("images/app/app"))
		got, err := json.Marshal(p.Entries)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		}
		if string(got) != want {
			t.Errorf("git %v: the entries differ:\n%s\n%s", how, got, want)
		}
		// Another commit with the files of the tag: nothing changed.
		d.Git("checkout", "-q", "--orphan", "again", "v1")
		d.Commit(nil)
		d.plan("--from", "v1", "--to", "HEAD").builds()
	}
}
