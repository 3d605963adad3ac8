package ci

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// everyImage is the fleet of testdata/fleet: image -> the platforms that its
// index must have.
var everyImage = map[string]string{
	"accel": "linux/amd64",
	"app":   "linux/amd64 linux/arm64",
	"base":  "linux/amd64 linux/arm64",
	"tool":  "linux/amd64 linux/arm64",
}

// forge executes the generated pipelines of a fleet for one event each. The
// results have names that both forges share: "build app linux/amd64".
type forge interface {
	push() results
	// request is for the branch that is checked out; base is the commit of main
	// that it starts from.
	request(number int, base string) results
	// closed is the end of a request.
	closed(number int) results
	release(tag string) results
	// expected is the whole result of a pipeline in which the named jobs ran
	// and nothing failed.
	expected(ran ...string) map[string]string
}

// TestPipelines lets both forges live through the same days of a fleet.
func TestPipelines(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) forge{"github": onGitHub, "gitlab": onGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, name)
			days(f, on(f))
		})
	}
}

func days(f *fleet, on forge) {
	t := f.t
	check := func(event string, got results, ran ...string) {
		t.Helper()
		if diff := cmp.Diff(on.expected(ran...), got.jobs); diff != "" {
			t.Fatalf("%s: jobs (-want +got):\n%s\n%s", event, diff, got.tail())
		}
		t.Logf("%s: %s", event, strings.Join(ran, ", "))
	}

	check("the first push", on.push(), slices.Concat([]string{"plan", "manifest"}, jobsOf("accel", "app", "base", "tool"))...)
	first := f.testing(everyImage)
	if _, is := on.(gitHub); is {
		for image := range everyImage {
			f.reported(filepath.Join(f.artifacts, "rootfsgen-index-"+image), image)
		}
	}

	f.push("main", map[string]string{"README.md": "Says something else.\n"})
	check("a push that changes no image", on.push(), "plan", "manifest")
	if diff := cmp.Diff(first, f.testing(everyImage)); diff != "" {
		t.Errorf("a push that changes no image changed what is published (-before +after):\n%s", diff)
	}

	f.push("main", map[string]string{"images/app/app.sh": "#!/bin/sh\necho \"$(cat /etc/greeting) from app, again\"\n"})
	check("a push that edits app", on.push(), slices.Concat([]string{"plan", "manifest"}, jobsOf("app", "tool"))...)
	second := f.testing(everyImage)
	if diff := cmp.Diff([]string{"app", "tool"}, changed(first, second)); diff != "" {
		t.Errorf("images whose digest changed (-want +got):\n%s", diff)
	}

	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	f.push("feature", map[string]string{"images/tool/tool.txt": "a better tool\n"})
	check("a request that edits tool", on.request(7, main), slices.Concat([]string{"plan", "comment"}, jobsOf("tool"))...)
	f.requested("tool", "7")
	if diff := cmp.Diff(second, f.testing(everyImage)); diff != "" {
		t.Errorf("a request changed what testing has (-before +after):\n%s", diff)
	}
	f.Git("checkout", "-q", "-f", "main")
	f.expect("the request closes", on.closed(7), succeeded("purge"))
	f.purged("tool", "7")

	f.Git("tag", "v1.0.0")
	f.Git("push", "-q", "origin", "v1.0.0")
	check("a release", on.release("v1.0.0"), "plan", "manifest", "promote")
	prod, found := f.channel("manifest.json")
	if !found {
		t.Fatal("a release wrote no manifest.json")
	}
	if diff := cmp.Diff(second, prod.digests()); diff != "" {
		t.Errorf("digests in manifest.json (-testing +prod):\n%s", diff)
	}

	f.push("main", map[string]string{"images/base/greeting": "well, hello\n"})
	check("a push that edits base", on.push(), slices.Concat([]string{"plan", "manifest"}, jobsOf("accel", "app", "base", "tool"))...)
	third := f.testing(everyImage)
	if diff := cmp.Diff([]string{"accel", "app", "base", "tool"}, changed(second, third)); diff != "" {
		t.Errorf("images whose digest changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(prod.digests(), must(f.channel("manifest.json")).digests()); diff != "" {
		t.Errorf("a push changed manifest.json (-before +after):\n%s", diff)
	}
	if g, is := on.(gitLab); is {
		badDay(g, third)
	}
}

// badDay breaks a test of one image: it and what is built from it keep what
// they had, the others go on, and the next good push heals. It is for GitLab
// only, because act ends a whole run when a job in a called workflow fails.
func badDay(g gitLab, before map[string]model.Digest) {
	t := g.t
	broken := "#!/bin/sh\necho nothing to say\n"
	g.fleet.push("main", map[string]string{"images/app/app.sh": broken, "images/accel/accel.txt": "faster\n"})
	got := g.push()
	want := g.expected(slices.Concat([]string{"plan", "manifest"}, jobsOf("accel"))...)
	want["build app linux/amd64"], want["build app linux/arm64"] = "failure", "failure"
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("a push that breaks app: jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	// The parent cannot tell, so the child is run once more by itself.
	if err := g.child(); err == nil {
		t.Error("the child pipeline with a failing test succeeded")
	}
	after := g.testing(everyImage)
	if diff := cmp.Diff([]string{"accel"}, changed(before, after)); diff != "" {
		t.Errorf("images whose digest changed when app was broken (-want +got):\n%s", diff)
	}
	var stale []string
	for _, i := range must(g.channel("manifest.testing.json")).Images {
		if i.StaleSince != "" {
			stale = append(stale, i.ID)
		}
	}
	if diff := cmp.Diff([]string{"app", "tool"}, stale); diff != "" {
		t.Errorf("stale images (-want +got):\n%s", diff)
	}

	g.fleet.push("main", map[string]string{"images/app/app.sh": "#!/bin/sh\necho \"$(cat /etc/greeting) from app, well again\"\n"})
	got = g.push()
	if diff := cmp.Diff(g.expected(slices.Concat([]string{"plan", "manifest"}, jobsOf("app", "tool"))...), got.jobs); diff != "" {
		t.Fatalf("a push that heals app: jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	if diff := cmp.Diff([]string{"app", "tool"}, changed(after, g.testing(everyImage))); diff != "" {
		t.Errorf("images whose digest changed when app was healed (-want +got):\n%s", diff)
	}
}

// must drops the second value, for a document that was there before.
func must(c channel, _ bool) channel { return c }

// jobsOf are the jobs that build and merge images.
func jobsOf(images ...string) []string {
	var jobs []string
	for _, image := range images {
		for platform := range strings.FieldsSeq(everyImage[image]) {
			jobs = append(jobs, "build "+image+" "+platform)
		}
		jobs = append(jobs, "merge "+image)
	}
	return jobs
}

// testing reads the testing channel and compares it with the registry: each
// image is an index of all of its platforms, under a version tag.
func (f *fleet) testing(images map[string]string) map[string]model.Digest {
	f.t.Helper()
	c, found := f.channel("manifest.testing.json")
	if !found {
		f.t.Fatal("there is no manifest.testing.json")
	}
	digests := c.digests()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(images)), slices.Sorted(maps.Keys(digests))); diff != "" {
		f.t.Fatalf("images in manifest.testing.json (-want +got):\n%s", diff)
	}
	for _, i := range c.Images {
		p := f.read("testing/" + i.ID)
		if got := p.versions[i.Version]; got != i.Digest {
			f.t.Errorf("%s: manifest.testing.json has %s, the registry's tag %q %s", i.ID, i.Digest, i.Version, got)
		}
		if want := f.prefix + "/testing/" + i.ID + ":" + i.Version; i.Image != want {
			f.t.Errorf("%s: manifest.testing.json has the reference %s, expected %s", i.ID, i.Image, want)
		}
		if diff := cmp.Diff(p.platforms[i.Digest], i.Platforms); diff != "" {
			f.t.Errorf("%s: platforms (-index +manifest.testing.json):\n%s", i.ID, diff)
		}
		if got := platformsOf(i.Platforms); got != images[i.ID] {
			f.t.Errorf("%s: the index is for %q, expected %q", i.ID, got, images[i.ID])
		}
	}
	return digests
}

// requested looks for what a request left: its image in the scope of requests,
// under a tag that names the request.
func (f *fleet) requested(image, number string) {
	f.t.Helper()
	p := f.read("pr/" + image)
	if len(p.contents) == 0 {
		f.t.Errorf("pr/%s has no content tag", image)
	}
	for tag, digest := range p.versions {
		if strings.HasSuffix(tag, "r-"+number) && platformsOf(p.platforms[digest]) == everyImage[image] {
			return
		}
	}
	f.t.Errorf("pr/%s has no index under a tag of request %s: %v", image, number, p.versions)
}

// purged wants nothing to be left of a request's image, and main's to be there.
func (f *fleet) purged(image, number string) {
	f.t.Helper()
	for tag := range f.read("pr/" + image).versions {
		if strings.HasSuffix(tag, "r-"+number) {
			f.t.Errorf("pr/%s still has %s", image, tag)
		}
	}
	f.testing(everyImage)
}

// platformsOf are the platforms of an index, "linux/amd64 linux/arm64".
func platformsOf(index map[string]model.Digest) string {
	return strings.Join(slices.Sorted(maps.Keys(index)), " ")
}

// changed are the images whose digests differ, sorted.
func changed(before, after map[string]model.Digest) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if before[id] != after[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

type gitHub struct{ *fleet }

func onGitHub(f *fleet) forge { return gitHub{f} }

func (g gitHub) push() results {
	return g.act(workflow{event: "push", file: "rootfsgen-push.yml", payload: map[string]any{
		"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": g.Git("rev-parse", "HEAD"),
	}})
}

func (g gitHub) request(number int, base string) results {
	g.t.Helper()
	h := forgetest.NewGitHub(g.t, "acme", "images")
	defer h.Close()
	return g.requestTo(h, number, base)
}

// requestTo is a request to a forge that keeps what it is told.
func (g gitHub) requestTo(h *forgetest.Hub, number int, base string) results {
	g.t.Helper()
	head := g.Git("rev-parse", "HEAD")
	return g.merged(number, base, func() results {
		return g.act(workflow{
			event: "pull_request", file: "rootfsgen-request.yml", payload: pullRequest(number, base, head, "acme/images"),
			env:     []string{"GITHUB_API_URL=" + h.URL, "GITHUB_REPOSITORY=acme/images"},
			secrets: []string{"GITHUB_TOKEN=" + forgetest.Token},
		})
	})
}

// merged does something on the merge of the current branch into base, which
// is what GitHub checks out for a pull request.
func (g gitHub) merged(number int, base string, do func() results) results {
	g.t.Helper()
	branch := g.Git("branch", "--show-current")
	g.Git("checkout", "-q", "--detach", base)
	g.Git("merge", "-q", "--no-ff", "-m", "Merge", branch)
	g.Git("push", "-q", "-f", "origin", fmt.Sprintf("HEAD:refs/pull/%d/merge", number))
	defer g.Git("checkout", "-q", branch)
	return do()
}

// pullRequest is the event of a pull request from a repository.
func pullRequest(number int, base, head, from string) map[string]any {
	return map[string]any{"number": number, "pull_request": map[string]any{
		"number": number,
		"base":   map[string]any{"ref": "main", "sha": base, "repo": map[string]any{"full_name": "acme/images"}},
		"head":   map[string]any{"ref": "feature", "sha": head, "repo": map[string]any{"full_name": from}},
	}}
}

func (g gitHub) closed(number int) results {
	g.t.Helper()
	main := g.Git("rev-parse", "main")
	payload := pullRequest(number, main, main, "acme/images")
	payload["action"] = "closed"
	return g.act(workflow{event: "pull_request", file: "rootfsgen-closed.yml", payload: payload})
}

func (g gitHub) release(tag string) results {
	g.t.Helper()
	h := forgetest.NewGitHub(g.t, "acme", "images")
	defer h.Close()
	r := g.act(workflow{
		event: "push", file: "rootfsgen-release.yml", payload: map[string]any{
			"ref": "refs/tags/" + tag, "before": strings.Repeat("0", 40), "after": g.Git("rev-parse", "HEAD"),
		},
		env:     []string{"GITHUB_API_URL=" + h.URL, "GITHUB_REPOSITORY=acme/images", "GITHUB_REF_NAME=" + tag},
		secrets: []string{"GITHUB_TOKEN=" + forgetest.Token},
	})
	g.noted(r, tag, h.Releases)
	return r
}

// noted wants the notes of a release that was promoted on the forge, and none
// of another.
func (f *fleet) noted(r results, tag string, releases []forgetest.Release) {
	f.t.Helper()
	if promoted := r.jobs["promote"] == "success"; promoted != (len(releases) == 1) || promoted && (releases[0].Tag != tag || !strings.HasPrefix(releases[0].Body, "## Images")) {
		f.t.Errorf("promoted %v, and the releases are %+v", promoted, releases)
	}
}

// expected on GitHub: whatever of the fleet did not run was skipped, and the
// closing check ran in any case. A request has a job for forks that is
// skipped, and no other workflow has.
func (g gitHub) expected(ran ...string) map[string]string {
	m := map[string]string{"result": "success"}
	for image := range everyImage {
		m["build "+image], m["merge "+image] = "skipped", "skipped"
	}
	if !slices.Contains(ran, "manifest") {
		m["fork"] = "skipped"
	}
	for _, job := range ran {
		m[job] = "success"
		if image, leg := strings.CutPrefix(job, "build "); leg {
			name, _, _ := strings.Cut(image, " ")
			delete(m, "build "+name)
		}
	}
	return m
}

type gitLab struct{ *fleet }

func onGitLab(f *fleet) forge {
	// How gitlab-ci-local finds the default branch; its own folder is no change.
	f.Git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	f.exclude(".gitlab-ci-local/")
	return gitLab{f}
}

func (g gitLab) push() results { return g.gitlab(nil) }

func (g gitLab) request(number int, base string) results {
	g.t.Helper()
	l := forgetest.NewGitLab(g.t, "acme/images")
	defer l.Close()
	return g.requestTo(l, number, base)
}

// requestTo is a request to a forge that keeps what it is told.
func (g gitLab) requestTo(l *forgetest.Lab, number int, base string) results {
	g.t.Helper()
	return g.gitlab(map[string]string{
		"GITLAB_CI": "true", "CI_API_V4_URL": l.URL + "/api/v4", "CI_PROJECT_ID": "1", "ROOTFSGEN_FORGE_TOKEN": forgetest.Token,
		"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": fmt.Sprint(number),
		"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1", "CI_MERGE_REQUEST_PROJECT_ID": "1",
		"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_COMMIT_BRANCH": "-",
	})
}

// closed is the job that ends the environment of a request. GitLab starts it
// when the request closes; a person may before.
func (g gitLab) closed(number int) results {
	return g.gitlab(map[string]string{
		"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": fmt.Sprint(number),
		"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1", "CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_COMMIT_BRANCH": "-",
	}, "rootfsgen-purge")
}

func (g gitLab) release(tag string) results {
	g.t.Helper()
	l := forgetest.NewGitLab(g.t, "acme/images")
	defer l.Close()
	r := g.gitlab(map[string]string{
		"GITLAB_CI": "true", "CI_API_V4_URL": l.URL + "/api/v4", "CI_PROJECT_ID": "1", "CI_JOB_TOKEN": forgetest.JobToken,
		"CI_COMMIT_TAG": tag, "CI_COMMIT_REF_NAME": tag, "CI_COMMIT_BRANCH": "-", "CI_COMMIT_REF_PROTECTED": "true",
	})
	g.noted(r, tag, l.Releases)
	return r
}

// expected on GitLab: what did not run is not there; the images are a child
// pipeline, whose first job carries the plan.
func (g gitLab) expected(ran ...string) map[string]string {
	m := map[string]string{"images": "success", "child's plan": "success", "reports": "success"}
	for _, job := range ran {
		m[job] = "success"
	}
	return m
}
