package artifactregistry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gcptest"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

const (
	prefix = "europe-docker.pkg.dev/team/images"
	image  = prefix + "/base/python"
	name   = "projects/team/locations/europe/repositories/images"
	pkg    = name + "/packages/base%2Fpython"
)

var uploaded = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func digest(n int) model.Digest { return model.DigestOf(fmt.Appendf(nil, "%d", n)) }

func client(t *testing.T, r *gcptest.Registry) (*artifactregistry.Client, *[]time.Duration) {
	t.Helper()
	var slept []time.Duration
	c, err := artifactregistry.New(artifactregistry.Options{
		API: googleapi.Options{Endpoint: r.Endpoint()},
		Retry: googleapi.Retry{Sleep: func(ctx context.Context, d time.Duration) error {
			slept = append(slept, d)
			return ctx.Err()
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, &slept
}

func version(n int) *pb.Version {
	return &pb.Version{Name: pkg + "/versions/" + digest(n).String(), CreateTime: timestamppb.New(uploaded)}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]artifactregistry.Place{
		image:                                 {Project: "team", Location: "europe", Repository: "images", Package: "base/python"},
		"us-central1-docker.pkg.dev/t/i":      {Project: "t", Location: "us-central1", Repository: "i"},
		"us-docker.pkg.dev/example.com/t/i/x": {Project: "example.com:t", Location: "us", Repository: "i", Package: "x"},
		"eu.gcr.io/team/python":               {Project: "team", Location: "europe", Repository: "eu.gcr.io", Package: "python"},
	} {
		if got, ok := artifactregistry.PlaceOf(address); !ok || got != want {
			t.Errorf("%s: %+v %v", address, got, ok)
		}
	}
	for _, address := range []string{"ghcr.io/team/x", "europe-docker.pkg.dev/team", "europe-docker.pkg.dev", "docker.pkg.dev.example.com/a/b", "europe-docker.pkg.dev/Te am/x", "europe-npm.pkg.dev/team/x"} {
		if got, ok := artifactregistry.PlaceOf(address); ok {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

func TestRepository(t *testing.T) {
	t.Parallel()
	r := gcptest.NewRegistry(t)
	untagged, anyState := pb.CleanupPolicyCondition_UNTAGGED, pb.CleanupPolicyCondition_ANY
	five := int32(5)
	r.Put(&pb.Repository{
		Name: name, Format: pb.Repository_DOCKER, Mode: pb.Repository_VIRTUAL_REPOSITORY, CleanupPolicyDryRun: true,
		FormatConfig: &pb.Repository_DockerConfig{DockerConfig: &pb.Repository_DockerRepositoryConfig{ImmutableTags: true}},
		VulnerabilityScanningConfig: &pb.Repository_VulnerabilityScanningConfig{
			EnablementState: pb.Repository_VulnerabilityScanningConfig_SCANNING_DISABLED, EnablementStateReason: "API is not enabled",
		},
		CleanupPolicies: map[string]*pb.CleanupPolicy{
			"old": {Action: pb.CleanupPolicy_DELETE, ConditionType: &pb.CleanupPolicy_Condition{Condition: &pb.CleanupPolicyCondition{TagState: &untagged, OlderThan: durationpb.New(24 * time.Hour)}}},
			"all": {Action: pb.CleanupPolicy_DELETE, ConditionType: &pb.CleanupPolicy_Condition{Condition: &pb.CleanupPolicyCondition{TagState: &anyState, TagPrefixes: []string{"k-"}}}},
			"new": {Action: pb.CleanupPolicy_KEEP, ConditionType: &pb.CleanupPolicy_MostRecentVersions{MostRecentVersions: &pb.CleanupPolicyMostRecentVersions{KeepCount: &five}}},
		},
	})
	c, _ := client(t, r)
	got, err := c.Repository(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	want := artifactregistry.Repository{
		Place: artifactregistry.Place{Project: "team", Location: "europe", Repository: "images"}, Docker: true, Mode: "virtual", ImmutableTags: true, CleanupDryRun: true,
		Scanning: artifactregistry.Scanning{State: "SCANNING_DISABLED", Reason: "API is not enabled"},
		Cleanup: []artifactregistry.Policy{
			{Name: "all", Delete: true, Tagged: true, TagPrefixes: []string{"k-"}},
			{Name: "new", Tagged: true, Untagged: true, KeepCount: 5},
			{Name: "old", Delete: true, Untagged: true, OlderThan: 24 * time.Hour},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for range 2 {
		on, why, err := c.Scanned(t.Context(), image)
		if on || err != nil || why != "SCANNING_DISABLED: API is not enabled" {
			t.Error(on, why, err)
		}
	}
	if n := r.Count("GetRepository"); n != 2 {
		t.Errorf("%d questions about one repository", n)
	}
}

func TestScanned(t *testing.T) {
	t.Parallel()
	for state, want := range map[pb.Repository_VulnerabilityScanningConfig_EnablementState]bool{
		pb.Repository_VulnerabilityScanningConfig_ENABLEMENT_STATE_UNSPECIFIED: true, // nobody knows: waiting tells
		pb.Repository_VulnerabilityScanningConfig_SCANNING_ACTIVE:              true,
		pb.Repository_VulnerabilityScanningConfig_SCANNING_DISABLED:            false,
		pb.Repository_VulnerabilityScanningConfig_SCANNING_UNSUPPORTED:         false,
	} {
		for _, disabled := range []bool{false, true} {
			r := gcptest.NewRegistry(t)
			config := &pb.Repository_VulnerabilityScanningConfig{EnablementState: state}
			if disabled {
				config.EnablementConfig = pb.Repository_VulnerabilityScanningConfig_DISABLED
			}
			r.Put(&pb.Repository{Name: name, VulnerabilityScanningConfig: config})
			c, _ := client(t, r)
			if on, why, err := c.Scanned(t.Context(), image); on != (want && !disabled) || err != nil || !on && why == "" {
				t.Errorf("%s, disabled %v: %v %q %v", state, disabled, on, why, err)
			}
		}
	}
	r := gcptest.NewRegistry(t)
	c, _ := client(t, r)
	if on, _, err := c.Scanned(t.Context(), image); on || err == nil {
		t.Errorf("a repository that is not there: %v %v", on, err)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	r := gcptest.NewRegistry(t)
	const n = 1200
	for i := range n {
		switch i {
		case 7:
			r.PutVersion(version(i), "b", "a")
		default:
			r.PutVersion(version(i))
		}
	}
	again := version(n)
	again.UpdateTime = timestamppb.New(uploaded.Add(time.Hour))
	r.PutVersion(again)
	r.Fail(gcptest.Fault{Method: "ListVersions", After: 1, Times: 2, Code: codes.Unavailable})
	c, slept := client(t, r)
	got, err := c.Versions(t.Context(), image)
	if err != nil || len(got) != n+1 || len(*slept) != 2 {
		t.Fatalf("%d versions after %d pauses, %v", len(got), len(*slept), err)
	}
	for _, v := range got {
		wantTags, wantTime := []string(nil), uploaded
		switch v.Digest {
		case digest(7):
			wantTags = []string{"a", "b"}
		case digest(n):
			wantTime = uploaded.Add(time.Hour)
		}
		if d := cmp.Diff(wantTags, v.Tags); d != "" || !v.Uploaded.Equal(wantTime) {
			t.Errorf("%+v: %s", v, d)
		}
	}
	for _, call := range r.Calls() {
		if call.Size != 1000 {
			t.Errorf("%+v", call)
		}
	}
	if none, err := c.Versions(t.Context(), prefix+"/never-pushed"); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
	r.Fail(gcptest.Fault{Method: "ListTags", Code: codes.PermissionDenied, Message: "no"})
	if half, err := c.Versions(t.Context(), image); err == nil || half != nil {
		t.Errorf("versions without their tags: %d, %v", len(half), err)
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	r := gcptest.NewRegistry(t)
	r.Put(&pb.Repository{Name: name})
	for _, p := range []string{"base%2Fpython", "base%2Fgo", "basement", "other"} {
		r.PutVersion(&pb.Version{Name: name + "/packages/" + p + "/versions/" + digest(1).String()})
	}
	c, _ := client(t, r)
	got, err := c.Images(t.Context(), prefix+"/base")
	if d := cmp.Diff([]string{prefix + "/base/go", prefix + "/base/python"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	r.PutVersion(&pb.Version{Name: name + "/packages/..%2F..%2Fx/versions/" + digest(1).String()})
	if got, err := c.Images(t.Context(), prefix); err == nil {
		t.Errorf("an image whose name is a path was taken: %v", got)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := gcptest.NewRegistry(t)
	r.Put(&pb.Repository{Name: name})
	r.PutVersion(version(1), "tagged")
	r.PutVersion(version(2))
	r.Slow(3)
	c, slept := client(t, r)
	for range 2 { // a second time there is nothing to do
		if err := c.Delete(t.Context(), image, digest(1)); err != nil {
			t.Fatal(err)
		}
	}
	if len(*slept) != 2 || r.Count("GetOperation") != 3 {
		t.Errorf("it was not waited for: %v, %d questions", *slept, r.Count("GetOperation"))
	}
	got, err := c.Versions(t.Context(), image)
	if err != nil || len(got) != 1 || got[0].Digest != digest(2) {
		t.Errorf("%+v, %v", got, err)
	}
	r.Put(&pb.Repository{Name: name, FormatConfig: &pb.Repository_DockerConfig{DockerConfig: &pb.Repository_DockerRepositoryConfig{ImmutableTags: true}}})
	r.PutVersion(version(3), "tagged")
	if err := c.Delete(t.Context(), image, digest(3)); err == nil || !strings.Contains(err.Error(), "tagged") {
		t.Errorf("an immutable tag: %v", err)
	}
	if err := c.Delete(t.Context(), image, "sha256:x"); err == nil {
		t.Error("a digest that is none was taken")
	}
}

func TestAttachments(t *testing.T) {
	t.Parallel()
	r := gcptest.NewRegistry(t)
	target := pkg + "/versions/" + digest(1).String()
	r.PutAttachment(&pb.Attachment{Name: name + "/attachments/sbom", Target: target, Type: "application/vnd.spdx+json", AttachmentNamespace: "artifactanalysis.googleapis.com", OciVersionName: pkg + "/versions/" + digest(9).String()})
	r.PutAttachment(&pb.Attachment{Name: name + "/attachments/another", Target: pkg + "/versions/" + digest(2).String()})
	r.Fail(gcptest.Fault{Method: "ListAttachments", Times: 1, Code: codes.Unavailable})
	c, slept := client(t, r)
	got, err := c.Attachments(t.Context(), image, digest(1))
	want := []artifactregistry.Attachment{{Name: "sbom", Type: "application/vnd.spdx+json", Namespace: "artifactanalysis.googleapis.com", Version: digest(9)}}
	if d := cmp.Diff(want, got); d != "" || err != nil || len(*slept) != 1 {
		t.Error(d, err, *slept)
	}
	const most = 1200
	for n := range most {
		r.PutAttachment(&pb.Attachment{Name: fmt.Sprintf("%s/attachments/%d", name, n), Target: target})
	}
	if got, err := c.Attachments(t.Context(), image, digest(1)); err != nil || len(got) != most+1 {
		t.Errorf("%d of them, %v", len(got), err)
	}
	r.Fail(gcptest.Fault{Method: "ListAttachments", After: 1, Code: codes.PermissionDenied, Message: "no"})
	if half, err := c.Attachments(t.Context(), image, digest(1)); err == nil || half != nil {
		t.Errorf("half of them: %d, %v", len(half), err)
	}
	if _, err := c.Attachments(t.Context(), image, "sha256:x"); err == nil {
		t.Error("a digest that is none was taken")
	}
}
