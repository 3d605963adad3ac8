package ci

import (
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// upstream puts an image behind the tag 1 of a repository that is outside of the
// fleet, and returns its digest.
func upstream(t *testing.T, repo string, image v1.Image) string {
	t.Helper()
	c := registry.New(registry.Options{})
	digest, err := c.PushImage(t.Context(), repo, image)
	if err == nil {
		err = c.MoveTag(t.Context(), repo, digest, "1")
	}
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// newer is a base that works, and differs from others by what it says.
func newer(t *testing.T, says string) v1.Image {
	t.Helper()
	base := enginetest.BusyboxImage(t, model.LinuxAMD64)
	config, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.Env = append(config.Config.Env, "SAYS="+says)
	if base, err = mutate.ConfigFile(base, config); err != nil {
		t.Fatal(err)
	}
	return base
}

// TestUpdatesThatFail lets the lock of a fleet on two bases follow them while one
// of them moves to what no image builds on. The request for both fails; the other
// goes on alone, and the bad one is tried again after its time, then no more, and
// again when it has moved on.
func TestUpdatesThatFail(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) events{"github": eventsOnGitHub, "gitlab": eventsOnGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpdates(t, "updates-"+name)
			u.on = on(u.fleet).(triedEvents)
			u.live()
		})
	}
}

// triedEvents are a forge that is told how the pipelines of its requests ended.
type triedEvents interface {
	events
	// tried executes the pipeline of the request that offers a commit, and has
	// the forge know how it ended.
	tried(main, commit string) results
}

type updates struct {
	*fleet
	on        triedEvents
	one, two  string // repositories of the bases
	ran, bad  string // digests of two and of one
	lastTried string
}

func newUpdates(t *testing.T, name string) *updates {
	t.Helper()
	prefix := enginetest.Services(t).Registry + "/" + name + "/upstream/"
	u := &updates{one: prefix + "one", two: prefix + "two"}
	upstream(t, u.one, newer(t, "one"))
	upstream(t, u.two, newer(t, "two"))
	files := onlyBase(t)
	for path := range filesBelow(t, "testdata/fleet/images/base") {
		files["images/base/"+path] = ""
	}
	files["rootfsgen.yaml"] = filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "updates: {backoff: 24h, quarantine: 2}\n"
	for _, image := range []string{"one", "two"} {
		files["images/"+image+"/Dockerfile"] = "FROM @REGISTRY@/upstream/" + image + ":1\nRUN echo " + image + " > /etc/image\n"
		files["images/"+image+"/image.yaml"] = "arch: [amd64]\n"
	}
	u.fleet = newFleet(t, name, files)
	return u
}

func (u *updates) live() {
	t := u.t
	u.bad = upstream(t, u.one, enginetest.Image(t, map[string]string{"etc/nothing": "to run\n"}))
	u.ran = upstream(t, u.two, newer(t, "two, newer"))
	u.look("both have moved", 0, u.bad, u.ran)
	u.fails("build one linux/amd64")

	u.look("one has failed", 1, "", u.ran)
	u.merge(time.Now().AddDate(0, 0, -2)) // and two days pass
	u.look("its time has come", 1, u.bad)
	u.fails("build one linux/amd64")

	u.look("one has failed twice", 2, "")
	u.merge(time.Now().AddDate(0, 0, -80))
	u.look("it is in quarantine", 2, "")

	good := upstream(t, u.one, newer(t, "one, mended"))
	u.look("it has moved on", 0, good)
}

