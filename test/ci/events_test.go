package ci

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// All kinds of events, on a fleet of one image.

const (
	bothLegs = "build base linux/amd64, build base linux/arm64, merge base"
	armLeg   = "build base linux/arm64"
)

// succeeded is a result in which the named jobs ran, and nothing else; a name
// that begins with - was skipped.
func succeeded(jobs ...string) map[string]string {
	m := map[string]string{}
	for name := range strings.SplitSeq(strings.Join(jobs, ", "), ", ") {
		if skipped, is := strings.CutPrefix(name, "-"); is {
			m[skipped] = "skipped"
		} else if name != "" {
			m[name] = "success"
		}
	}
	return m
}

func (f *fleet) expect(event string, got results, want map[string]string) {
	f.t.Helper()
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		f.t.Fatalf("%s: jobs (-want +got):\n%s\n%s", event, diff, got.tail())
	}
}

// generationOf is the highest generation among the content tags of a
// repository, and how many tags have it.
func (f *fleet) generationOf(repo string) (highest, tags int) {
	f.t.Helper()
	for tag := range f.contents(repo) {
		_, g, _ := model.ParseContentTag(tag)
		switch {
		case g > highest:
			highest, tags = g, 1
		case g == highest:
			tags++
		}
	}
	return highest, tags
}

// staleLock makes images.lock wrong in one digest, as if its base had moved
// since, and returns what is right.
func (f *fleet) staleLock() (right string) {
	f.t.Helper()
	right = f.Git("show", "HEAD:images.lock") + "\n"
	digest := regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	wrong := strings.Replace(right, digest.FindString(right), "sha256:"+strings.Repeat("1", 64), 1)
	if wrong == right {
		f.t.Fatalf("images.lock has no digest:\n%s", right)
	}
	f.push("main", map[string]string{"images.lock": wrong})
	return right
}

// offered reads what the branch of the lock offers.
func (f *fleet) offered() string {
	f.t.Helper()
	f.Git("fetch", "-q", "origin", "+rootfsgen/lock:refs/seen")
	if d := f.Git("diff", "--name-only", "main", "refs/seen"); d != "images.lock" {
		f.t.Errorf("rootfsgen/lock changes %q", d)
	}
	return f.Git("show", "refs/seen:images.lock") + "\n"
}

// events is what both forges are asked in the same way. Each returns a whole
// result.
type events interface {
	push() results
	queue(number int) results
	manual(images, platforms, force string) results
	bases() results
	lock() results
	requests() []forgetest.Request
	request(number int, base string) results
	release(tag string) results
	comments() []forgetest.Comment // below requests
	changes() []string             // what the forge was asked to change
	// ran is the whole result of a pipeline in which these jobs ran.
	ran(event string, jobs ...string) map[string]string
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) events{"github": eventsOnGitHub, "gitlab": eventsOnGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "events-"+name, onlyBase(t))
			live(f, on(f))
		})
	}
}

