package ci

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForkRequest executes the workflow of a pull request from a fork on a
// machine of its own: without engines of ours, and gone when it ends. It must
// build everything, and leave nothing in the fleet's registry.
func TestForkRequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "fork")
	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	head := f.push("feature", map[string]string{"images/app/app.sh": "#!/bin/sh\necho \"$(cat /etc/greeting) from app, forked\"\n"})
	got := gitHub{f}.merged(9, main, func() results {
		return f.act(workflow{
			event: "pull_request", file: "rootfsgen-request.yml", payload: pullRequest(9, main, head, "mallory/images"),
			without: []string{"BUILDKIT_HOST"}, alone: true,
		})
	})
	want := map[string]string{"fork": "success", "fleet": "skipped", "result": "success"}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	for image := range everyImage {
		for _, scope := range []string{"pr", "testing", "prod"} {
			if p := f.read(scope + "/" + image); len(p.contents)+len(p.versions) > 0 {
				t.Errorf("a request from a fork wrote to %s/%s: %v %v", scope, image, p.contents, p.versions)
			}
		}
	}
	if _, found := f.channel("manifest.testing.json"); found {
		t.Error("a request from a fork wrote the testing channel")
	}
}