// look lets the forge's clock start the lock's job, and wants its request to
// offer these digests, to leave out the bad one unless it is among them, and to
// note that so many updates failed; 0 is that none is noted.
func (u *updates) look(when string, failures int, offers ...string) {
	u.t.Helper()
	u.expect(when, u.on.lock(), succeeded("lock"))
	u.Git("fetch", "-q", "origin", "+rootfsgen/lock:refs/seen")
	u.lastTried = u.Git("rev-parse", "refs/seen")
	lock := u.Git("show", "refs/seen:images.lock")
	bases, notes, _ := strings.Cut(lock, "\nfailed:")
	hasBad := false
	for _, digest := range offers {
		hasBad = hasBad || digest == u.bad
		if !strings.Contains(bases, digest) {
			u.t.Fatalf("%s: %s is not offered:\n%s", when, digest, lock)
		}
	}
	if strings.Contains(bases, u.bad) != hasBad {
		u.t.Fatalf("%s: the bad base is offered, or is not:\n%s", when, lock)
	}
	noted := strings.Contains(notes, u.bad)
	if want := regexp.MustCompile(`failures: (\d+)`).FindStringSubmatch(notes); noted != (failures > 0) || noted && want[1] != string(rune('0'+failures)) {
		u.t.Fatalf("%s: want %d failures noted:\n%s", when, failures, lock)
	}
}

// fails lets the forge run the pipeline of the request, in which the named job
// fails.
func (u *updates) fails(job string) {
	u.t.Helper()
	main := u.Git("rev-parse", "main")
	u.Git("checkout", "-q", "-B", "offered", "refs/seen")
	got := u.on.tried(main, u.lastTried)
	u.Git("checkout", "-q", "-f", "main")
	if got.jobs[job] != "failure" {
		u.t.Fatalf("%s did not fail: %v\n%s", job, got.jobs, got.tail())
	}
}

// merge merges the request at a time: what it notes was noted then.
func (u *updates) merge(at time.Time) {
	u.t.Helper()
	lock := regexp.MustCompile(`last: .*`).ReplaceAllString(u.Git("show", "refs/seen:images.lock")+"\n", "last: \""+at.UTC().Format(time.RFC3339)+"\"")
	// gitlab-ci-local takes a file that has the size and the second of what the
	// last job left behind for the same: this one has another size.
	u.push("main", map[string]string{"images.lock": lock + "# merged\n"})
}

// tried on GitHub: the jobs have their names with those of the workflows that
// call them.
func (h hubEvents) tried(main, commit string) results {
	got := h.request(9, main)
	run := forgetest.Run{ID: int64(len(h.hub.Exchanges())), Workflow: "rootfsgen request", Event: "pull_request", Ref: "rootfsgen/lock", Commit: commit}
	for name, ended := range got.jobs {
		j := forgetest.Job{Name: name, Conclusion: ended}
		kind, rest, _ := strings.Cut(name, " ")
		switch image, platform, leg := strings.Cut(rest, " "); {
		case leg:
			j.Name = "fleet / " + kind + " " + image + " / " + platform
		case kind == "merge":
			j.Name = "fleet / merge " + image + " / index"
		}
		if ended == "failure" {
			j.Steps = []forgetest.Step{{Name: "Build", Conclusion: "failure"}}
			j.Notes = []string{"Process completed with exit code 1."}
		}
		run.Jobs = append(run.Jobs, j)
	}
	h.hub.Put(run)
	return got
}

// tried on GitLab: the images are in a child pipeline.
func (l labEvents) tried(main, commit string) results {
	got := l.request(9, main)
	id := int64(len(l.lab.Exchanges()))
	child := forgetest.Run{ID: id + 1, Event: "parent_pipeline", Commit: commit, Parent: id}
	for name, ended := range got.jobs {
		kind, rest, of := strings.Cut(name, " ")
		image, platform, leg := strings.Cut(rest, " ")
		if !of || kind != "build" && kind != "merge" {
			continue
		}
		j := forgetest.Job{Name: kind + ":" + image, Conclusion: map[string]string{"success": "success", "failure": "failed"}[ended]}
		if leg {
			j.Name += ":" + strings.TrimPrefix(platform, "linux/")
		}
		if ended == "failure" {
			j.Reason = "script_failure"
		}
		child.Jobs = append(child.Jobs, j)
	}
	l.lab.Put(forgetest.Run{ID: id, Event: "merge_request_event", Commit: commit, Jobs: []forgetest.Job{{Name: "rootfsgen-plan"}}})
	l.lab.Put(child)
	return got
}