func live(f *fleet, on events) {
	t := f.t
	f.expect("a push", on.push(), on.ran("push", "plan", bothLegs, "manifest"))
	first := f.testing(map[string]string{"base": everyImage["base"]})

	f.requestThatBuilds(on)
	f.releaseOfOne(on, first)

	// A queue builds for itself, and testing stays.
	f.Git("checkout", "-q", "-b", "queued")
	f.push("queued", map[string]string{"images/base/greeting": "hello from the queue\n"})
	f.expect("a queue", on.queue(8), on.ran("queue", "plan", bothLegs))
	if p := f.read("pr/base"); !slices.ContainsFunc(slices.Collect(maps.Keys(p.versions)), func(tag string) bool {
		return strings.Contains(tag, "-queue-") || strings.HasSuffix(tag, "-train-8")
	}) {
		t.Errorf("the queue left %v", p.versions)
	}
	if d := cmp.Diff(first, f.testing(map[string]string{"base": everyImage["base"]})); d != "" {
		t.Errorf("a queue changed what testing has (-before +after):\n%s", d)
	}
	f.Git("checkout", "-q", "-f", "main")

	// The bases are built anew though nothing changed.
	f.expect("time for the bases", on.bases(), on.ran("bases", "plan", bothLegs, "manifest"))
	if g, tags := f.generationOf("testing/base"); g != 1 || tags != 2 {
		t.Errorf("after the bases: generation %d with %d tags", g, tags)
	}

	// By hand: one platform; the index waits for the other.
	f.expect("one platform by hand", on.manual("base", "linux/arm64", "true"), on.ran("manual", "plan", armLeg, "manifest"))
	if g, tags := f.generationOf("testing/base"); g != 2 || tags != 1 {
		t.Errorf("after one platform: generation %d with %d tags", g, tags)
	}
	f.expect("the other platform, by the next push", on.push(), on.ran("push", "plan", "build base linux/amd64", "merge base", "manifest"))
	if g, tags := f.generationOf("testing/base"); g != 2 || tags != 2 {
		t.Errorf("after the other platform: generation %d with %d tags", g, tags)
	}

	// What is no name reaches nothing.
	for _, hostile := range []string{"base; touch pwned", "$(touch pwned) --force `touch pwned` *"} {
		got := on.manual(hostile, "", "false")
		if got.jobs["plan"] != "failure" || !strings.Contains(strings.Join(got.log, "\n"), "unknown image") {
			t.Errorf("%q: %v\n%s", hostile, got.jobs, got.tail())
		}
		for job, result := range got.jobs {
			if strings.HasPrefix(job, "build") && result == "success" {
				t.Errorf("%q: %s ran", hostile, job)
			}
			told := job == "manifest" && strings.Contains(strings.Join(got.log, "\n"), "There is no plan") // GitLab's, so that a retry runs it
			if result == "failure" && job != "plan" && job != "result" && !told {
				t.Errorf("%q: %s failed for want of a plan", hostile, job)
			}
		}
	}

	// The lock: nothing, then what moved, then nothing new.
	f.expect("time for the lock, nothing moved", on.lock(), succeeded("lock"))
	if len(on.requests()) > 0 {
		t.Errorf("nothing moved, and yet: %v", on.requests())
	}
	right := f.staleLock()
	for range 2 {
		f.expect("time for the lock", on.lock(), succeeded("lock"))
		if offered := f.offered(); offered != right {
			t.Errorf("the request offers:\n%s", cmp.Diff(right, offered))
		}
		all := on.requests()
		if len(all) != 1 || all[0].Branch != "rootfsgen/lock" || all[0].Base != "main" || !strings.Contains(all[0].Body, "moved") {
			t.Errorf("requests: %+v", all)
		}
	}
}

// hubEvents are the events on a GitHub that keeps what it is told.
type hubEvents struct {
	gitHub
	hub *forgetest.Hub
}

func eventsOnGitHub(f *fleet) events {
	h := forgetest.NewGitHub(f.t, "acme", "images")
	f.t.Cleanup(h.Close)
	return hubEvents{gitHub{f}, h}
}

func (h hubEvents) queue(number int) results {
	h.t.Helper()
	base := h.Git("rev-parse", "main")
	h.Git("push", "-q", "-f", "origin", "HEAD:refs/heads/gh-readonly-queue/main/pr-8")
	return h.act(workflow{event: "merge_group", file: "rootfsgen-queue.yml", payload: map[string]any{
		"ref": "refs/heads/gh-readonly-queue/main/pr-8", "action": "checks_requested",
		"merge_group": map[string]any{"head_sha": h.Git("rev-parse", "HEAD"), "base_sha": base, "base_ref": "refs/heads/main"},
	}})
}

func (h hubEvents) manual(images, platforms, force string) results {
	return h.act(workflow{event: "workflow_dispatch", file: "rootfsgen-manual.yml", payload: map[string]any{
		"ref": "refs/heads/main", "inputs": map[string]any{"images": images, "platforms": platforms, "force": force},
	}})
}

