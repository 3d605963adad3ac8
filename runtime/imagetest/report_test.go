package imagetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestReport attaches what several runs came to, and fetches what a plan means.
func TestReport(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*registrytest.Server{"referrers": registrytest.New(t), "tags": registrytest.NewWithoutReferrers(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, c := t.Context(), registry.New(registry.Options{})
			e := &model.Entry{
				Image: "app", Tag: "1", Platform: model.LinuxAMD64, Repository: "app",
				Key: model.DigestOf([]byte("key")), TestsKey: model.DigestOf([]byte("tests")),
			}
			p := &model.Plan{Prefix: s.Prefix("testing")}
			report := func() string {
				t.Helper()
				body, err := Report(ctx, c, p, e)
				if err != nil {
					t.Fatal(err)
				}
				return string(body)
			}
			if got := report(); got != "" {
				t.Errorf("of what was never built: %s", got)
			}
			repo := p.Prefix + "/app"
			img, err := random.Image(10, 1)
			if err != nil {
				t.Fatal(err)
			}
			digest, err := c.PushImage(ctx, repo, img)
			if err == nil {
				err = c.MoveTag(ctx, repo, digest, model.ContentTag(e.Key, 0))
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := report(); got != "" {
				t.Errorf("of what was never tested: %s", got)
			}
			attach := func(says, tests string, minute int) {
				t.Helper()
				err := Suite{
					Target: e.ID(), Ref: repo + "@" + digest.String(), StepKey: model.TestStepKey(digest, model.DigestOf([]byte(tests))),
					Started: time.Date(2026, 11, 21, 9, minute, 0, 0, time.UTC), Results: []Result{{Test: model.Test{Name: says}, Problem: "no"}},
				}.Attach(ctx, c)
				if err != nil {
					t.Fatal(err)
				}
			}
			attach("the second", "tests", 2)
			attach("the first", "tests", 1)
			attach("of other tests", "others", 3)
			if got := report(); !strings.Contains(got, "the second") {
				t.Errorf("of several runs: %s", got)
			}
			if _, err := c.PutArtifact(ctx, repo, registry.Artifact{
				Subject: digest, Type: JUnitType, Body: []byte("<testsuites></testsuites><more/>"),
				Annotations: map[string]string{registry.CreatedAnnotation: "2026-11-22T09:00:00Z", stepKeyAnnotation: model.TestStepKey(digest, e.TestsKey).String()},
			}); err != nil {
				t.Fatal(err)
			}
			if body, err := Report(ctx, c, p, e); err == nil {
				t.Errorf("what is no report was taken: %s", body)
			}
		})
	}
}
