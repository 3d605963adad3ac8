package ci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// ownSocket is the folder that services make for sockets where their own has
// too long a path.
var ownSocket = regexp.MustCompile(`/tmp/rootfsgen-[0-9]+-[0-9a-f]{12}`)

// removeSockets cleans up behind buildkitd, which could not: its machine was
// switched off.
func removeSockets(t *testing.T, r results) {
	t.Helper()
	for _, folder := range ownSocket.FindAllString(strings.Join(r.log, "\n"), -1) {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	}
}

// canary is in place of each login that the repository has when a fork's
// request runs. It is none: who reads it as one fails.
const canary = "not-even-JSON-and-not-for-forks"

// canaries are all of them.
func canaries() map[string]string {
	all := map[string]string{model.RegistryAuth: canary, "DOCKER_AUTH_CONFIG": canary}
	for _, scope := range model.LoginScopes() {
		all[model.RegistryAuthOf(scope)] = canary
	}
	return all
}

// unheld wants no login of the repository in what a fork's jobs held.
func (f *fleet) unheld(held []string) {
	f.t.Helper()
	for _, v := range held {
		if strings.Contains(v, canary) {
			f.t.Errorf("a fork's code held %s", v)
		}
	}
}

// TestForkRequest executes the workflow of a pull request from a fork on a
// machine of its own: without a running engine, and gone when it ends. It must
// build everything, see none of the repository's logins, and leave nothing in
// the fleet's registry. TestDiamond has one of many images.
func TestForkRequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "fork", onlyBase(t))
	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	head := f.push("feature", map[string]string{"images/base/greeting": "hello from a fork\n"})
	held := f.observed()
	got, reports := gitHub{f}.fork(main, head)
	f.unheld(held())
	want := map[string]string{"fork": "success", "fleet": "skipped", "comment": "skipped", "result": "success"}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.reported(reports, "base")
	f.untouched("base")
}

// TestForkRequestOnGitLab does the same for a merge request from a fork that
// somebody lets run in the project itself, with the project's secrets: its one
// job must not use them.
func TestForkRequestOnGitLab(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "fork-gitlab", onlyBase(t))
	onGitLab(f)
	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	head := f.push("feature", map[string]string{"images/base/greeting": "hello from a fork\n"})
	held := f.observed()
	got, reports := gitLab{f}.fork(main, head)
	f.unheld(held())
	if diff := cmp.Diff(map[string]string{"fork": "success"}, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.reported(reports, "base")
	f.untouched("base")
}

// TestForkRequestThatIsTooLarge is planned, and nothing of it is built.
func TestForkRequestThatIsTooLarge(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "fork-large", onlyBase(t))
	for _, c := range []struct {
		most string
		want bool
	}{{"0", false}, {"1", false}, {"2", true}} {
		most, want := c.most, c.want
		out, errs, err := f.run(f.Dir, append(slices.Clone(f.env), "CI=true", "GITHUB_ACTIONS=true"), "rootfsrun", "run", "--scope", "pr", "--snapshot-id", "pr-9-"+most, "--from", "HEAD", "--force", "base", "--max-targets", most)
		if err != nil {
			t.Fatalf("--max-targets %s: %v\n%s", most, err, errs)
		}
		said := strings.Contains(errs, "::warning") && strings.Contains(errs, "nothing was built: the plan has 2 targets, and this run may build "+most)
		if said == want || !strings.Contains(out, "base") {
			t.Errorf("--max-targets %s: %s%s", most, out, errs)
		}
		if built := len(f.read("pr/base").contents) > 0; built != want {
			t.Errorf("--max-targets %s: built %v", most, built)
		}
	}
}

// untouched makes sure that nothing of an image is in the fleet's registry or
// its channels.
func (f *fleet) untouched(image string) {
	f.t.Helper()
	for _, scope := range []string{"pr", "testing", "prod"} {
		if p := f.read(scope + "/" + image); len(p.contents)+len(p.versions) > 0 {
			f.t.Errorf("something was written to %s/%s: %v %v", scope, image, p.contents, p.versions)
		}
	}
	if _, found := f.channel("manifest.testing.json"); found {
		f.t.Error("the testing channel was written")
	}
}

// fork is request 9, from a fork, on a machine that ends with it. It returns the
// folder of its reports, too.
func (g gitHub) fork(main, head string) (got results, reports string) {
	g.t.Helper()
	machine := *g.fleet
	machine.logins = canaries()
	got = g.merged(9, main, func() results {
		return machine.act(workflow{
			event: "pull_request", file: "rootfsgen-request.yml", payload: pullRequest(9, main, head, "mallory/images"),
			without: []string{"BUILDKIT_HOST"}, alone: true,
		})
	})
	removeSockets(g.t, got)
	return got, filepath.Join(g.artifacts, "rootfsgen-reports")
}

func (g gitLab) fork(main, _ string) (got results, reports string) {
	g.t.Helper()
	machine := *g.fleet
	machine.alone, machine.logins = true, canaries()
	machine.env = slices.DeleteFunc(slices.Clone(g.env), func(v string) bool { return strings.HasPrefix(v, "BUILDKIT_HOST=") })
	got = machine.gitlab(map[string]string{
		"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "9", "CI_MERGE_REQUEST_DIFF_BASE_SHA": main,
		"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2", "CI_MERGE_REQUEST_PROJECT_ID": "1", "CI_COMMIT_BRANCH": "-",
		"ROOTFSGEN_PUSH_TOKEN": "a-token-that-opens-nothing",
	})
	removeSockets(g.t, got)
	return got, filepath.Join(g.Dir, ".gitlab-ci-local/artifacts/rootfsgen-fork/build-artifacts")
}

// reported looks for the report of an image in a folder: it was built for all
// platforms and merged.
func (f *fleet) reported(folder, image string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, image+".json"))
	if err != nil {
		f.t.Errorf("the job left no report of %s: %v", image, err)
		return
	}
	var report struct {
		ImageID string       `json:"image_id"`
		Digest  model.Digest `json:"digest"`
		Arch    []string     `json:"arch"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		f.t.Errorf("reading the report of %s: %v", image, err)
		return
	}
	platforms := "linux/" + strings.Join(report.Arch, " linux/")
	if report.ImageID != image || !report.Digest.Valid() || platforms != everyImage[image] {
		f.t.Errorf("report of %s: %+v", image, report)
	}
}