func (h hubEvents) bases() results {
	return h.act(workflow{event: "schedule", file: "rootfsgen-bases.yml", payload: map[string]any{"ref": "refs/heads/main", "schedule": "17 6 * * 0"}})
}

func (h hubEvents) lock() results {
	return h.act(workflow{
		event: "schedule", file: "rootfsgen-lock.yml", payload: map[string]any{"ref": "refs/heads/main", "schedule": "17 5 * * 1-5"},
		env:     []string{"GITHUB_API_URL=" + h.hub.URL, "GITHUB_REPOSITORY=acme/images"},
		secrets: []string{"ROOTFSGEN_FORGE_TOKEN=" + forgetest.Token},
	})
}

func (h hubEvents) request(number int, base string) results {
	h.t.Helper()
	return h.requestTo(h.hub, number, base)
}

func (h hubEvents) requests() []forgetest.Request { return h.hub.Requests }
func (h hubEvents) comments() []forgetest.Comment { return h.hub.Comments }
func (h hubEvents) changes() []string             { return h.hub.Changes() }

func (h hubEvents) ran(event string, jobs ...string) map[string]string {
	m := succeeded(append(jobs, "result")...)
	if _, merged := m["merge base"]; !merged {
		m["merge base"] = "skipped"
	}
	if m["build base linux/amd64"] == "" && m["build base linux/arm64"] == "" {
		m["build base"] = "skipped"
	}
	if event == "request" {
		m["fork"] = "skipped"
	}
	return m
}

// labEvents are the events on a GitLab that keeps what it is told.
type labEvents struct {
	gitLab
	lab *forgetest.Lab
}

func eventsOnGitLab(f *fleet) events {
	l := forgetest.NewGitLab(f.t, "acme/images")
	f.t.Cleanup(l.Close)
	return labEvents{onGitLab(f).(gitLab), l}
}

func (l labEvents) queue(number int) results {
	l.t.Helper()
	return l.gitlab(map[string]string{
		"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train", "CI_MERGE_REQUEST_IID": "8",
		"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1", "CI_MERGE_REQUEST_PROJECT_ID": "1",
		"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": l.Git("rev-parse", "main"), "CI_COMMIT_BRANCH": "-",
	})
}

func (l labEvents) manual(images, platforms, force string) results {
	return l.gitlab(map[string]string{"CI_PIPELINE_SOURCE": "web", "ROOTFSGEN_IMAGES": images, "ROOTFSGEN_PLATFORMS": platforms, "ROOTFSGEN_FORCE": force})
}

func (l labEvents) bases() results { return l.basesOnly() }

// basesOnly executes some of the jobs; without names, all.
func (l labEvents) basesOnly(jobs ...string) results {
	return l.gitlab(map[string]string{"CI_PIPELINE_SOURCE": "schedule", "ROOTFSGEN_SCHEDULE": "bases"}, jobs...)
}

func (l labEvents) lock() results {
	return l.gitlab(map[string]string{
		"CI_PIPELINE_SOURCE": "schedule", "ROOTFSGEN_SCHEDULE": "lock", "GITLAB_CI": "true",
		"CI_API_V4_URL": l.lab.URL + "/api/v4", "CI_PROJECT_ID": "1", "ROOTFSGEN_FORGE_TOKEN": forgetest.Token,
	})
}

func (l labEvents) request(number int, base string) results {
	l.t.Helper()
	return l.requestTo(l.lab, number, base)
}

func (l labEvents) requests() []forgetest.Request { return l.lab.Requests }
func (l labEvents) comments() []forgetest.Comment { return l.lab.Comments }
func (l labEvents) changes() []string             { return l.lab.Changes() }

func (l labEvents) ran(event string, jobs ...string) map[string]string {
	return succeeded(append(jobs, "images", "child's plan", "reports")...)
}
