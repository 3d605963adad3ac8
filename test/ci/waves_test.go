package ci

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inWaves is the fleet of testdata/fleet in the layout waves.
func inWaves(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{"rootfsgen.yaml": filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "layout: waves\n"}
}

// waveOf is the wave of each image of testdata/fleet.
var waveOf = map[string]string{"base": "1", "accel": "2", "app": "2", "tool": "3"}

// TestWaves lets both forges live through the days of TestPipelines, with the
// same fleet in waves.
func TestWaves(t *testing.T) {
	t.Parallel()
	t.Run("github", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, "waves-github", inWaves(t))
		days(f, gitHubWaves{gitHub{f}})
	})
	t.Run("gitlab", func(t *testing.T) {
		t.Parallel()
		f := newFleet(t, "waves-gitlab", inWaves(t))
		g, _ := onGitLab(f).(gitLab)
		days(f, gitLabWaves{g})
		badDayInWaves(g)
	})
}

// badDayInWaves breaks a test of one image. What is built from it is not, says
// so and names it; all others go on, and the next good push heals.
func badDayInWaves(g gitLab) {
	t := g.t
	before := g.testing(everyImage)
	g.fleet.push("main", map[string]string{"images/app/app.sh": "#!/bin/sh\necho nothing to say\n", "images/accel/accel.txt": "faster\n"})
	got := g.push()
	want := g.expected(slices.Concat([]string{"plan", "manifest"}, jobsOf("accel"))...)
	for _, job := range jobsOf("app", "tool") {
		want[job] = "failure"
	}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("a push that breaks app: jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		said := "building tool:3 " + platform + ": its parent app:2.1 " + platform + " has not passed its tests"
		if !strings.Contains(strings.Join(got.log, "\n"), said) {
			t.Errorf("nobody said %q\n%s", said, got.tail())
		}
	}
	if err := g.child(); err == nil {
		t.Error("the child pipeline with a failing test succeeded")
	}
	after := g.testing(everyImage)
	if diff := cmp.Diff([]string{"accel"}, changed(before, after)); diff != "" {
		t.Errorf("images whose digest changed when app was broken (-want +got):\n%s", diff)
	}
	g.fleet.push("main", map[string]string{"images/app/app.sh": "#!/bin/sh\necho \"$(cat /etc/greeting) from app, well again\"\n"})
	got = g.push()
	if diff := cmp.Diff(g.expected(slices.Concat([]string{"plan", "manifest"}, jobsOf("app", "tool"))...), got.jobs); diff != "" {
		t.Fatalf("a push that heals app: jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
}

type gitHubWaves struct{ gitHub }

// actMatrix is the number that act puts behind the name of a leg, where there
// are several.
var actMatrix = regexp.MustCompile(`^((?:build|merge) \S+?)-[0-9]+( .*)?$`)

// plain drops the numbers of legs; no image of the fleet ends in one.
func plain(r results) results {
	jobs := map[string]string{}
	for name, result := range r.jobs {
		if m := actMatrix.FindStringSubmatch(name); m != nil {
			name = m[1] + m[2]
		}
		jobs[name] = result
	}
	r.jobs = jobs
	return r
}

func (g gitHubWaves) push() results { return plain(g.gitHub.push()) }
func (g gitHubWaves) request(number int, base string) results {
	return plain(g.gitHub.request(number, base))
}
func (g gitHubWaves) release(tag string) results { return plain(g.gitHub.release(tag)) }

// expected on GitHub, in waves: a batch of which nothing ran was skipped. Its
// name has no image then, so all of them have the same one.
func (g gitHubWaves) expected(ran ...string) map[string]string {
	m := g.gitHub.expected(ran...)
	for _, kind := range []string{"build", "merge"} {
		waves := map[string]bool{}
		for image, wave := range waveOf {
			delete(m, kind+" "+image)
			runs := slices.ContainsFunc(ran, func(job string) bool { return strings.HasPrefix(job+" ", kind+" "+image+" ") })
			waves[wave] = waves[wave] || runs
		}
		for _, runs := range waves {
			if !runs {
				m[kind] = "skipped"
			}
		}
	}
	for _, job := range ran {
		m[job] = "success"
	}
	return m
}

type gitLabWaves struct{ gitLab }
