package ci

import (
	"strings"
	"testing"
)

// TestSupersededPush pushes twice. The pipeline of the first push is stopped
// when one platform of one image is built, and never goes on; that of the
// second, which edits another image, does what is left of both.
func TestSupersededPush(t *testing.T) {
	t.Parallel()
	without := onlyBase(t)
	for path := range without {
		if strings.HasPrefix(path, "images/accel/") {
			delete(without, path)
		}
	}
	f := newFleet(t, "superseded", without)
	g := gitHub{f}
	f.expect("the first push of all", g.push(), succeeded("plan", bothLegs, "build accel linux/amd64, merge accel", "manifest", "result"))
	first := f.testing(map[string]string{"base": everyImage["base"], "accel": everyImage["accel"]})

	f.push("main", map[string]string{"images/base/greeting": "hello, again\n"})
	f.job("rootfsrun", "build", "base", "--platform", "linux/amd64")
	f.push("main", map[string]string{"images/accel/accel.txt": "faster\n"})
	f.expect("the second push", g.push(), succeeded("plan", bothLegs, "build accel linux/amd64, merge accel", "manifest", "result"))
	second := f.testing(map[string]string{"base": everyImage["base"], "accel": everyImage["accel"]})
	for _, image := range []string{"base", "accel"} {
		if first[image] == second[image] {
			t.Errorf("%s of the two pushes is lost", image)
		}
	}
	f.expect("a push after them", g.push(), succeeded("plan", "-build base, -merge base, -build accel, -merge accel", "manifest", "result"))
}

// TestOnlyPlanned executes the pipelines of a fleet whose pushes and requests
// are only planned: nothing reaches the registry, and requests are commented.
func TestOnlyPlanned(t *testing.T) {
	t.Parallel()
	files := onlyBase(t)
	files["rootfsgen.yaml"] = filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "triggers: {push: plan, request: plan}\n"
	f := newFleet(t, "planned", files)
	g, l := gitHub{f}, onGitLab(f)
	main := f.Git("rev-parse", "HEAD")
	f.expect("a push to GitHub", g.push(), succeeded("plan", "result"))
	f.expect("a push to GitLab", l.push(), succeeded("plan"))
	f.Git("checkout", "-q", "-b", "feature")
	f.push("feature", map[string]string{"images/base/greeting": "hello from a request\n"})
	f.expect("a pull request", g.request(7, main), succeeded("plan", "comment", "-fork", "result"))
	f.expect("a merge request", l.request(7, main), succeeded("plan", "comment"))
	f.untouched("base")
}
