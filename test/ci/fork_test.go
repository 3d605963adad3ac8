package ci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
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

// TestForkRequest executes the workflow of a pull request from a fork on a
// machine of its own: without a running engine, and gone when it ends. It must
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
	for _, image := range []string{"base", "app", "tool"} {
		f.reported("rootfsgen-reports", image)
	}
	removeSockets(t, got)
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

// reported looks for the report of an image in an artifact: it was built for
// all platforms and merged.
func (f *fleet) reported(artifact, image string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.artifacts, artifact, image+".json"))
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
